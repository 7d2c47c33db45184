"""A cancel is taken back: the mail is HELD in the outbox again, with its doubt, its time, its files and its key."""

import threading

import pytest

from outbox import Attachment, ChangedMeanwhile, InvalidRequest, KeyConflict, NotFound, WrongState
from outbox.adapters import stream
from outbox.core.errors import NeedsConfirmation, OutcomeUnknown, Rejected, TooLarge
from outbox.core.retention import Retention
from outbox.core.states import Status
from outbox.flows.again import Again
from outbox.flows.batch import Action, Batches
from outbox.flows.cleanup import Cleanup
from outbox.flows.forget import Forget
from outbox.flows.keep import Keep
from outbox.flows.support import Support
from outbox.flows.where import Where
from outbox.testing import LARGEST_ITEM, MemorySuppressions, item_size
from tests.adapters.test_stream import record


@pytest.fixture
def cancelled(service, mail):
    """Give the id of a new mail that was called back."""
    mail_id = service.outbox.enqueue(mail(), idempotency_key="order-42").id
    service.support.cancel(mail_id, "bob")
    return mail_id


def unknown(service, mail):
    """Write a mail the API took without answering; give its id."""

    def answer(sent):
        service.api.accept(sent)
        raise OutcomeUnknown("no answer.")

    service.api.answer, service.look_up_minutes = answer, 0
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    service.api.answer = None
    assert service.status(mail_id) == "UNKNOWN"
    return mail_id


def batches(service):
    return Batches(service.store, service.register, service.clock, service.keep, lambda _: None)


def test_it_waits_in_the_outbox_for_a_person(service, cancelled):
    """Under the same id, with who did it and when; it is where people look for what is held."""
    service.clock.forward(hours=1)
    row = service.support.reopen(cancelled, "alice")
    assert row.item == service.store.get(cancelled)
    assert (row.id, row.status, row.reason) == ("order-42", "HELD", "Reopened by alice.")
    assert row.timeline[-1] == {
        "at": "2026-01-01T01:00:00.000Z",
        "who": "alice",
        "what": "reopened",
        "error": "reopened",
        "details": {"who": "alice"},
    }
    assert service.store.history == {}
    assert [item["id"] for item in service.store.by_problem("HELD", 10).items] == ["order-42"]


def test_it_never_fires_by_itself_and_goes_once_when_it_is_released(service, cancelled):
    """Neither the new row nor any old doorbell nor time sends it; a person does, and history has it then."""
    service.support.reopen(cancelled, "alice")
    assert service.doorbells()[1:] == []
    service.deliver(service.doorbells(all_of_them=True))
    service.clock.forward(days=400)
    service.dispatch()
    assert (service.status(cancelled), service.api.sent) == ("HELD", [])
    service.support.release(cancelled, "alice")
    service.ring_until_quiet()
    service.deliver(service.doorbells(all_of_them=True))
    assert (service.status(cancelled), len(service.api.sent)) == ("SENT", 1)
    assert [event["what"] for event in service.row(cancelled).timeline] == [
        "enqueued",
        "cancelled",
        "reopened",
        "released",
        "sent",
    ]


def test_a_time_still_to_come_is_kept(service, mail):
    """Release schedules it again; a time that has gone by meanwhile sends it at once."""
    at = service.clock().replace(year=2027)
    early, late = (service.outbox.enqueue(mail(subject=subject), send_at=at).id for subject in ("early", "late"))
    for mail_id in (early, late):
        service.support.cancel(mail_id, "bob")
        service.support.reopen(mail_id, "alice")
    service.support.release(early, "alice")
    assert (service.status(early), service.row(early).due_at) == ("WAITING", at)
    service.clock.forward(days=500)
    service.support.release(late, "alice")
    assert service.status(late) == "PENDING"


def test_a_mail_comes_and_goes_as_often_as_people_like(service, cancelled):
    """Each time with its story, and above every revision it had."""
    revisions = []
    for _ in range(3):
        revisions.append(service.support.reopen(cancelled, "alice").revision)
        service.support.cancel(cancelled, "bob")
    assert revisions == [3, 5, 7]
    whats = [event["what"] for event in service.row(cancelled).timeline]
    assert whats == ["enqueued", *["cancelled", "reopened"] * 3, "cancelled"]


def test_a_reopened_mail_can_be_corrected_resent_and_held(service, cancelled):
    """It is a held mail as any other."""
    service.support.reopen(cancelled, "alice")
    service.support.edit(cancelled, {"subject": "Corrected"}, "alice")
    service.support.hold(cancelled, "alice", "ask legal")
    service.support.resend(cancelled, "alice")
    service.ring_until_quiet()
    assert service.api.sent[0].subject == "Corrected"


# What may have been sent.


def test_a_doubt_comes_back_with_the_mail(service, mail):
    """It went out and nobody knows: a bulk release leaves it alone, one person may release it."""
    mail_id = unknown(service, mail)
    service.support.cancel(mail_id, "bob")
    row = service.support.reopen(mail_id, "alice")
    assert (row.error, row.reason) == ("reopened-in-doubt", "It may have been sent. Reopened by alice.")
    bulk = batches(service)
    bulk.run(bulk.start(Where(Status.HELD), Action("release"), "carol"))
    assert (service.status(mail_id), len(service.api.sent)) == ("HELD", 1)
    service.support.release(mail_id, "alice")
    assert service.status(mail_id) == "PENDING"


def test_a_cancel_by_a_batch_keeps_the_doubt_too(service, mail):
    """The event of a batch tells what was known as that of a person does."""
    doubtful = unknown(service, mail)
    service.api.answer = lambda _mail: (_ for _ in ()).throw(Rejected("to: unknown. (400)"))
    refused = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    bulk = batches(service)
    for state in (Status.UNKNOWN, Status.FAILED):
        batch = bulk.start(Where(state), Action("cancel"), "bob")
        assert bulk.run(batch).done == 1
    event = service.row(doubtful).timeline[-1]
    assert (event["was"], event["error"], event["details"]) == ("UNKNOWN", "unknown", {"why": "no answer."})
    assert "batch" in event
    assert service.support.reopen(doubtful, "alice").error == "reopened-in-doubt"
    assert service.support.reopen(refused, "alice").error == "reopened"


def test_a_full_row_that_lost_its_timeline_comes_back_in_doubt(service, mail):
    """Where nobody can tell any more, it counts as maybe sent; the row fits."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, text="x" * (LARGEST_ITEM - item_size(service.store.get(mail_id)) - 10))
    service.support.cancel(mail_id, "bob")
    assert "timeline" not in service.store.history[mail_id]
    row = service.support.reopen(mail_id, "alice")
    assert (row.status, row.error, row.reason) == (
        "HELD",
        "reopened-in-doubt",
        "It may have been sent. Reopened by alice.",
    )
    assert service.store.history == {}


@pytest.mark.parametrize("room", range(0, 600, 13))
def test_it_comes_back_however_full_its_row_is(service, mail, room):
    """Words yield, the mail does not: no text is torn, the state and its word stand, or history keeps it."""
    mail_id = service.outbox.enqueue(mail(cc=["ken@example.com"])).id
    service.support.cancel(mail_id, "bob")
    finished = service.store.history[mail_id]
    finished["text"] = "x" * (LARGEST_ITEM - item_size(finished) - room)
    row = service.support.reopen(mail_id, "alice")
    assert row.item["text"] == finished["text"]
    assert (row.status, row.error, row.item["problem"]) == ("HELD", "reopened", "HELD")
    assert "alice" in row.reason
    assert service.store.history == {}


def test_a_row_that_fits_nowhere_stays_in_history(service, cancelled):
    """Nothing was changed."""
    reopen = service.store.reopen

    def no_room(finished, expect, item):
        return reopen(finished, expect, item.also({"text": "x" * LARGEST_ITEM}))

    service.store.reopen = no_room
    with pytest.raises(TooLarge):
        service.support.reopen(cancelled, "alice")
    assert service.status(cancelled) == "CANCELLED"


# What cannot be reopened.


def test_what_was_sent_is_not_reopened(service, mail):
    """Nor what is in the outbox; nobody acts without a name."""
    sent, waiting = (service.outbox.enqueue(mail(subject=subject)).id for subject in ("sent", "waiting"))
    service.support.hold(waiting, "bob")
    service.ring_until_quiet()
    with pytest.raises(WrongState, match="SENT and cannot be reopened: only CANCELLED"):
        service.support.reopen(sent, "alice")
    with pytest.raises(WrongState, match="HELD and cannot be reopened: it is in the outbox"):
        service.support.reopen(waiting, "alice")
    with pytest.raises(InvalidRequest):
        service.support.reopen(sent, "")
    assert (service.status(sent), service.status(waiting)) == ("SENT", "HELD")


@pytest.mark.parametrize("nobody", ["nobody", "outbox:copy:0:order-42", "outbox:delivery:1"])
def test_what_is_no_mail_is_not_found(service, cancelled, nobody):
    """Neither an id nobody has nor an item of the service."""
    service.store.history[nobody] = {"id": nobody, "status": "CANCELLED", "text": "x"}
    if nobody == "nobody":
        del service.store.history[nobody]
    with pytest.raises(NotFound, match=nobody):
        service.support.reopen(nobody, "alice")


def test_a_forgotten_mail_is_not_brought_back(service, cancelled):
    """What it said is gone."""
    Forget(service.store, MemorySuppressions(), service.files, service.clock)("taro@example.com", "bob")
    with pytest.raises(WrongState, match="erased on request"):
        service.support.reopen(cancelled, "alice")


def test_a_mail_whose_texts_history_did_not_keep(service, mail):
    """There would be nothing to send."""
    support = Support(service.store, service.clock, Retention(400, bodies=False))
    mail_id = service.outbox.enqueue(mail()).id
    support.cancel(mail_id, "bob")
    with pytest.raises(WrongState, match="does not keep"):
        support.reopen(mail_id, "alice")


def test_a_mail_that_was_sent_again_as_another(service, cancelled):
    """Two mails would go."""
    Again(service.store, service.files, service.clock)(cancelled, "bob")
    with pytest.raises(WrongState, match="there would be two"):
        service.support.reopen(cancelled, "alice")
    assert service.store.get(cancelled) is None


def test_a_second_row_of_the_id_stands(service, cancelled):
    """Whoever wrote it, it is not written over, also if it comes at the last moment."""
    first = {**service.store.history[cancelled], "status": "HELD"}
    service.store.put(first)
    with pytest.raises(WrongState, match="in the outbox already"):
        service.support.reopen(cancelled, "alice")
    service.store.remove(cancelled)
    reopen = service.store.reopen

    def raced(*args):
        service.store.put(first)
        return reopen(*args)

    service.store.reopen = raced
    with pytest.raises(WrongState, match="in the outbox already"):
        service.support.reopen(cancelled, "alice")
    assert service.store.get(cancelled) == first
    assert service.status(cancelled) == "HELD"


# Lost answers, and others at the same moment.


def test_a_lost_answer_is_recognised(service, cancelled):
    """It was done and the connection broke: the call ends well, with the row as it is."""
    reopen = service.store.reopen

    def lost(*args):
        reopen(*args)
        raise TimeoutError("no answer")

    service.store.reopen = lost
    row = service.support.reopen(cancelled, "alice")
    assert row.item == service.store.get(cancelled)
    assert row.reason == "Reopened by alice."


def test_a_try_that_did_nothing_is_told_as_it_is(service, cancelled):
    """The error of the store reaches the person, and the mail is where it was; the next try does it."""
    reopen = service.store.reopen

    def broken(*_args):
        raise TimeoutError("no connection")

    service.store.reopen = broken
    with pytest.raises(TimeoutError, match="no connection"):
        service.support.reopen(cancelled, "alice")
    assert service.status(cancelled) == "CANCELLED"
    service.store.reopen = reopen
    assert service.support.reopen(cancelled, "alice").status == "HELD"


def test_the_error_that_came_first_is_told(service, cancelled):
    """If the look for our own write fails too, that is not what the person must know."""
    get = service.store.get

    def broken(*_args):
        service.store.get = lambda _: (_ for _ in ()).throw(ConnectionError("second"))
        raise TimeoutError("first")

    service.store.reopen = broken
    with pytest.raises(TimeoutError, match="first"):
        service.support.reopen(cancelled, "alice")
    service.store.get = get


def test_a_repeated_write_is_our_own(service, cancelled):
    """A store that tries again by itself, and says that it lost, lost to us."""
    reopen = service.store.reopen

    def repeated(*args):
        reopen(*args)
        return reopen(*args)

    service.store.reopen = repeated
    assert service.support.reopen(cancelled, "alice").status == "HELD"
    assert [event["what"] for event in service.row(cancelled).timeline].count("reopened") == 1


@pytest.mark.parametrize("act", ["release", "cancel"])
def test_what_came_after_our_own_write_stands(service, cancelled, act):
    """Before the answer was lost somebody else acted on the mail: that is not undone."""
    reopen = service.store.reopen

    def slow(*args):
        reopen(*args)
        service.store.reopen = reopen
        getattr(service.support, act)(cancelled, "carol")
        return reopen(*args)

    service.store.reopen = slow
    row = service.support.reopen(cancelled, "alice")
    assert row.status == {"release": "PENDING", "cancel": "CANCELLED"}[act]
    assert (row.timeline[-1]["who"], row.item) == ("carol", service.row(cancelled).item)


def test_of_two_people_one_wins_and_the_other_is_told(service, cancelled):
    """Both saw it cancelled and press at the same moment."""
    barrier, reopen, outcomes = threading.Barrier(2), service.store.reopen, {}

    def together(*args):
        barrier.wait(5)
        return reopen(*args)

    def press(who):
        try:
            outcomes[who] = service.support.reopen(cancelled, who).reason
        except WrongState as error:
            outcomes[who] = str(error)

    service.store.reopen = together
    threads = [threading.Thread(target=press, args=(who,)) for who in ("alice", "carol")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = service.row(cancelled).timeline[-1]["who"]
    assert outcomes.pop(winner) == f"Reopened by {winner}."
    assert list(outcomes.values()) == ["Mail order-42 is HELD and cannot be reopened: it is in the outbox already."]


def test_a_note_made_meanwhile_is_not_lost(service, cancelled):
    """Whatever was written on the history row since it was read, it is read again."""
    reopen = service.store.reopen

    def noted(*args):
        service.store.reopen = reopen
        finished = service.store.history[cancelled]
        finished["timeline"] = [*finished["timeline"], {"what": "noted by hand"}]
        return reopen(*args)

    service.store.reopen = noted
    whats = [event["what"] for event in service.support.reopen(cancelled, "alice").timeline]
    assert whats[-2:] == ["noted by hand", "reopened"]


def test_a_row_that_never_rests_is_told(service, cancelled):
    """After so many tries a person looks again."""
    reopen = service.store.reopen

    def restless(*args):
        service.store.history[cancelled]["revision"] += 1
        return reopen(*args)

    service.store.reopen = restless
    with pytest.raises(ChangedMeanwhile):
        service.support.reopen(cancelled, "alice")
    assert service.status(cancelled) == "CANCELLED"


def test_reopened_or_sent_again_never_both(service, cancelled):
    """Two people, each with another wish for the same mail: the first write decides."""
    again, add = Again(service.store, service.files, service.clock), service.store.add_linked

    def overtaken(*args):
        service.store.add_linked = add
        service.support.reopen(cancelled, "alice")
        return add(*args)

    service.store.add_linked = overtaken
    with pytest.raises(WrongState, match="still in the outbox"):
        again(cancelled, "bob")
    assert list(service.store.outbox) == [cancelled]

    service.support.cancel(cancelled, "bob")
    reopen = service.store.reopen

    def resent(*args):
        service.store.reopen = reopen
        again(cancelled, "bob")
        return reopen(*args)

    service.store.reopen = resent
    with pytest.raises(WrongState, match="there would be two"):
        service.support.reopen(cancelled, "alice")
    with pytest.raises(NeedsConfirmation):
        again(cancelled, "carol")


# A worker whose answer comes after the cancel.


def late(service, mail, meanwhile):
    """Let the API's answer come when the mail has been given up as UNKNOWN and people have acted on it."""
    service.look_up_minutes = 0

    def answer(sent):
        accepted = service.api.accept(sent)
        service.clock.forward(minutes=10)
        service.dispatch()
        service.support.cancel(mail_id, "bob")
        meanwhile(mail_id)
        return accepted

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    return mail_id


def test_what_was_sent_after_all_is_not_reopened(service, mail):
    """The late answer stands in the timeline of the cancelled mail."""
    mail_id = late(service, mail, lambda _: None)
    assert service.status(mail_id) == "CANCELLED"
    with pytest.raises(WrongState, match="sent after all, as delivery 1"):
        service.support.reopen(mail_id, "alice")


def test_a_late_answer_after_the_reopening_is_not_lost(service, mail):
    """History says that it was sent, and the row says so too: it cannot go again."""
    mail_id = late(service, mail, lambda mail_id: service.support.reopen(mail_id, "alice"))
    assert service.store.history[mail_id]["status"] == "SENT"
    assert (service.row(mail_id).status, service.row(mail_id).error) == ("HELD", "already-sent")
    service.support.release(mail_id, "alice")
    service.ring_until_quiet()
    assert len(service.api.sent) == 1


def test_a_late_answer_at_the_very_moment_is_not_lost(service, mail):
    """It is reopened between the look of the late worker and its note."""
    annotate = service.store.annotate

    def raced(*args):
        service.store.annotate = annotate
        service.support.reopen(args[0], "alice")
        return annotate(*args)

    service.store.annotate = raced
    mail_id = late(service, mail, lambda _: None)
    assert service.store.history[mail_id]["status"] == "SENT"
    assert (service.row(mail_id).status, service.row(mail_id).error) == ("HELD", "already-sent")


# The key, the files.


def test_the_key_stays_spent(service, mail, cancelled):
    """Cancelled, reopened, released, sent: the same mail again writes nothing, another mail is refused."""

    def spent(status):
        receipt = service.outbox.enqueue(mail(), idempotency_key="order-42")
        assert (receipt.duplicate, receipt.status) == (True, status)
        with pytest.raises(KeyConflict):
            service.outbox.enqueue(mail(subject="Other"), idempotency_key="order-42")

    service.clock.forward(seconds=1)
    spent("CANCELLED")
    service.support.reopen(cancelled, "alice")
    spent("HELD")
    service.support.release(cancelled, "alice")
    spent("PENDING")
    service.ring_until_quiet()
    spent("SENT")


@pytest.fixture
def with_files(service, mail):
    """Give the row in history of a cancelled mail with a copy, a file and texts in the bucket."""
    parts = {"cc": ["ken@example.com"], "insert_code": {"a": "x" * 300_000}}
    mail_id = service.outbox.enqueue(mail(attachments=[Attachment("a.txt", b"a")], **parts)).id
    service.files.new.clear()
    service.support.cancel(mail_id, "bob")
    return service.store.history[mail_id]


def test_its_files_stay_and_go_with_it(service, with_files):
    """It is sent with what it was written with."""
    row = service.support.reopen(with_files["id"], "alice")
    assert row.item["files"] == 2
    service.support.release(row.id, "alice")
    service.ring_until_quiet()
    sent = service.api.sent[0]
    assert ([each.name for each in sent.attachments], len(sent.insert_code["a"])) == (["a.txt"], 300_000)


def test_cleanup_leaves_the_files_of_what_was_reopened(service, with_files):
    """History's stream tells that the row went, but not that its time was over; and the outbox names the files."""
    service.support.reopen(with_files["id"], "alice")
    cleanup = Cleanup(service.files, (service.store.get, service.store.get_finished))
    heard = []
    stream.for_each_expired({"Records": [record("REMOVE", with_files)]}, lambda rows: set(heard.extend(rows) or ()))
    assert heard == []
    assert cleanup([with_files]) == set()
    assert len(service.files.objects) == 2


def test_keep_hears_of_its_files_again(service, with_files):
    """The outbox's stream tells of a new row with files: they stay as they were."""
    row = service.support.reopen(with_files["id"], "alice")
    change = service.store.changes[-1]
    assert (change.name, change.after["files"]) == ("INSERT", 2)
    answer = stream.for_each_kept({"Records": [record("INSERT", None, row.item)]}, Keep(service.files))
    service.files.expire()
    assert answer == {"batchItemFailures": []}
    assert len(service.files.objects) == 2

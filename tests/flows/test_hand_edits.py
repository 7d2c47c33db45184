"""Whatever a person does to a row by hand, it ends sent or visible with a reason."""

import contextlib

import pytest

from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.testing import item_size
from tests.conftest import make_mail


def refuse(sent):
    if sent.to.email == "wrong@example.com":
        raise Rejected("to: unknown address. (400)")


@pytest.fixture
def failed(service, mail):
    """Give the id of a FAILED row whose address is wrong."""
    service.api.answer = lambda sent: refuse(sent) or service.api.accept(sent)
    mail_id = service.outbox.enqueue(mail(to="wrong@example.com")).id
    service.ring_until_quiet()
    assert service.status(mail_id) == "FAILED"
    return mail_id


def test_a_raw_edit_of_a_failed_row_sends_it(service, failed):
    """Changing one attribute in the DynamoDB console is enough."""
    service.store.edit(failed, to="right@example.com")
    service.ring_until_quiet()
    assert service.status(failed) == "SENT"
    assert service.api.sent[0].to.email == "right@example.com"


def test_saving_it_unchanged_does_nothing(service, failed):
    """A save without a change makes no stream record and sends nothing."""
    service.store.put(service.store.get(failed))
    assert service.doorbells() == []


def test_a_whole_put_with_a_changed_field_sends_it_too(service, failed):
    """The DynamoDB console may write the whole item back."""
    service.store.put({**service.store.get(failed), "to": "right@example.com"})
    service.ring_until_quiet()
    assert service.status(failed) == "SENT"


def test_a_revision_typed_lower_lets_no_old_doorbell_ring_again(service, mail):
    """What was written since has that number again: a batch that is heard once more must not take it for its own."""
    mail_id = service.outbox.enqueue(mail()).id
    for typed in ({"status": "FAILED"}, {"text": "Better."}, {"revision": 0}):
        service.store.edit(mail_id, **typed)
    bells = service.doorbells()
    for _ in range(3):
        service.deliver(bells)
    assert (service.status(mail_id), service.api.sent) == ("FAILED", [])
    assert service.row(mail_id).revision > 1


@pytest.mark.parametrize("revision", [10**38 - 1, -1, "x", None])
def test_a_revision_that_is_none_is_followed_by_one_that_any_table_takes(service, mail, revision):
    """DynamoDB keeps 38 digits: one more than the largest number could not be written."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, revision=revision, status="FAILED")
    service.ring_until_quiet()
    assert service.store.get(mail_id)["revision"] == 2


def test_a_raw_edit_that_is_still_wrong_fails_again_once(service, failed):
    """A wrong correction is tried once and fails visibly; nothing loops."""
    service.store.edit(failed, subject="Other")
    service.ring_until_quiet()
    assert service.status(failed) == "FAILED"
    assert service.row(failed).attempts == 2


def test_a_stale_console_tab_saved_over_a_failed_row_sends_once(service, failed):
    """An older version saved over a row that waits for a person is that person's wish to send."""
    old = service.store.get(failed)
    service.support.edit(failed, {"subject": "Meanwhile"}, "alice")
    service.ring_until_quiet()
    service.store.put({**old, "to": "right@example.com"})
    service.ring_until_quiet()
    service.deliver(service.doorbells(all_of_them=True))
    assert len(service.api.sent) == 1
    assert service.status(failed) == "SENT"


@pytest.fixture
def unknown(service, mail):
    """Give the id of a mail of which nobody knows whether it was sent."""

    def no_answer(_sent):
        raise OutcomeUnknown("no answer.")

    service.api.answer, service.look_up_minutes = no_answer, 0
    mail_id = service.outbox.enqueue(mail(tags=["a"])).id
    service.ring_until_quiet()
    service.api.answer = None
    assert service.status(mail_id) == "UNKNOWN"
    return mail_id


@pytest.mark.parametrize("part", [{"subject": "Corrected"}, {"to": "hana@example.com"}, {"text": "Corrected"}])
def test_an_unknown_mail_goes_after_an_edit_of_the_mail(service, unknown, part):
    """A person who corrects the mail of an UNKNOWN row has decided; that a hand did it stands in the timeline."""
    service.store.edit(unknown, **part)
    service.ring_until_quiet()
    assert service.status(unknown) == "SENT"
    by_hand = [event for event in service.row(unknown).timeline if event["what"] == "changed-by-hand"]
    assert [event["of"] for event in by_hand] == [[*part]]


NOTES = [{"memo": "asked the customer"}, {"tags": ["b"]}, {"urgent": True}, {"on_unknown": "resend"}, {"tags": None}]


@pytest.mark.parametrize("note", NOTES)
def test_a_note_is_no_wish_to_send(service, unknown, note):
    """A note, a tag, an attribute of their own sends nothing; the next write of the service tells what changed."""
    service.store.edit(unknown, **note)
    service.ring_until_quiet()
    assert (service.status(unknown), service.api.sent) == ("UNKNOWN", [])
    service.support.hold(unknown, "alice")
    by_hand, held = service.row(unknown).timeline[-2:]
    assert (by_hand["what"], by_hand["of"], by_hand["who"]) == ("changed-by-hand", [*note], "by hand")
    assert held["what"] == "held"
    service.support.cancel(unknown, "alice")
    told = [event["what"] for event in service.row(unknown).timeline]
    assert told.count("changed-by-hand") == 1


def test_a_note_on_a_failed_mail_is_no_wish_to_send_either(service, mail):
    """A note leaves a FAILED mail where it is; what stands on it stays with the mail."""
    service.api.answer = refuse
    mail_id = service.outbox.enqueue(mail(to="wrong@example.com")).id
    service.ring_until_quiet()
    service.api.answer = None
    service.store.edit(mail_id, memo="wrote to the customer")
    service.ring_until_quiet()
    assert (service.status(mail_id), service.api.sent) == ("FAILED", [])
    service.store.edit(mail_id, status="PENDING")
    service.ring_until_quiet()
    assert (service.status(mail_id), service.store.history[mail_id]["memo"]) == ("SENT", "wrote to the customer")


COMPLETE = {"sender": "shop@example.com", "to": "taro@example.com", "subject": "Hello", "text": "Hello"}


@pytest.mark.parametrize("status", [{}, {"status": ""}, {"status": "pending"}, {"status": "Pending "}])
def test_a_row_inserted_by_hand_is_a_new_mail(service, status):
    """A complete row without a status, or with PENDING however it is spelled, is sent like any insert."""
    service.store.put({"id": "typed", **COMPLETE, **status})
    service.ring_until_quiet()
    assert service.status("typed") == "SENT"
    assert len(service.api.sent) == 1


def test_a_send_at_typed_by_hand_is_honoured(service):
    """The mail waits for the moment a person typed, in any zone, and goes then."""
    service.store.put({"id": "typed", **COMPLETE, "send_at": "2026-06-01T09:00:00+09:00"})
    service.ring_until_quiet()
    row = service.row("typed")
    assert (row.status, row.item["due_at"], row.error) == ("WAITING", "2026-06-01T00:00:00.000Z", "scheduled")
    assert service.dispatch() == {}
    service.clock.forward(days=400)
    service.dispatch()
    assert service.status("typed") == "SENT"


def test_a_send_at_that_has_passed_goes_at_once(service):
    """A moment of the past is no reason to wait."""
    service.store.put({"id": "typed", **COMPLETE, "send_at": "2001-06-01T09:00:00+09:00"})
    service.ring_until_quiet()
    assert service.status("typed") == "SENT"


@pytest.mark.parametrize("written", ["tomorrow", "2026-06-01", "2026-06-01T09:00:00", 5, True, ["x"], "9" * 5000])
def test_a_send_at_that_is_no_moment_fails_and_is_named(service, written):
    """Nothing is sent at a time nobody can tell."""
    service.store.put({"id": "typed", **COMPLETE, "send_at": written})
    service.ring_until_quiet()
    row = service.row("typed")
    assert (row.status, row.error, service.api.sent) == ("FAILED", "unreadable", [])
    assert row.item["details"]["problems"][0]["field"] == "send_at"


@pytest.mark.parametrize("name", ["send_at", "due_at"])
def test_a_row_typed_as_waiting_goes_at_its_time(service, name):
    """A WAITING row with a time and without a lane is found by dispatch after all."""
    service.store.put({"id": "typed", **COMPLETE, "status": "WAITING", name: "2026-06-01T00:00:00Z"})
    service.ring_until_quiet()
    row = service.row("typed")
    assert (row.status, row.item["due_at"], row.error) == ("WAITING", "2026-06-01T00:00:00.000Z", "scheduled")
    service.clock.forward(days=400)
    service.dispatch()
    assert service.status("typed") == "SENT"


def test_a_copied_row_that_waits_for_a_person_mails_nobody(service, mail):
    """A FAILED row duplicated under a new id stays FAILED; its reason says so, names no old trouble, and what to do."""
    service.api.answer = refuse
    mail_id = service.outbox.enqueue(mail(to="wrong@example.com")).id
    service.ring_until_quiet()
    service.api.answer = None
    service.store.put(service.store.get(mail_id) | {"id": "copy", "to": "hana@example.com"})
    service.ring_until_quiet()
    row = service.row("copy")
    assert (row.status, row.error, service.api.sent) == ("FAILED", "inserted", [])
    assert "PENDING" in row.reason
    assert "refused" not in row.reason
    service.store.edit("copy", status="PENDING")
    service.ring_until_quiet()
    assert service.status("copy") == "SENT"


@pytest.mark.parametrize(("status", "after"), [("HELD", "HELD"), ("UNKNOWN", "UNKNOWN"), ("SENDING", "UNKNOWN")])
def test_a_row_inserted_in_another_state_never_fires(service, status, after):
    """Whatever it was when it was copied, it waits for a person with a reason."""
    due = {"lane": "normal-0", "due_at": "2026-01-01T00:00:00.000Z"} if status == "SENDING" else {}
    service.store.put({"id": "copy", **COMPLETE, "status": status, **due})
    service.ring_until_quiet()
    service.clock.forward(days=2)
    service.dispatch()
    row = service.row("copy")
    assert (row.status, row.error, service.api.sent) == (after, "inserted", [])


def test_the_event_of_an_insert_that_is_heard_again_says_nothing_of_the_row_as_it_is_by_then(service, mail):
    """A copied row is released by hand; while it is being sent, the stream tells once more that it was inserted."""
    service.store.put({"id": "copy", **COMPLETE, "status": "FAILED"})
    inserted = service.doorbells()
    service.deliver(inserted)
    seen = []

    def answer(sent):
        service.deliver(inserted)
        seen.append(service.status("copy"))
        return service.api.accept(sent)

    service.api.answer = answer
    service.store.edit("copy", status="PENDING")
    service.ring_until_quiet()
    assert (service.status("copy"), seen, service.store.outbox) == ("SENT", ["SENDING"], {})


def test_everything_wrong_with_a_row_is_told_at_once(service):
    """A person corrects all of it in one go."""
    service.store.put({"id": "typed", "to": "nobody", "cc": [5, "x"], "text": "a", "encoding": "EUC", "urgent": "yes"})
    service.ring_until_quiet()
    row = service.row("typed")
    told = [problem["field"] for problem in row.item["details"]["problems"]]
    assert row.status == "FAILED"
    assert {name.partition("[")[0] for name in told} == {"sender", "subject", "to", "cc", "encoding", "urgent"}
    assert all(name in row.reason for name in told)


def test_one_attribute_written_to_a_row_that_has_left_says_that_the_mail_was_sent(service, mail):
    """An update of a key that is gone makes a row of that attribute alone: it says so, and mails nobody."""
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    service.store.put({"id": mail_id, "memo": "x"})
    service.ring_until_quiet()
    current = service.store.get(mail_id)
    assert (current["status"], current["error"]) == ("HELD", "already-sent")
    assert current["details"] == {"delivery_id": "1"}
    assert len(service.api.sent) == 1


@pytest.mark.parametrize("status", [None, "PENDING", "FAILED", "WAITING", "SENDING", "odd"])
def test_a_row_under_an_id_of_the_service_is_never_sent(service, status):
    """It would be shown in no list; deliver and dispatch leave it to a person with the reason."""
    due = {"lane": "normal-0", "due_at": "2026-01-01T00:00:00.000Z"}
    item = {"id": "outbox:mine", **COMPLETE, **due} | ({"status": status} if status else {})
    service.store.put(item)
    service.doorbells()
    service.clock.forward(days=2)
    service.dispatch()
    assert service.api.sent == []
    service.store.put(item)
    service.ring_until_quiet()
    row = service.store.get("outbox:mine")
    assert (row["status"], row["error"], service.api.sent) == ("FAILED", "reserved-id", [])
    service.store.edit("outbox:mine", status="PENDING")
    service.ring_until_quiet()
    assert (service.store.get("outbox:mine")["status"], service.api.sent) == ("FAILED", [])


BROKEN = [
    ("to", None),
    ("to", 5),
    ("to", "nobody"),
    ("to", "a@example.com\r\nBcc: b@example.com"),
    ("sender", None),
    ("sender", ""),
    ("subject", None),
    ("subject", ["x"]),
    ("cc", "taro@example.com"),
    ("cc", [5]),
    ("bcc", {"a": "b"}),
    ("reply_to", "x"),
    ("text", 5),
    ("text", "x" * 399 * 1024),
    ("html", True),
    ("insert_code", "x"),
    ("insert_code", {"a": 5}),
    ("list_unsubscribe", {"mail": "x"}),
    ("list_unsubscribe", "https://example.com"),
    ("encoding", "EUC-JP"),
    ("attachments", ["x"]),
    ("attachments", [{"name": "a.exe", "mime": "x/y", "content": b"x"}]),
    ("attachments", [{"name": "a.txt"}]),
]


@pytest.mark.parametrize(("field", "value"), BROKEN)
@pytest.mark.parametrize("start", ["PENDING", "FAILED"])
def test_a_row_broken_by_hand_fails_with_a_sentence_that_names_the_field(service, mail, field, value, start):
    """A missing or mistyped field is FAILED and explained; the other rows of the batch are sent."""
    good = service.outbox.enqueue(mail(subject="good")).id
    bad = service.outbox.enqueue(mail(subject="bad")).id
    if start == "FAILED":
        row = service.store.get(bad)
        row = {name: part for name, part in row.items() if name not in ("lane", "due_at")}
        service.store.put(
            row | {"status": "FAILED", "problem": "FAILED", "problem_at": "2026-01-01T00:00:00.000Z", "reason": "x"}
        )
        service.doorbells()
    service.store.edit(bad, **{field: value})
    service.deliver(service.doorbells(all_of_them=True))
    service.ring_until_quiet()
    row = service.row(bad)
    assert row.status == "FAILED"
    assert field in row.reason
    assert [item["id"] for item in service.store.by_problem("FAILED", 10).items] == [bad]
    assert service.status(good) == "SENT"
    assert [sent.subject for sent in service.api.sent] == ["good"]


@pytest.mark.parametrize("status", [None, "", "SENT", "SNED", 5, True, ["PENDING"], "CANCELLED", "x" * 5000])
def test_an_odd_status_is_failed_and_explained(service, mail, status):
    """A word that is no state, or no word at all, is visible with a sentence that names the status."""
    mail_id = service.outbox.enqueue(mail()).id
    service.doorbells()
    service.store.edit(mail_id, status=status)
    service.ring_until_quiet()
    row = service.row(mail_id)
    assert row.status == "FAILED"
    assert "status" in row.reason
    assert service.api.sent == []


@pytest.mark.parametrize("revision", [None, 0, -5, "x", 3.5, 10**20, 10**38 - 1, True, ["x"]])
@pytest.mark.parametrize("name", ["revision", "attempts", "deferrals", "timeline", "created_at", "reason", "error"])
def test_broken_bookkeeping_does_not_keep_a_mail_from_going(service, mail, name, revision):
    """What only the service reads counts as absent when it is broken; the mail is sent, once."""
    mail_id = service.outbox.enqueue(mail()).id
    service.doorbells()
    service.store.edit(mail_id, **{name: revision})
    service.ring_until_quiet()
    service.deliver(service.doorbells(all_of_them=True))
    assert service.status(mail_id) == "SENT"
    assert len(service.api.sent) == 1


@pytest.mark.parametrize("value", ["tomorrow", "2026-13-45T00:00:00.000Z"])
def test_a_waiting_row_with_an_unreadable_time_is_explained(service, mail, value):
    """A scheduled row whose time a person broke does not sleep for ever."""
    mail_id = service.outbox.enqueue(mail(), send_at=service.clock().replace(year=2027)).id
    service.doorbells()
    service.store.edit(mail_id, due_at=value)
    service.ring_until_quiet()
    row = service.row(mail_id)
    assert row.status == "FAILED"
    assert "due_at" in row.reason


@pytest.mark.parametrize("change", [{"due_at": None}, {"due_at": ""}, {"lane": None}, {"lane": "x"}, {"lane": ""}])
def test_a_waiting_row_that_no_index_finds_is_repaired(service, mail, change):
    """A scheduled row whose place in the index a person broke goes at its time."""
    mail_id = service.outbox.enqueue(mail(), send_at=service.clock().replace(year=2027)).id
    service.doorbells()
    service.store.edit(mail_id, **change)
    service.ring_until_quiet()
    row = service.row(mail_id)
    assert (row.status, row.due_at) == ("WAITING", row.send_at)
    service.clock.forward(days=400)
    service.dispatch()
    assert service.status(mail_id) == "SENT"


def test_a_scheduled_row_that_is_edited_goes_at_its_time_with_the_new_content(service, mail):
    """Editing does not make it go earlier."""
    mail_id = service.outbox.enqueue(mail(), send_at=service.clock().replace(year=2027)).id
    service.store.edit(mail_id, subject="Corrected")
    service.ring_until_quiet()
    service.dispatch()
    assert service.api.sent == []
    service.clock.forward(days=366)
    service.dispatch()
    assert [sent.subject for sent in service.api.sent] == ["Corrected"]


def test_a_row_written_by_hand_with_the_least_is_sent(service):
    """Somebody without the client may write id, status, sender, to, subject and text."""
    service.store.put(
        {
            "id": "set-by-hand",
            "status": "PENDING",
            "sender": "a@example.com",
            "to": "b@example.com",
            "subject": "x",
            "text": "y",
        }
    )
    service.ring_until_quiet()
    assert service.status("set-by-hand") == "SENT"


@pytest.mark.parametrize("status", ["FAILED", "UNKNOWN", "HELD"])
def test_a_problem_state_typed_by_hand_is_found_where_people_look(service, mail, status):
    """A state set by hand gets its place in the problems index, at once or when its time comes, and is not sent."""
    mail_id = service.outbox.enqueue(mail()).id
    service.doorbells()
    service.store.edit(mail_id, status=status)
    service.ring_until_quiet()
    service.clock.forward(minutes=6)
    service.dispatch()
    assert [item["id"] for item in service.store.by_problem(status, 10).items] == [mail_id]
    assert service.api.sent == []


@pytest.mark.parametrize("status", ["WAITING", "FAILED", "PENDING", "HELD", "UNKNOWN"])
@pytest.mark.parametrize("outcome", ["sent", "unknown", "dies"])
def test_an_older_version_saved_over_a_row_being_sent_sends_nothing_twice(service, mail, status, outcome):
    """A console tab opened before the send and saved during it cannot make the mail go twice."""
    mail_id = service.outbox.enqueue(mail()).id
    old = {**service.store.get(mail_id), "status": status}
    if status in ("FAILED", "HELD", "UNKNOWN"):
        old |= {"problem": status, "problem_at": "2026-01-01T00:00:00.000Z"}

    class Dies(BaseException):
        pass

    def answer(sent):
        service.api.accept(sent)
        service.store.put({**old, "subject": "Saved over"})
        if outcome == "unknown":
            raise OutcomeUnknown("no answer.")
        if outcome == "dies":
            raise Dies
        from outbox.core.mail_api import Accepted

        return Accepted("1")

    service.api.answer = answer
    bell = service.doorbells()[0]
    with contextlib.suppress(Dies):
        service.sender().send(bell.seen, service.clock(), service.deadline)
    service.api.answer = None
    service.ring_until_quiet()
    service.clock.forward(days=2)
    service.dispatch()
    service.ring_until_quiet()
    assert len(service.api.sent) == 1
    in_outbox = service.store.outbox.get(mail_id)
    if outcome == "sent":
        assert service.store.history[mail_id]["status"] == "SENT"
        assert in_outbox is None or (in_outbox["status"] == "HELD" and "already sent" in in_outbox["reason"])
    else:
        assert in_outbox["status"] == "UNKNOWN"
        assert "may have been sent" in in_outbox["reason"]


@pytest.mark.parametrize("room", range(0, 400, 7))
def test_a_row_without_room_for_another_word_is_failed_all_the_same(service, mail, room):
    """A body typed up to the last bytes the table takes: FAILED, naming the field, as far as the words fit."""
    mail_id = service.outbox.enqueue(mail()).id
    service.doorbells()
    item = service.store.get(mail_id)
    free = 400 * 1024 - item_size(item) - room
    service.store.edit(mail_id, text="x" * free)
    service.ring_until_quiet()
    row = service.row(mail_id)
    assert row.status == "FAILED"
    assert "text" in row.reason
    assert [item["id"] for item in service.store.by_problem("FAILED", 10).items] == [mail_id]


def test_junk_that_leaves_no_room_does_not_lose_a_sent_mail(service, mail):
    """A note of nearly 400 KB beside a good mail: sent or explained, never both, never lost."""
    mail_id = service.outbox.enqueue(mail()).id
    service.doorbells()
    free = 400 * 1024 - item_size(service.store.get(mail_id)) - 250
    service.store.edit(mail_id, note="x" * (free - 4))
    service.ring_until_quiet()
    assert service.status(mail_id) == "SENT"
    assert len(service.api.sent) == 1


@pytest.mark.parametrize("status", ["WAITING", "SENDING", "CHECKING", "PENDING"])
@pytest.mark.parametrize("due_at", ["tomorrow", "9999-99-99T00:00:00.000Z", "x", "0", "2026", "~"])
def test_a_time_that_is_none_is_found_by_dispatch(service, mail, status, due_at):
    """Text instead of a moment, though no doorbell rang: visible with a reason, or sent."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, status=status, due_at=due_at)
    service.doorbells()
    for _ in range(60):
        service.clock.forward(minutes=1)
        service.dispatch()
        service.ring_until_quiet()
    row = service.row(mail_id)
    assert row.status in {"FAILED", "UNKNOWN", "SENT"}
    assert row.reason


def test_a_send_at_typed_by_hand_is_honoured_also_when_its_event_is_lost(service):
    """Dispatch finds the row minutes later, and lets it wait for its time."""
    mail_id = service.outbox.enqueue(make_mail()).id
    service.store.edit(mail_id, send_at="2026-06-01T09:00:00+09:00")
    service.clock.forward(minutes=5)
    service.dispatch()
    row = service.row(mail_id)
    assert (row.status, row.error, row.item["due_at"]) == ("WAITING", "scheduled", "2026-06-01T00:00:00.000Z")
    assert service.api.sent == []

"""Whatever a person does to a row by hand, it ends sent or visible with a reason."""

import contextlib

import pytest

from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.testing import item_size


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


def test_an_unknown_mail_goes_after_a_raw_edit(service, mail):
    """A person who edits an UNKNOWN row has decided."""

    def unknown(_sent):
        raise OutcomeUnknown("no answer.")

    service.api.answer, service.look_up_minutes = unknown, 0
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    service.api.answer = None
    service.store.edit(mail_id, note="asked the customer, nothing came")
    service.ring_until_quiet()
    assert service.status(mail_id) == "SENT"
    assert service.store.history[mail_id]["note"].startswith("asked")


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
    ("on_unknown", "perhaps"),
    ("urgent", "yes"),
    ("tags", 5),
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


@pytest.mark.parametrize("status", [None, "", "SENT", "pending", "SNED", 5, True, ["PENDING"], "CANCELLED"])
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


@pytest.mark.parametrize("name", ["due_at", "lane"])
@pytest.mark.parametrize("value", [None, "tomorrow", "2026-13-45T00:00:00.000Z", ""])
def test_a_waiting_row_dispatch_would_never_find_is_explained(service, mail, name, value):
    """A scheduled row whose time or lane a person broke does not sleep for ever."""
    mail_id = service.outbox.enqueue(mail(), send_at=service.clock().replace(year=2027)).id
    service.doorbells()
    service.store.edit(mail_id, **{name: value})
    service.ring_until_quiet()
    row = service.row(mail_id)
    assert row.status == "FAILED"
    assert name in row.reason


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
            "id": "by-hand",
            "status": "PENDING",
            "sender": "a@example.com",
            "to": "b@example.com",
            "subject": "x",
            "text": "y",
        }
    )
    service.ring_until_quiet()
    assert service.status("by-hand") == "SENT"


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

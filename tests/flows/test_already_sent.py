"""A mail that history has as sent does not go again, whatever brings its row back."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from outbox import ChangedMeanwhile, WrongState
from outbox.core.errors import OutcomeUnknown, Rejected, TryLater
from outbox.core.mail_api import Accepted
from outbox.flows.settle import settle
from outbox.testing import item_size


def test_a_late_retry_of_an_enqueue_sends_nothing_and_leaves_nothing(service, mail):
    """The SDK tried a put again whose answer was lost, after the mail had gone: the echo disappears."""
    mail_id = service.outbox.enqueue(mail()).id
    first = service.store.get(mail_id)
    service.deliver()
    service.store.add(first, once=False)
    service.ring_until_quiet()
    assert len(service.api.sent) == 1
    assert service.store.outbox == {}
    assert service.status(mail_id) == "SENT"


@pytest.mark.parametrize("state", ["PENDING", "WAITING", "FAILED"])
def test_an_old_tab_saved_after_the_send_sends_nothing(service, mail, state):
    """A row from before, with other content, is put aside and explained; it can be cancelled."""
    mail_id = service.outbox.enqueue(mail()).id
    old = service.store.get(mail_id)
    service.deliver()
    old |= {"status": state, "subject": "From an old tab"}
    if state == "FAILED":
        old |= {"problem": "FAILED", "problem_at": old["created_at"]}
    service.store.put(old)
    service.ring_until_quiet()
    if state == "FAILED":
        service.support.resend(mail_id, "alice")
        service.ring_until_quiet()
    service.clock.forward(minutes=10)
    service.dispatch()
    assert len(service.api.sent) == 1
    row = service.row(mail_id)
    assert row.status == "HELD"
    assert "already sent" in row.reason
    for _ in range(2):
        service.support.release(mail_id, "alice")
        service.ring_until_quiet()
    assert len(service.api.sent) == 1
    ended = service.support.cancel(mail_id, "alice")
    assert ended.status == "SENT"
    assert service.store.outbox == {}
    assert service.row(mail_id).timeline[-1]["what"] == "duplicate-cancelled"
    with pytest.raises(WrongState):
        service.support.cancel(mail_id, "alice")


def test_a_restored_row_that_was_sent_since_is_not_sent_again(service, mail):
    """A copy of the table from before holds rows of mails that have gone."""
    ids = [service.outbox.enqueue(mail(subject=f"{n}")).id for n in range(5)]
    copies = [service.store.get(mail_id) for mail_id in ids]
    service.deliver()
    for copy in copies:
        service.store.put(copy)
    service.ring_until_quiet()
    service.clock.forward(minutes=10)
    service.dispatch()
    assert len(service.api.sent) == 5
    assert service.store.outbox == {}


def test_pressing_send_again_counts_for_the_state_one_saw(service, mail):
    """If the first press was taken and ended in doubt, the second attempt of the same press does not send."""

    def refuse(_mail):
        raise Rejected("no.")

    def doubt(sent):
        service.api.accept(sent)
        raise OutcomeUnknown("no answer.")

    service.api.answer, service.look_up_minutes = refuse, 0
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    update = service.store.update

    def committed_then_lost(*args):
        service.store.update = update
        update(*args)
        service.api.answer = doubt
        service.ring_until_quiet()
        return update(*args)

    service.store.update = committed_then_lost
    service.support.resend(mail_id, "alice")
    service.ring_until_quiet()
    assert len(service.api.sent) == 1
    assert service.status(mail_id) == "UNKNOWN"


def test_pressing_send_again_on_what_has_changed_meanwhile_is_told(service, mail):
    """A FAILED mail that somebody else sent again into doubt is not sent once more."""

    def refuse(_mail):
        raise Rejected("no.")

    def doubt(sent):
        service.api.accept(sent)
        raise OutcomeUnknown("no answer.")

    service.api.answer, service.look_up_minutes = refuse, 0
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    update = service.store.update

    def raced(*args):
        service.store.update = update
        service.api.answer = doubt
        service.support.resend(mail_id, "bob")
        service.ring_until_quiet()
        return update(*args)

    service.store.update = raced
    with pytest.raises(ChangedMeanwhile):
        service.support.resend(mail_id, "alice")
    service.ring_until_quiet()
    assert len(service.api.sent) == 1


@pytest.mark.parametrize("room", range(0, 120, 3))
def test_a_bare_row_without_room_is_explained_and_nothing_loops(service, room):
    """A row typed by hand up to the last byte, with nothing on it to give up but its own text."""
    row = {"id": "set-by-hand", "status": "PENDING", "sender": "a@example.com", "to": "b@example.com", "subject": "x"}
    free = 400 * 1024 - item_size(row | {"text": ""}) - room
    service.store.put(row | {"text": "x" * free})
    service.ring_until_quiet(5)
    ended = service.row("set-by-hand")
    assert ended.status == "FAILED"
    assert "text" in ended.reason
    assert [item["id"] for item in service.store.by_problem("FAILED", 10).items] == ["set-by-hand"]


def test_a_wish_that_met_no_time_is_kept(service, mail):
    """A raw edit whose doorbell finds no time left waits for dispatch instead of being given up with the record."""
    service.api.answer = lambda _mail: (_ for _ in ()).throw(Rejected("no."))
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    service.api.answer = None
    service.store.edit(mail_id, subject="Corrected")
    from outbox.flows.deliver import Deliver

    deliver = Deliver(service.sender(), 1, service.start_dispatch)
    assert deliver(service.doorbells(), service.clock().timestamp() + 1) == set()
    service.dispatch()
    assert service.status(mail_id) == "SENT"


def test_a_bad_night_does_not_push_out_what_people_did(service, mail):
    """A hundred times put off is one event that counts them."""
    from outbox.core.errors import TryLater

    service.api.answer = lambda _mail: (_ for _ in ()).throw(TryLater("the rate.", 1))
    mail_id = service.outbox.enqueue(mail()).id
    service.support.edit(mail_id, {"subject": "Corrected"}, "alice")
    service.ring_until_quiet()
    for _ in range(150):
        service.clock.forward(hours=2)
        service.dispatch()
    timeline = service.row(mail_id).timeline
    assert [event["what"] for event in timeline] == ["enqueued", "edited", "deferred"]
    assert timeline[-1]["times"] == 151


def test_an_edit_leaves_other_fields_to_others(service, mail):
    """A raw edit of another field at the same moment is not written over."""
    service.api.answer = lambda _mail: (_ for _ in ()).throw(Rejected("no."))
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    update = service.store.update

    def raced(*args):
        service.store.edit(mail_id, to="typed@example.com")
        return update(*args)

    service.store.update = raced
    service.support.edit(mail_id, {"subject": "Corrected"}, "alice")
    mail_now = service.row(mail_id).mail()
    assert (mail_now.subject, mail_now.to.email) == ("Corrected", "typed@example.com")


def test_a_stale_entry_of_the_index_sends_nothing_early(service, mail):
    """A mail scheduled anew does not go because an index still shows its old time."""
    mail_id = service.outbox.enqueue(mail()).id
    service.clock.forward(minutes=6)
    old = {entry.lane: entry for entry in everything_due(service)}
    service.support.edit(mail_id, {}, "alice", send_at=service.clock().replace(year=2027))
    due = service.store.due
    service.store.due = lambda lane, *rest: [old[lane]] if lane in old else due(lane, *rest)
    service.dispatch()
    assert service.api.sent == []
    assert service.status(mail_id) == "WAITING"


def everything_due(service):
    from outbox.core import places

    lanes = (*places.lanes(urgent=True), *places.lanes(urgent=False))
    return [entry for lane in lanes for entry in service.store.due(lane, service.clock(), 10)]


@pytest.mark.parametrize("act", ["cancel", "hold", "resend"])
def test_a_person_who_meets_a_claim_is_told(service, mail, act):
    """Between look and write the worker has claimed: nothing of the person's is written, one mail goes."""
    mail_id = service.outbox.enqueue(mail()).id
    bell = service.doorbells()[0]
    name = "finish" if act == "cancel" else "update"
    write = getattr(service.store, name)
    sender, told = service.sender(), []

    def claimed_first(*args, **more):
        setattr(service.store, name, write)
        row = sender._claim(bell.seen)
        try:
            return write(*args, **more)
        finally:
            told.append(row)

    setattr(service.store, name, claimed_first)
    with pytest.raises(WrongState):
        getattr(service.support, act)(mail_id, "alice")
    assert service.status(mail_id) == "SENDING"
    with ExitStack() as files_open:
        row, outcome = sender._try(told[0], service.clock(), service.deadline, files_open)
    settle(service.store, row, outcome, service.clock, sender.stamp(), sender.terms)
    assert isinstance(outcome, Accepted)
    service.deliver(service.doorbells(all_of_them=True))
    assert len(service.api.sent) == 1


def test_a_stale_doorbell_of_an_edited_row_does_not_claim_it(service, mail):
    """Only the doorbell of the latest revision is answered."""
    mail_id = service.outbox.enqueue(mail()).id
    old = service.doorbells()
    service.support.edit(mail_id, {"subject": "Corrected"}, "alice")
    service.deliver(old)
    assert (service.status(mail_id), service.api.sent) == ("PENDING", [])
    service.ring_until_quiet()
    assert [sent.subject for sent in service.api.sent] == ["Corrected"]


def test_a_history_out_of_reach_is_no_doubt(service, mail):
    """Between claim and call the history could not be read: nothing was called, the row says so and goes later."""
    mail_id = service.outbox.enqueue(mail()).id
    bells, read = service.doorbells(), service.store.get_finished

    def broken(_mail_id):
        raise ConnectionError

    service.store.get_finished = broken
    assert service.deliver(bells) == set()
    for _ in range(30):
        service.clock.forward(minutes=1)
        service.dispatch()
    service.store.get_finished = read
    assert (service.status(mail_id), service.api.sent) == ("WAITING", [])
    assert "history and the suppression list cannot be read just now (ConnectionError)" in service.row(mail_id).reason
    # However long it lasted, the mail is not late by it, nor does it wait the longer for what comes next.
    service.api.answer = busy
    service.clock.forward(minutes=1)
    service.dispatch()
    service.api.answer = None
    assert service.row(mail_id).error == "retry-later"
    service.clock.forward(minutes=1)
    service.dispatch()
    assert service.status(mail_id) == "SENT"


def busy(_mail):
    message = "the rate is used up (429)."
    raise TryLater(message)


def test_what_nobody_expected_before_the_call_is_said_and_tried_again(service, mail):
    """A limiter that breaks, say: nothing was called, the row says so, and it goes later."""

    class Broken:
        def book(self, count, *, urgent):
            if self.first:
                self.first = False
                return [service.clock() - timedelta(seconds=5)] * count
            raise KeyError

        first = True

    service.limiter = Broken()
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    row = service.row(mail_id)
    assert (row.item["status"], row.attempts, service.api.sent) == ("WAITING", 0, [])
    assert "an unexpected KeyError." in row.reason
    service.limiter = None
    service.clock.forward(minutes=1)
    service.dispatch()
    assert service.status(mail_id) == "SENT"

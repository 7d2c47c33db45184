"""A row becomes a mail, once, whatever rings how often."""

import random
import threading

import pytest

from outbox.core.doorbell import listen
from outbox.core.errors import Lost, OutcomeUnknown, Rejected, TryLater
from outbox.core.ports import Unlimited
from outbox.core.rate import Rate
from outbox.flows.deliver import Deliver
from outbox.flows.limiter import SharedLimiter
from outbox.testing import FakeMailApi, MemoryStore
from tests.waiting import SECONDS


def raising(error):
    def answer(_mail):
        raise error

    return answer


def test_a_row_becomes_a_mail_and_history(service, mail):
    """An enqueued mail is sent as written and is found in history, no longer in the outbox."""
    receipt = service.outbox.enqueue(mail(subject="Invoice", tags=["billing"]))
    assert service.deliver() == set()
    assert [sent.subject for sent in service.api.sent] == ["Invoice"]
    assert service.store.outbox == {}
    row = service.row(receipt.id)
    assert (row.status, row.delivery_id, row.attempts) == ("SENT", "1", 1)
    assert [event["what"] for event in row.timeline] == ["enqueued", "sent"]
    assert service.store.history[receipt.id]["recipient"] == "taro@example.com"
    assert service.store.history[receipt.id]["expires_at"] == int(service.clock().timestamp()) + 400 * 86400


def test_redelivery_five_times_in_any_order_from_two_workers_sends_once(service, mail):
    """The same batch again and again, shuffled, at the same time from two workers: one mail each."""
    ids = [service.outbox.enqueue(mail(subject=f"{n}")).id for n in range(50)]
    bells = service.doorbells()
    batches = []
    for seed in range(10):
        batch = bells[:]
        random.Random(seed).shuffle(batch)
        batches.append(batch)
    start = threading.Barrier(2)

    def work(mine):
        start.wait()
        for batch in mine:
            service.deliver(batch)

    workers = [threading.Thread(target=work, args=(batches[n::2],)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(sent.subject for sent in service.api.sent) == sorted(str(n) for n in range(50))
    assert set(service.store.history) == set(ids)


def test_a_refused_mail_fails_at_once_with_the_apis_reason(service, mail):
    """A 400 is FAILED with the reason, needs a person and never rings by itself."""
    service.api.answer = raising(Rejected("to: invalid format. (400)"))
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    row = service.row(mail_id)
    assert row.status == "FAILED"
    assert "to: invalid format." in row.reason
    assert row.due_at is None
    assert row.attempts == 1
    assert [item["id"] for item in service.store.by_problem("FAILED", 10).items] == [mail_id]


@pytest.mark.parametrize("error", [TryLater("the rate.", 30), TryLater("no connection.")])
def test_what_is_not_the_mails_fault_waits_without_blame(service, mail, error):
    """A 429 and a refused connection are tried again later, not counted against the mail."""
    service.api.answer = raising(error)
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    for _ in range(20):
        assert (service.status(mail_id), service.row(mail_id).attempts) == ("WAITING", 0)
        assert service.row(mail_id).due_at > service.clock()
        service.dispatch()
        assert service.row(mail_id).due_at > service.clock(), "not tried before its backoff"
        service.clock.forward(hours=2)
        service.dispatch()
    service.api.answer = None
    service.clock.forward(hours=2)
    service.dispatch()
    assert service.status(mail_id) == "SENT"
    assert service.row(mail_id).attempts == 1


def test_the_wait_the_api_asks_for_is_kept(service, mail):
    """A 429 that asks for 90 s is not tried again before."""
    service.api.answer = raising(TryLater("the rate.", 90))
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    wait = (service.row(mail_id).due_at - service.clock()).total_seconds()
    assert 90 <= wait <= 100


def test_an_unknown_outcome_waits_for_a_person_and_is_never_sent_again(service, mail):
    """When nobody can tell whether the API took it, the mail is UNKNOWN with the reason, whatever rings."""
    service.api.answer = raising(OutcomeUnknown("no answer within 30 s."))
    mail_id = service.outbox.enqueue(mail()).id
    bells = service.doorbells(all_of_them=True)
    for _ in range(20):
        service.deliver(bells)
        service.ring_until_quiet()
        service.clock.forward(minutes=3)
        service.dispatch()
        service.api.answer = None
    assert service.status(mail_id) == "UNKNOWN"
    assert "no answer within 30 s." in service.row(mail_id).reason
    assert service.api.sent == []


def test_a_bug_after_the_call_began_counts_as_unknown(service, mail):
    """An unexpected exception is not taken for a refusal, and the rest of the batch goes on."""
    service.api.answer = lambda m: 1 / 0 if m.subject == "bad" else service.api.accept(m)
    bad, good = (service.outbox.enqueue(mail(subject=subject)).id for subject in ("bad", "good"))
    service.deliver()
    assert (service.status(bad), service.status(good)) == ("CHECKING", "SENT")


class Dies(BaseException):
    """The process is gone: no handler of the code under test runs."""


@pytest.mark.parametrize("before_call", [True, False])
def test_a_worker_killed_between_claim_and_settle_loses_nothing_and_sends_nothing_twice(service, mail, before_call):
    """The row stays SENDING, is looked up after its lease, ends UNKNOWN unseen, and no doorbell sends it again."""

    def die(sent):
        if not before_call:
            service.api.accept(sent)
        raise Dies

    service.api.answer = die
    mail_id = service.outbox.enqueue(mail()).id
    bells = service.doorbells()
    with pytest.raises(Dies):
        service.sender().send(bells[0].seen, service.clock(), service.deadline)
    service.api.answer = None
    assert service.status(mail_id) == "SENDING"
    for _ in range(3):
        service.deliver(bells)
        service.ring_until_quiet()
    service.clock.forward(seconds=230)
    service.dispatch()
    assert service.status(mail_id) == "SENDING", "the lease is not over"
    service.clock.forward(seconds=20)
    assert service.dispatch() == {"checking": 1}
    for _ in range(30):
        service.clock.forward(minutes=1)
        service.dispatch()
        service.ring_until_quiet()
    service.deliver(service.doorbells(all_of_them=True))
    row = service.row(mail_id)
    assert row.status == "UNKNOWN"
    assert "did not come back" in row.reason
    assert len(service.api.sent) == (0 if before_call else 1)


def test_a_late_answer_still_settles_the_mail_its_lease_lost(service, mail):
    """A worker slower than its lease finds its row in doubt and moves it to history: that it was sent is a fact."""
    store, slow = service.store, {}

    def answer(sent):
        service.clock.forward(seconds=500)
        slow["counts"] = service.dispatch()
        return service.api.accept(sent)

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()
    assert slow["counts"] == {"checking": 1}
    assert service.status(mail_id) == "SENT"
    assert store.outbox == {}


def test_no_time_left_means_ring_again_and_nothing_touched(service, mail):
    """A doorbell for which there is no time is reported, its row left as it was."""
    mail_id = service.outbox.enqueue(mail()).id
    bells = service.doorbells()
    before = service.store.get(mail_id)
    deliver = Deliver(service.sender(), 4, service.start_dispatch)
    assert deliver(bells, service.clock().timestamp() + 1) == {0}
    assert service.store.get(mail_id) == before


def test_a_claim_that_took_too_long_is_given_back(service, mail):
    """When the claim itself ate the time, the mail is due at once instead of being sent into the dark."""
    mail_id = service.outbox.enqueue(mail()).id
    update = service.store.update

    def slowly(*args):
        service.clock.forward(seconds=115)
        return update(*args)

    service.store.update = slowly
    assert service.deliver() == {0}
    service.store.update = update
    assert (service.status(mail_id), service.api.sent) == ("WAITING", [])
    service.clock.forward(seconds=120)
    service.dispatch()
    assert service.status(mail_id) == "SENT"
    assert service.row(mail_id).attempts == 1


def test_a_store_out_of_reach_rings_again_and_harms_no_other_mail(service, mail):
    """An error of the store on one row is reported for that row alone."""
    bad, good = (service.outbox.enqueue(mail(subject=subject)).id for subject in ("bad", "good"))
    update = service.store.update

    def broken(mail_id, expect, patch):
        if mail_id == bad:
            raise ConnectionError
        return update(mail_id, expect, patch)

    service.store.update = broken
    assert service.deliver() == {0}
    assert (service.status(bad), service.status(good)) == ("PENDING", "SENT")


def test_a_lost_answer_of_the_settle_is_no_second_mail(service, mail):
    """The move to history happened but its answer did not come: the mail is in history, once."""
    mail_id = service.outbox.enqueue(mail()).id
    finish = service.store.finish

    def committed_but_silent(*args, **more):
        finish(*args, **more)
        raise ConnectionError

    service.store.finish = committed_but_silent
    service.deliver()
    service.store.finish = finish
    service.deliver(service.doorbells(all_of_them=True))
    service.clock.forward(days=1)
    service.dispatch()
    assert service.status(mail_id) == "SENT"
    assert len(service.api.sent) == 1


def test_urgent_and_due_mails_go_urgent_first(service, mail):
    """Dispatch takes the urgent lane first."""
    service.threads = 1
    for n in range(20):
        service.outbox.enqueue(mail(subject=f"bulk {n}"))
    service.outbox.enqueue(mail(subject="urgent", urgent=True))
    service.clock.forward(minutes=6)
    service.dispatch()
    assert service.api.sent[0].subject == "urgent"
    assert len(service.api.sent) == 21


def test_deliver_sends_several_at_once(mail):
    """Mails of a batch overlap in time: the calls meet at a barrier that one alone would never pass."""
    from outbox.testing import TickingClock
    from tests.conftest import Service

    service = Service(MemoryStore(), FakeMailApi(), TickingClock(), threads=4)
    meet = threading.Barrier(4, timeout=SECONDS)

    def answer(sent):
        meet.wait()
        return service.api.accept(sent)

    service.api.answer = answer
    for _ in range(4):
        service.outbox.enqueue(mail())
    assert service.deliver() == set()
    assert len(service.api.sent) == 4


def test_changes_of_the_service_ring_only_when_somebody_wants_a_send(service, mail):
    """Of every write on the way through all states, only enqueue, resend, release and raw edits ring."""
    service.api.answer = raising(Rejected("no."))
    mail_id = service.outbox.enqueue(mail()).id
    service.deliver()

    def rang():
        bells = (listen(change.before, change.after) for change in service.store.changes[service.heard :])
        return [bell.ask.name for bell in bells if bell]

    assert rang() == []
    service.support.edit(mail_id, {"to": "hanako@example.com"}, "alice")
    service.support.hold(mail_id, "alice")
    assert rang() == []
    service.support.release(mail_id, "alice")
    assert rang() == ["SEND"]


def test_losing_the_row_while_settling_never_raises(service, mail):
    """A row deleted by hand while it is being sent: the mail is in history all the same."""

    def answer(sent):
        service.store.remove(mail_id)
        return service.api.accept(sent)

    service.api.answer = answer
    mail_id = service.outbox.enqueue(mail()).id
    assert service.deliver() == set()
    assert service.status(mail_id) == "SENT"


def test_lost_is_never_taken_for_a_send(service, mail):
    """A claim that somebody else won does not call the API."""
    mail_id = service.outbox.enqueue(mail()).id
    bell = service.doorbells()[0]

    def lose(*_args):
        raise Lost(None)

    service.store.update = lose
    service.deliver([bell])
    assert service.api.sent == []
    assert service.status(mail_id) == "PENDING"


def test_a_dispatcher_that_cannot_be_started_harms_no_batch(service, mail):
    """What is over the rate waits for the schedule, and no doorbell has to ring again."""

    def refuse():
        raise ConnectionError

    service.limiter = SharedLimiter(service.register, service.clock, Rate(60, 0), service.pause)
    ids = [service.outbox.enqueue(mail()).id for _ in range(20)]
    assert Deliver(service.sender(), 1, refuse)(service.doorbells(), service.deadline) == set()
    assert {service.status(mail_id) for mail_id in ids} == {"SENT", "WAITING"}
    service.clock.forward(minutes=1)
    service.dispatch()
    assert {service.status(mail_id) for mail_id in ids} == {"SENT"}


def test_a_limiter_out_of_reach_in_the_middle_of_a_batch_rings_again_for_the_rest(service, mail):
    """What has a slot is sent; what has none is reported, not sent and not claimed."""

    class Broken(Unlimited):
        """Has slots once."""

        booked = 0

        def book(self, count, *, urgent):
            self.booked += 1
            if self.booked > 1:
                raise ConnectionError
            return super().book(count, urgent=urgent)

    service.limiter, service.threads = Broken(), 2
    ids = [service.outbox.enqueue(mail()).id for _ in range(5)]
    assert service.deliver() == {2, 3, 4}
    assert [service.status(mail_id) for mail_id in ids] == ["SENT"] * 2 + ["PENDING"] * 3

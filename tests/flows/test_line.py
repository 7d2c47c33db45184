"""The line over all workers: its rate, its urgent lane, its switch."""

from datetime import timedelta
from itertools import pairwise

import pytest

from outbox.core.errors import Stop, TryLater
from outbox.core.mail_api import Accepted
from outbox.core.rate import Rate
from outbox.flows.dispatch import Dispatch
from outbox.flows.lease import Lease
from outbox.flows.limiter import SharedLimiter
from outbox.flows.reconcile import Reconcile


def no_pause(_seconds):
    """Do not wait."""


@pytest.fixture
def limited(service):
    """Give a service that may call once a second."""
    service.limiter = SharedLimiter(service.register, service.clock, Rate(60, 0), no_pause)
    service.threads = 1
    return service


def test_what_does_not_fit_waits_without_blame_and_dispatch_is_started(limited, mail):
    """Of a batch of 20 a few go; the rest wait in plain sight, and one dispatch is started."""
    ids = [limited.outbox.enqueue(mail()).id for _ in range(20)]
    assert limited.deliver() == set()
    rows = [limited.row(mail_id) for mail_id in ids]
    assert [str(row.status) for row in rows].count("SENT") == 3
    waiting = [row for row in rows if row.status == "WAITING"]
    assert len(waiting) == 17
    assert all(row.attempts == 0 and "rate" in row.reason for row in waiting)
    assert limited.started == 1
    limited.ring_until_quiet()
    limited.dispatch()
    assert limited.status(ids[-1]) == "SENT"
    assert len(limited.api.sent) == 20


def test_over_the_rate_goes_in_the_order_it_was_written(limited, mail):
    """Waiting rows keep their turn."""
    for n in range(12):
        limited.outbox.enqueue(mail(subject=f"{n:02}"))
        limited.deliver()
        limited.clock.forward(seconds=0.01)
    limited.dispatch()
    assert [sent.subject for sent in limited.api.sent] == sorted(sent.subject for sent in limited.api.sent)


def test_the_calls_of_a_backlog_keep_the_rate(limited, mail):
    """No two calls are nearer than the interval, over deliver and dispatch."""
    times = []

    def answer(sent):
        times.append(limited.clock())
        return limited.api.accept(sent)

    limited.api.answer = answer
    for _ in range(40):
        limited.outbox.enqueue(mail())
    limited.deliver()
    limited.dispatch()
    gaps = [(b - a).total_seconds() for a, b in pairwise(times)]
    assert len(times) == 40
    assert min(gaps) >= 0.999
    assert times[-1] - times[0] <= (times[1] - times[0]) * 40 * 1.1


def test_a_429_holds_back_every_worker(limited, mail):
    """What the API said to one is heard by all."""
    limited.api.answer = lambda _sent: (_ for _ in ()).throw(TryLater("the rate.", 30))
    first = limited.outbox.enqueue(mail()).id
    limited.deliver()
    limited.api.answer = None
    second = limited.outbox.enqueue(mail(urgent=True)).id
    limited.deliver()
    assert (limited.status(first), limited.status(second)) == ("WAITING", "WAITING")
    assert limited.api.sent == []
    limited.clock.forward(seconds=45)
    limited.dispatch()
    assert len(limited.api.sent) == 2


def test_no_calls_remaining_holds_back_before_the_429_comes(limited, mail):
    """The API's own count is believed."""
    limited.api.answer = lambda sent: Accepted(limited.api.accept(sent).delivery_id, remaining=0, wait=20.0)
    limited.outbox.enqueue(mail())
    limited.deliver()
    second = limited.outbox.enqueue(mail()).id
    limited.deliver()
    assert limited.status(second) == "WAITING"
    assert len(limited.api.sent) == 1


class Counting:
    """A limiter that counts its bookings, and has no slot after so many."""

    def __init__(self, limiter, most=100):
        self.limiter, self.most, self.booked = limiter, most, []

    def book(self, count, *, urgent):
        self.booked.append(count)
        return self.limiter.book(count, urgent=urgent) if len(self.booked) <= self.most else []


def test_a_slot_that_has_gone_by_is_not_used(limited, mail):
    """A worker that was held up books anew instead of crowding the calls of others."""
    update = limited.store.update

    def slowly(*args):
        limited.clock.forward(seconds=1)
        return update(*args)

    limited.store.update = slowly
    limited.limiter = Counting(limited.limiter)
    mail_id = limited.outbox.enqueue(mail()).id
    limited.deliver()
    assert limited.status(mail_id) == "SENT"
    assert limited.limiter.booked == [1, 1]


def test_a_mail_that_finds_no_other_slot_is_not_due_at_once(limited, mail):
    """While the line is full it waits some seconds, so that no run takes it over and over."""
    update = limited.store.update
    limited.store.update = lambda *args: limited.clock.forward(seconds=1) or update(*args)
    limited.limiter = Counting(limited.limiter, most=1)
    mail_id = limited.outbox.enqueue(mail()).id
    limited.deliver()
    row = limited.row(mail_id)
    assert row.item["status"] == "WAITING"
    assert row.due_at > limited.clock() + timedelta(seconds=3)
    assert limited.api.sent == []


@pytest.mark.parametrize(
    "error", [Stop("the mail API refuses the credentials (401)."), Stop("the account is locked (423).")]
)
def test_refused_credentials_stop_the_line_and_blame_no_mail(service, mail, error):
    """The first refusal stops all; nothing is FAILED; new credentials or a person let it go on."""
    calls = []

    def answer(_sent):
        calls.append(1)
        raise error

    service.api.answer, service.threads = answer, 1
    ids = [service.outbox.enqueue(mail()).id for _ in range(30)]
    service.deliver()
    service.ring_until_quiet()
    assert len(calls) == 1
    for mail_id in ids:
        row = service.row(mail_id)
        assert (row.status, row.attempts) == ("WAITING", 0)
        assert str(error) in row.reason
    for _ in range(10):
        service.clock.forward(minutes=1)
        assert service.dispatch() == {"stopped": 1}
    assert len(calls) == 1
    service.api.answer, service.api.account = None, "new account"
    service.clock.forward(minutes=1)
    service.dispatch()
    assert {service.status(mail_id) for mail_id in ids} == {"SENT"}


def test_a_paused_line_sends_nothing_and_loses_nothing(service, mail):
    """Rows wait with the reason; after resume each goes once."""
    service.switch.pause("alice", "wrong template")
    ids = [service.outbox.enqueue(mail()).id for _ in range(10)]
    service.deliver()
    service.ring_until_quiet()
    service.clock.forward(minutes=30)
    assert service.dispatch() == {"stopped": 1}
    assert service.api.sent == []
    assert all("wrong template" in service.row(mail_id).reason for mail_id in ids)
    assert service.started == 0
    service.switch.resume("bob")
    service.dispatch()
    service.deliver(service.doorbells(all_of_them=True))
    assert {service.status(mail_id) for mail_id in ids} == {"SENT"}
    assert len(service.api.sent) == 10


def test_a_raw_edit_while_the_line_is_paused_goes_after_it(service, mail):
    """A person's wish to send is kept, though its doorbell could not be answered."""
    from outbox.core.errors import Rejected

    service.api.answer = lambda _sent: (_ for _ in ()).throw(Rejected("no."))
    mail_id = service.outbox.enqueue(mail()).id
    service.ring_until_quiet()
    service.switch.pause("alice", "wait")
    service.store.edit(mail_id, subject="Corrected")
    service.ring_until_quiet()
    service.api.answer = None
    service.switch.resume("alice")
    service.dispatch()
    assert service.status(mail_id) == "SENT"


def test_the_line_stops_in_the_middle_of_a_batch(service, mail):
    """A switch thrown while a batch is under way is obeyed before the next claim."""
    service.threads = 1

    def answer(sent):
        service.switch.pause("alice", "stop!")
        return service.api.accept(sent)

    service.api.answer = answer
    for _ in range(10):
        service.outbox.enqueue(mail())
    service.deliver()
    assert len(service.api.sent) == 1


def test_one_dispatcher_at_a_time(service, mail):
    """While another one holds the lease, dispatch ends at once and leaves everything alone."""
    service.outbox.enqueue(mail())
    service.clock.forward(minutes=6)
    other = Lease(service.register, service.clock, "dispatch-0")
    assert other.take()
    assert service.dispatch() == {"busy": 1}
    service.clock.forward(seconds=31)
    assert service.dispatch() == {"sent": 1}


def test_a_row_that_resists_is_tried_again_within_two_minutes_of_a_long_run(limited, mail):
    """A run may last a quarter of an hour; what failed at its beginning does not wait for its end."""
    limited.limiter = SharedLimiter(limited.register, limited.clock, Rate(600, 0), no_pause)
    first = limited.outbox.enqueue(mail(subject="resists")).id
    for _ in range(2000):
        limited.outbox.enqueue(mail())
    limited.clock.forward(minutes=6)
    get, failures = limited.store.get, []

    def broken(mail_id):
        if mail_id == first and not failures:
            failures.append(1)
            raise ConnectionError
        return get(mail_id)

    limited.store.get = broken
    counts = dispatch_for(limited, 900)
    assert counts == {"sent": 2001, "error": 1}
    position = [sent.subject for sent in limited.api.sent].index("resists")
    # Two minutes are 1,200 calls; up to 400 rows had been read before.
    assert 600 <= position <= 1600


def test_a_due_at_that_never_comes_is_looked_for_during_a_long_run(limited, mail):
    """A person's slip is told within a minute or so, also while a backlog is worked on."""
    for _ in range(300):
        limited.outbox.enqueue(mail())
    mail_id = limited.outbox.enqueue(mail(), send_at=limited.clock() + timedelta(days=1)).id
    limited.clock.forward(minutes=6)

    def answer(sent):
        if len(limited.api.sent) == 10:
            limited.store.edit(mail_id, due_at="tomorrow")
        if len(limited.api.sent) == 150:
            seen.append(limited.store.get(mail_id))
        return limited.api.accept(sent)

    seen = []
    limited.api.answer = answer
    dispatch_for(limited, 900)
    assert seen[0].get("due_at") != "tomorrow"


def dispatch_for(service, seconds):
    """Run a dispatcher that has so many seconds."""
    sender = service.sender("dispatch")
    look_up = Reconcile(
        service.store, service.records, sender.limiter, service.clock, service.pause, "dispatch", 180.0,
        service.keep, service.files,
    )  # fmt: skip
    dispatch = Dispatch(sender, look_up, service.register, service.start_dispatch, service.threads)
    return dispatch(service.clock().timestamp() + seconds)


def test_after_a_429_one_call_asks_whether_it_is_over(service, mail):
    """While the API refuses every call for a minute, a run makes about one call a minute, whatever waits."""
    calls = []

    def answer(_sent):
        calls.append(service.clock())
        raise TryLater("the rate.", 60)

    service.limiter = SharedLimiter(service.register, service.clock, Rate(500, 5), no_pause)
    service.api.answer, service.threads = answer, 1
    for _ in range(200):
        service.outbox.enqueue(mail())
    service.clock.forward(minutes=6)
    dispatch_for(service, 900)
    later = [moment for moment in calls if moment > calls[0] + timedelta(seconds=30)]
    assert 5 <= len(later) <= 2 * 13


def test_a_dispatcher_that_crashes_frees_its_lease_or_lets_it_run_out(service, mail):
    """An exception frees it at once."""
    service.outbox.enqueue(mail())
    service.clock.forward(minutes=6)
    due = service.store.due

    def broken(*_args):
        raise ConnectionError

    service.store.due = broken
    with pytest.raises(ConnectionError):
        service.dispatch()
    service.store.due = lambda lane, *rest: broken() if lane == "urgent-0" else due(lane, *rest)
    assert service.dispatch() == {"sent": 1}


def test_a_dispatcher_works_as_long_as_its_time_lasts_and_starts_none(limited, mail):
    """A backlog longer than one run is gone on with by the schedule's next one; nobody starts itself again."""
    for _ in range(100):
        limited.outbox.enqueue(mail())
    limited.clock.forward(minutes=6)
    began, before = limited.clock(), limited.started
    counts = limited.dispatch()
    # Of 120 s the last ten are for a slot that far ahead, sixteen for its call.
    assert (limited.clock() - began).total_seconds() >= 120 - 10 - 16 - 1
    assert 90 <= counts["sent"] < 100
    limited.dispatch()
    assert len(limited.api.sent) == 100
    assert limited.started == before


def test_a_dispatcher_near_its_end_gives_way_to_whoever_comes(limited, mail):
    """Half-way through a short run another one takes the lease, and the first one stops; nothing is sent twice."""
    runs, at = [], [10, 70]

    def answer(sent):
        if at and len(limited.api.sent) == at[0]:
            del at[0]
            runs.append(limited.dispatch())
        return limited.api.accept(sent)

    limited.api.answer = answer
    for _ in range(100):
        limited.outbox.enqueue(mail())
    limited.clock.forward(minutes=6)
    counts = limited.dispatch()
    early, late = runs
    assert early == {"busy": 1}
    assert late["sent"] >= 20
    assert counts["sent"] < 80
    assert len(limited.api.sent) == 100

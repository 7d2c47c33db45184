"""Slots are booked once a call, and many with one write, whatever the API takes; the whole rate is used."""

import os
from typing import Any

import pytest

from outbox.core import places, transitions
from outbox.core.doorbell import listen
from outbox.core.rate import Rate
from outbox.core.transitions import Stamp
from outbox.flows.limiter import SharedLimiter
from tests.conftest import make_mail
from tests.simulation.service import Service, busiest_minute
from tests.simulation.world import World

MAILS = int(os.environ.get("OUTBOX_SIMULATION_SLOW_MAILS", "6000"))

pytestmark = pytest.mark.timeout(600)


class Booked:
    """Counts the slots that were booked."""

    def __init__(self, monkeypatch: Any) -> None:
        self.slots = 0
        book = SharedLimiter.book

        def counted(limiter: SharedLimiter, count: int, *, urgent: bool) -> Any:
            slots = book(limiter, count, urgent=urgent)
            self.slots += len(slots)
            return slots

        monkeypatch.setattr(SharedLimiter, "book", counted)


def deliver_a_batch(monkeypatch: Any, per_minute: int, call: tuple[float, float], mails: int) -> tuple[Service, int]:
    """Let one batch of new mails come by the stream; give the service, and how many slots were booked."""
    world, booked = World(), Booked(monkeypatch)
    service = Service(world, monkeypatch, rate=Rate(per_minute, 5))
    service.call = call
    bells = []
    for _ in range(mails):
        item = transitions.new(make_mail(), places.new_id(world()), Stamp(world(), "simulation"))
        service.store.add(item, once=False)
        bells.append(listen(None, item))
    # What is over the rate is left to a dispatcher that does not come.
    monkeypatch.setattr(service, "start_dispatch", lambda: None)
    world.start(0.0, service._deliver, bells)
    world.run(until=lambda: False)
    return service, booked.slots


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 2.0])
def test_a_batch_of_a_hundred_books_each_slot_once_with_few_writes(monkeypatch, seconds):
    """Twenty threads make five rounds of calls; three writes a round are enough, however long a call takes."""
    service, slots = deliver_a_batch(monkeypatch, 6000, (seconds, seconds), 100)
    assert len(service.calls[False]) == slots == 100
    assert service.meter.calls["write rate"] <= 15
    assert service.meter.calls["condition failed"] == 0


def test_calls_of_uneven_length_lose_next_to_no_slot(monkeypatch):
    """Threads become free one by one then; still several of them share a write."""
    service, slots = deliver_a_batch(monkeypatch, 6000, (0.8, 1.6), 100)
    assert len(service.calls[False]) == 100
    assert slots <= 105
    assert service.meter.calls["write rate"] <= 80


def test_what_does_not_fit_into_the_look_ahead_waits_without_a_claim(monkeypatch):
    """A batch does not sit on a long line: some go within seconds, the others wait for dispatch, one write each."""
    service, slots = deliver_a_batch(monkeypatch, 500, (0.1, 0.6), 100)
    sent = len(service.calls[False])
    assert 15 <= sent <= 30
    assert slots == sent
    assert service.meter.calls["write sending"] == sent
    assert service.meter.calls["write waiting"] == 100 - sent
    assert max(service.seconds["deliver"]) <= 5


def test_hundreds_of_records_end_within_the_time_of_the_function(monkeypatch):
    """Neither a slow API nor a long line keeps a batch until Lambda ends it; nothing is lost or called twice."""
    service, _ = deliver_a_batch(monkeypatch, 6000, (5.0, 9.0), 400)
    assert max(service.seconds["deliver"]) < 118
    assert service.meter.calls["condition failed"] == 0


@pytest.mark.parametrize(("per_minute", "call"), [(6000, (1.0, 1.0)), (1500, (0.1, 0.6))])
def test_dispatch_books_for_several_rows_at_once(monkeypatch, per_minute, call):
    """One write of the limiter's item is for six mails or more, and no slot is lost."""
    world, booked = World(), Booked(monkeypatch)
    service = Service(world, monkeypatch, rate=Rate(per_minute, 5))
    service.call = call
    service.backlog(2000)
    world.start(0.0, service.schedule)
    calls = service.calls[False]
    world.run(until=lambda: len(calls) == 2000)
    assert booked.slots == 2000
    assert service.meter.calls["write rate"] <= 2000 / 6
    assert busiest_minute(calls) <= per_minute


def test_a_slow_api_and_a_long_backlog_use_the_rate_and_no_dispatcher_is_started(monkeypatch):
    """With 0.8 to 1.6 s a call 0.96 of the rate is used, over a change of dispatchers, by the schedule alone."""
    world = World()
    service = Service(world, monkeypatch)
    service.call = (0.8, 1.6)
    monkeypatch.setattr(service, "_start_helper", refuse)
    service.backlog(MAILS)
    world.start(0.0, service.schedule)
    calls = service.calls[False]
    world.run(until=lambda: len(calls) >= MAILS)
    lasted = calls[-1] - calls[0]
    assert len(calls) == MAILS
    assert (len(calls) - 1) / (lasted / 60 * service.rate.per_minute) >= 0.96
    assert busiest_minute(calls) <= service.rate.per_minute


def test_four_dispatchers_together_use_a_high_rate_and_never_exceed_it(monkeypatch):
    """Their calls come so soon after their slots that no minute has more than it may."""
    world = World()
    service = Service(world, monkeypatch, rate=Rate(10_000, 5), dispatchers=4)
    service.backlog(20_000)
    world.start(0.0, service.schedule)
    calls = service.calls[False]
    world.run(until=lambda: len(calls) >= 20_000)
    assert busiest_minute(sorted(calls)) <= 10_000
    assert len(calls) / ((calls[-1] - calls[0]) / 60 * 10_000) >= 0.95


def refuse() -> None:
    """Fail as a start that AWS refuses."""
    raise ConnectionError

"""Events are recorded once, with what they mean for their address, whatever fails and however often they come."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from outbox.core import clock
from outbox.core.bounce import Counts
from outbox.core.errors import Lost
from outbox.core.suppression import Rule, suppressed
from outbox.flows.bounce import TRIES, RecordBounces
from outbox.testing import MemoryStore, TickingClock
from outbox.testing.bounces import MemoryBounces, MemorySuppressions
from tests.waiting import SECONDS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def raw(email="taro@example.com", hours=1, kind="HARDERROR", delivery_id=17, code="550"):
    detail = {"mailaddress": email, "error_code": code, "error_message": "no", "delivery_id": delivery_id}
    return {"event": {"type": kind, "datetime": clock.text(NOW - timedelta(hours=hours)), "detail": detail}}


class Bad:
    """Records of bounces on a bad day: `before` and `after` say of which writes, by number, what goes wrong."""

    def __init__(self, records, before=(), after=()):
        self._records, self._before, self._after = records, set(before), set(after)
        self._lock, self.writes = threading.Lock(), 0

    def record(self, bounce, entry):
        with self._lock:
            self.writes += 1
            number = self.writes
        if number in self._before:
            raise ConnectionError("not written")
        written = self._records.record(bounce, entry)
        if number in self._after:
            raise ConnectionResetError("written, and nobody heard")
        return written


class World:
    """The flow on memory."""

    def __init__(self):
        self.store, self.suppressions, self.clock = MemoryStore(), MemorySuppressions(), TickingClock(NOW)
        self.records = MemoryBounces(self.store, self.suppressions)

    def record(self, events, records=None, rule=None, threads=16):
        flow = RecordBounces(records or self.records, self.suppressions, self.clock, rule or Rule(), 400, threads)
        return flow(events)

    def until(self, email="taro@example.com"):
        entry = self.suppressions.entries.get(email)
        return entry.get("suppressed_until") if suppressed(entry, self.clock()) else None

    def state(self):
        """Give what is stored without what chance made."""
        tables = (self.store.history, self.suppressions.entries)
        return [{key: {**item, "nonce": ""} for key, item in table.items()} for table in tables]


@pytest.fixture
def world():
    return World()


def test_a_hard_error_is_written_down_and_remembered(world):
    """The bounce stands in history, the error in the entry of its address; nobody is suppressed yet."""
    assert world.record([raw()]) == Counts(recorded=1)
    (item,) = world.store.history.values()
    assert (item["recipient"], item["delivery_id"], item["type"]) == ("taro@example.com", "17", "HARDERROR")
    assert list(world.suppressions.entries["taro@example.com"]["errors"]) == [item["id"]]
    assert world.until() is None


def test_two_hard_errors_suppress(world):
    """In one body or in two."""
    world.record([raw(hours=3)])
    world.record([raw(hours=2, delivery_id=18)])
    assert world.until() == clock.text(NOW - timedelta(hours=2) + timedelta(days=14))
    world.record([raw("jiro@example.com", 3), raw("JIRO@example.com", 2)])
    assert world.until("jiro@example.com")


@pytest.mark.parametrize("kind", ["SOFTERROR", "COMPLAINT"])
def test_other_bounces_touch_no_entry(world, kind):
    """They are facts about a delivery and no more."""
    world.record([raw(hours=number, kind=kind) for number in range(5)])
    assert len(world.store.history) == 5
    assert world.suppressions.entries == {}


def test_a_drop_suppresses(world):
    """The mail API does not even try."""
    world.record([raw(kind="DROP", code="554(errors)")])
    assert world.until()


def test_duplicates_are_recorded_once(world):
    """In one body, in the next, in another spelling: one bounce, one error."""
    other = raw(" TARO@example.com", delivery_id="17", code=550)
    assert world.record([raw(), raw(), other]) == Counts(recorded=1, known=2)
    assert world.record([raw()]) == Counts(known=1)
    assert len(world.store.history) == 1
    assert world.until() is None


def test_hard_errors_out_of_order_and_twice_suppress_as_in_order(world):
    """What counts is when they happened."""
    tidy = World()
    events = [raw(hours=hours) for hours in (30, 20, 10)]
    tidy.record(events)
    world.record([events[2], events[0], events[2]])
    world.record([events[1], events[0]])
    assert world.until() == tidy.until()
    assert world.state()[0] == tidy.state()[0]


def test_one_unreadable_event_loses_none_of_the_others(world):
    """It is kept as what it is."""
    counts = world.record([raw(), "garbage", {"event": {}}, raw("jiro@example.com"), "garbage"])
    assert counts == Counts(recorded=2, unreadable=3)
    assert Counter(item["type"] for item in world.store.history.values()) == {"HARDERROR": 2, "UNREADABLE": 2}


def test_nothing_to_record_is_fine(world):
    """An empty body is a body."""
    assert world.record([]) == Counts()


def test_a_thousand_events_go_at_once(world):
    """Different addresses do not wait for each other."""
    gate = threading.Barrier(16, timeout=SECONDS)
    events = [raw(f"user{number}@example.com") for number in range(1008)]

    class Slow(Bad):
        def record(self, bounce, entry):
            gate.wait()
            return super().record(bounce, entry)

    assert world.record(events, Slow(world.records)) == Counts(recorded=1008)


def test_an_error_of_the_store_stops_none_of_the_others_and_the_rest_follows(world):
    """Errors in the middle of a thousand events, then the same body again: exactly as if nothing had been."""
    events = [raw(f"user{number % 600}@example.com", hours=1 + number // 600) for number in range(1000)]
    bad = Bad(world.records, before=range(100, 300, 3), after=range(101, 300, 3))
    with pytest.raises(ExceptionGroup, match="of 1000 events were not written down") as error:
        world.record(events, bad)
    assert {type(part) for part in error.value.exceptions} == {ConnectionError, ConnectionResetError}
    there = len(world.store.history)
    assert 800 < there < 1000
    assert world.record(events) == Counts(recorded=1000 - there, known=there)
    tidy = World()
    tidy.record(events)
    assert world.state()[0] == tidy.state()[0]
    assert {email: world.until(email) for email in tidy.suppressions.entries} == {
        email: tidy.until(email) for email in tidy.suppressions.entries
    }
    errors = [set(entry["errors"]) for entry in world.state()[1].values()]
    assert errors == [set(tidy.state()[1][email]["errors"]) for email in world.state()[1]]


@pytest.mark.parametrize("after", [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]])
def test_an_answer_that_was_lost_counts_its_events_once(world, after):
    """The events are there, with their errors; told again they are known."""
    events = [raw(hours=hours) for hours in (3, 2, 1)]
    with suppress(ExceptionGroup):
        world.record(events, Bad(world.records, after=after))
    assert world.record(events) == Counts(known=3)
    assert len(world.suppressions.entries["taro@example.com"]["errors"]) == 3
    assert world.until() == clock.text(NOW - timedelta(hours=1) + timedelta(days=14))


def test_two_calls_with_one_body_at_once_record_each_event_once(world):
    """Together they count every event exactly once as new and once as known."""
    events = [raw(f"user{number % 40}@example.com", hours=1 + number // 40) for number in range(200)]
    start = threading.Barrier(2)

    def call(_):
        start.wait()
        return world.record(events)

    for _ in range(5):
        world.store.history.clear()
        world.suppressions.entries.clear()
        with ThreadPoolExecutor(2) as pool:
            counts = list(pool.map(call, range(2)))
        assert sum(count.recorded for count in counts) == 200
        assert sum(count.known for count in counts) == 200
        assert len(world.store.history) == 200
        assert {len(entry["errors"]) for entry in world.suppressions.entries.values()} == {5}


def test_many_calls_about_one_address_lose_no_error(world):
    """Each write of the entry builds on the one before."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda hour: world.record([raw(hours=hour)]), range(1, 17)))
    assert len(world.suppressions.entries["taro@example.com"]["errors"]) == 16
    assert world.until() == clock.text(NOW - timedelta(hours=1) + timedelta(days=14))


def test_an_entry_that_never_holds_still_is_an_error_and_no_loop(world):
    """After so many tries the mail API is asked to send the event again."""
    calls = []

    class Losing(Bad):
        def record(self, bounce, entry):
            calls.append(entry)
            raise Lost(None)

    with pytest.raises(ExceptionGroup) as error:
        world.record([raw()], Losing(world.records))
    assert isinstance(error.value.exceptions[0], Lost)
    assert len(calls) == TRIES


def test_an_address_a_person_suppressed_without_end_stays_so(world):
    """The bounce is written down, the person's word stands."""
    world.suppressions.put({"email": "taro@example.com"})
    world.record([raw(hours=2), raw(hours=1), raw(kind="DROP")])
    assert len(world.store.history) == 3
    assert world.suppressions.entries["taro@example.com"] == {"email": "taro@example.com"}


def test_a_thousand_events_about_one_address_take_a_dozen_writes(world):
    """They go together with the entry they make, so that one call of the webhook has time for them."""
    events = [raw(hours=1 + number / 100) for number in range(1000)]
    counting = Bad(world.records)
    assert world.record(events, counting) == Counts(recorded=1000)
    assert counting.writes == 12
    assert world.record(events, counting) == Counts(known=1000)
    assert counting.writes == 24
    assert world.until()


def test_known_and_new_events_of_one_address_are_told_apart(world):
    """What is there is left out, what is new is written with what it means."""
    world.record([raw(hours=3)])
    assert world.record([raw(hours=3), raw(hours=2), raw(hours=2)]) == Counts(recorded=1, known=2)
    assert len(world.suppressions.entries["taro@example.com"]["errors"]) == 2
    assert world.until()

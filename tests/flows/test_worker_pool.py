"""For how many calls slots are booked: for as many as threads can begin when their slots come."""

from concurrent.futures import Executor, Future
from datetime import timedelta

import pytest

from outbox.core.ports import LONG_AGO
from outbox.flows.worker_pool import WorkerPool
from outbox.testing import TickingClock

THREADS = 4


class ByHand(Executor):
    """Does what it is given when the test says so, in any order."""

    def __init__(self):
        self.given = []

    def submit(self, work, /, *args, **more):
        """Take work and do nothing yet."""
        future = Future()
        self.given.append((future, lambda: work(*args, **more)))
        return future

    def do(self, count=1):
        """Do the oldest pieces of work."""
        for _ in range(count):
            future, work = self.given.pop(0)
            future.set_result(work())


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture
def executor():
    return ByHand()


@pytest.fixture
def pool(executor, clock):
    return WorkerPool(executor, THREADS, clock)


def begin(pool, clock, seconds, *, apart=0.0, count=THREADS):
    """Begin calls of so many seconds; the executor does them one by one, each at its end."""
    first = clock()
    ends = [first + timedelta(seconds=seconds + apart * number) for number in range(count)]
    for number, end in enumerate(ends):
        pool.submit("m", first + timedelta(seconds=apart * number), lambda end=end: setattr(clock, "now", end))


def test_before_anything_is_known_there_is_room_for_the_free_threads(pool, executor, clock):
    """No call has ended yet, or only the shortest ones, so nobody knows when the next one does."""
    assert pool.room(100) == THREADS
    begin(pool, clock, 1.0, count=3)
    assert pool.room(100) == 1
    assert pool.room(0) == 0
    executor.do()
    list(pool.collect())
    assert pool.room(100) == 2


def test_calls_that_end_as_far_apart_as_slots_are_one_booking(pool, executor, clock):
    """When the first has ended, the others are known to end at the moments of the next slots."""
    for _ in range(2):
        begin(pool, clock, 1.0, apart=0.01)
        executor.do(THREADS)
        list(pool.collect())
    begin(pool, clock, 1.0, apart=0.01)
    executor.do()
    assert len(list(pool.collect())) == 1
    assert pool.room(100) == THREADS


def test_there_is_no_room_while_all_threads_are_busy(pool, executor, clock):
    """A slot booked now would pass before a thread is free."""
    begin(pool, clock, 1.0)
    executor.do(THREADS)
    list(pool.collect())
    begin(pool, clock, 1.0)
    assert pool.room(100) == 0


def test_a_call_that_takes_longer_than_the_others_makes_no_room(pool, executor, clock):
    """Nobody knows when it ends, so no slot is booked for its thread."""
    begin(pool, clock, 1.0)
    executor.do(THREADS)
    list(pool.collect())
    begin(pool, clock, 5.0)
    clock.forward(seconds=2)
    assert pool.room(100) == 0


def test_short_calls_let_a_booking_cover_many(pool, executor, clock):
    """Calls that take no time never keep a thread busy: one write books for all of them."""
    begin(pool, clock, 0.0)
    executor.do(THREADS)
    list(pool.collect())
    assert pool.room(100) == 100


def test_what_makes_no_call_says_nothing_about_calls(pool, executor, clock):
    """A mail that is postponed takes a moment, and the next call does not."""
    pool.submit("m", None, lambda: None)
    executor.do()
    list(pool.collect())
    begin(pool, clock, 1.0)
    assert pool.room(100) == 0


def test_a_slot_of_long_ago_begins_now(pool, executor, clock):
    """Without a rate every slot is one; the time of a call is counted from its beginning."""
    for _ in range(2):
        for _ in range(THREADS):
            pool.submit("m", LONG_AGO, lambda: clock.forward(seconds=1))
        assert pool.room(100) == 0
        executor.do(THREADS)
        assert len(list(pool.collect())) == THREADS
    assert pool.room(100) == THREADS

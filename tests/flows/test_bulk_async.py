"""Mails from an event loop: never blocked, never ahead of the table, nothing left behind by who is cancelled."""

import asyncio
import threading
import time

import pytest

from outbox import InvalidRequest, Outbox
from outbox.testing import MemoryStore
from tests.conftest import make_mail
from tests.flows.bulk import Moody, threads
from tests.waiting import wait_for


class Slow(MemoryStore):
    """Takes so long for each call, or until `ready` returns."""

    def __init__(self, seconds=0, ready=None):
        super().__init__()
        self.begun, self._ready = threading.Event(), ready or (lambda: time.sleep(seconds))

    def add(self, item, *, once):
        self.begun.set()
        self._ready()
        super().add(item, once=once)

    def add_all(self, items):
        self.begun.set()
        self._ready()
        return super().add_all(items)


def plain(count):
    return [make_mail(subject=f"{n}") for n in range(count)]


async def asynchronous(given, asked=None):
    for each in given:
        await asyncio.sleep(0)
        if asked is not None:
            asked.append(each)
        yield each


async def heartbeat(beats):
    """Count how often the loop turns."""
    while True:
        beats.append(1)
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def no_thread_survives():
    """However a test ended, its threads do too."""
    yield
    assert threads() == []


@pytest.mark.parametrize("form", [list, iter, asynchronous])
def test_receipts_come_in_order_from_any_input_and_the_loop_turns_meanwhile(form):
    """A list, a generator, an asynchronous one: the same receipts, and no call blocks the loop."""
    beats = []

    def some_turns_later():
        seen = len(beats)
        wait_for(lambda: len(beats) > seen + 3, pause=0.005)

    store = Slow(ready=some_turns_later)

    async def run():
        beating = asyncio.create_task(heartbeat(beats))
        bulk = Outbox(store=store).enqueue_many_async(form(plain(60)))
        told = [written async for written in bulk]
        beating.cancel()
        return bulk, told

    bulk, told = asyncio.run(run())
    assert [store.outbox[each.receipt.id]["subject"] for each in told] == [f"{n}" for n in range(60)]
    assert (bulk.taken, bulk.written, bulk.stopped) == (60, 60, False)


def test_one_mail_is_awaited_without_blocking(mail):
    """The key works as in `enqueue`."""
    store = Slow(0.05)

    async def run():
        outbox = Outbox(store=store)
        one = [outbox.enqueue_async(mail(), idempotency_key="a") for _ in range(3)]
        return await asyncio.gather(*one)

    receipts = asyncio.run(run())
    assert sorted(each.duplicate for each in receipts) == [False, True, True]


def test_a_cancelled_caller_waits_for_its_mail_which_stays_written(mail):
    """No thread works on after the caller is gone, and what happened is in the table."""
    store = Slow(0.1)

    async def run():
        task = asyncio.create_task(Outbox(store=store).enqueue_async(mail()))
        await asyncio.to_thread(store.begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(store.outbox)

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize("form", [iter, asynchronous])
def test_a_cancelled_loop_settles_what_it_took_and_takes_no_more(form):
    """The counts are true at once when the caller hears of it."""
    store = Slow(0.02)

    async def run():
        bulk = Outbox(store=store).enqueue_many_async(form(plain(5000)), threads=2)

        async def loop():
            async for _ in bulk:
                pass

        task = asyncio.create_task(loop())
        await asyncio.to_thread(store.begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return bulk

    bulk = asyncio.run(run())
    assert bulk.stopped
    assert 0 < bulk.taken == bulk.written == len(store.outbox) < 5000


@pytest.mark.parametrize("form", [iter, asynchronous])
def test_leaving_the_loop_early_finishes_what_was_under_way(form):
    """With `aclose` the caller waits for it."""
    store = Slow(0.01)

    async def run():
        bulk = Outbox(store=store).enqueue_many_async(form(plain(5000)))
        async for written in bulk:
            if written.number == 30:
                break
        await bulk.aclose()
        return bulk

    bulk = asyncio.run(run())
    assert bulk.stopped
    assert bulk.taken == bulk.written == len(store.outbox) < 5000


def test_an_asynchronous_input_is_asked_no_faster_than_rows_are_written():
    """At any time no more than the bound has been asked for beyond what was told."""
    asked = []

    async def run():
        ahead, told = 0, 0
        async for _ in Outbox(store=Slow(0.002)).enqueue_many_async(asynchronous(plain(3000), asked), threads=2):
            told += 1
            ahead = max(ahead, len(asked) - told)
        return ahead

    assert asyncio.run(run()) <= 850


@pytest.mark.parametrize("form", [iter, asynchronous])
def test_an_error_of_the_input_passes_through_after_all_was_told(form):
    """As without a loop."""

    async def failing():
        async for each in asynchronous(plain(40)):
            yield each
        raise LookupError("line 41")

    def broken():
        yield from plain(40)
        raise LookupError("line 41")

    async def run():
        async for written in Outbox(store=Moody(1, share=0)).enqueue_many_async(broken_input()):
            told.append(written.number)  # noqa: PERF401  what came before the error counts

    told, broken_input = [], broken if form is iter else failing
    with pytest.raises(LookupError, match="line 41"):
        asyncio.run(run())
    assert told == list(range(40))


@pytest.mark.parametrize("form", [list, asynchronous])
def test_a_deadline_stops_an_asynchronous_run_too(form):
    """What was taken is told; the rest is known."""

    async def run():
        bulk = Outbox(store=Slow(0.02)).enqueue_many_async(form(plain(5000)), deadline=0.2, threads=1)
        return bulk, [written async for written in bulk]

    bulk, told = asyncio.run(run())
    assert bulk.stopped
    assert [each.number for each in told] == list(range(bulk.taken))
    assert bulk.taken < 5000


def test_more_runs_at_once_than_the_loop_has_threads_do_not_wait_for_each_other():
    """Each input itself asks for threads of the loop, and still all end."""

    async def given():
        for each in plain(30):
            await asyncio.to_thread(time.sleep, 0.0001)
            yield each

    async def run(outbox):
        bulk = outbox.enqueue_many_async(given())
        return [written async for written in bulk]

    async def all_of_them():
        outbox = Outbox(store=MemoryStore())
        return await asyncio.wait_for(asyncio.gather(*(run(outbox) for _ in range(40))), 60)

    assert [len(told) for told in asyncio.run(all_of_them())] == [30] * 40


def test_wrong_arguments_are_refused_at_the_call(outbox):
    """Before anything is awaited."""
    with pytest.raises(InvalidRequest, match="iterable"):
        outbox.enqueue_many_async(make_mail())

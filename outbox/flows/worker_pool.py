"""The threads that call the mail API, and how many more calls they can begin soon.

Slots of the rate are booked for no more than that: a slot whose thread is not free in time is lost to all workers.
A thread that hangs is abandoned: nobody waits for it, and its row is found again when its lease is over.
"""

import heapq
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Generic, TypeVar

import structlog

from outbox.core.ports import Clock
from outbox.flows import reading

log = structlog.get_logger()

T = TypeVar("T")

# The largest row is read within 0.1 s. Short enough that what waits behind a hung thread still goes within a minute.
LONGEST_READING = 20.0
# How often those who wait look for threads that hang.
LOOK_EVERY = 1.0

# Slots are booked so many seconds before a thread is free: what the two calls of the table take that a booking makes.
BEFORE = 0.03
# After a booking threads may stay idle for this part of a call, so that the next one is for several of them.
GATHERED = 0.05


@dataclass(slots=True)
class _Task:
    """Work on one mail: the moment before which it does not begin, and the thread that has begun it."""

    mail_id: str
    begins: float
    thread: int | None = None


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Work nobody waits for any more: its thread hangs, or no thread was left to begin it."""

    mail_id: str
    begun: bool


class WorkerPool(Generic[T]):
    """Hands work to threads and forecasts when they are free, by how long calls have lately taken.

    `seconds`: how long any work may last, from now on; no call of a mail is under way then.
    """

    def __init__(self, executor: Executor, threads: int, clock: Clock, seconds: float = math.inf) -> None:
        self._executor, self._threads, self._clock = executor, max(1, threads), clock
        self._ends = time.monotonic() + max(0.0, seconds)
        # In the order in which threads take them.
        self._under_way: dict[Future[tuple[T, float | None]], _Task] = {}
        self._abandoned: list[Abandoned] = []
        # What threads that hang are about; one that comes back takes work again.
        self._hung: list[Future[tuple[T, float | None]]] = []
        self._lately: deque[float] = deque(maxlen=self._threads)
        # In seconds: where our part of the line of slots ends, how far apart slots are, when the last one was booked.
        self.booked_until, self._interval, self._booked_at = 0.0, math.inf, 0.0

    @property
    def idle(self) -> bool:
        """Tell whether nothing is under way whose result was not collected."""
        return not self._under_way

    @property
    def all_hang(self) -> bool:
        """Tell whether every thread hangs: nothing that is submitted now would begin."""
        return self._alive == 0

    @property
    def _alive(self) -> int:
        return self._threads - sum(not future.done() for future in self._hung)

    def submit(self, mail_id: str, slot: datetime | None, work: Callable[..., T], *arguments: Any) -> None:  # noqa: ANN401  as the work takes
        """Have work on a mail done that begins at a slot; without one it makes no call, so its time is no forecast."""
        now = self._clock().timestamp()
        task = _Task(mail_id, now)
        if slot is None:
            future = self._executor.submit(self._untimed, task, work, arguments)
        else:
            task.begins = begins = max(now, slot.timestamp())
            if now < self.booked_until < begins:
                self._interval = min(self._interval, begins - self.booked_until)
            self.booked_until, self._booked_at = begins, now
            future = self._executor.submit(self._timed, task, begins, work, arguments)
        self._under_way[future] = task

    def room(self, most: int) -> int:
        """Tell for how many calls, `most` at most, slots should be booked now: threads will be free when they come."""
        if (alive := self._alive) == 0:
            return 0
        now = self._clock().timestamp()
        if self._under_way and now < self._booked_at + GATHERED * min(self._lately, default=0.0):
            return 0
        # A thread counts as free when the longest of the last calls would have ended: a slot must not wait for its
        # thread. The first calls to end are the short ones; until enough have ended, only free threads count.
        each = max(self._lately) if len(self._lately) >= alive else math.inf
        free_at = [-math.inf] * alive
        for task in self._under_way.values():
            ends = max(free_at[0], task.begins) + each
            # Of a call that takes longer than most nobody knows when it ends.
            heapq.heapreplace(free_at, ends if ends > now - BEFORE else math.inf)
        slot = max(now, self.booked_until) + BEFORE
        count = 0
        while count < most and free_at[0] <= slot:
            heapq.heapreplace(free_at, max(now, free_at[0]) + each)
            slot += 0.0 if math.isinf(self._interval) else self._interval
            count += 1
        return count

    def wait(self, seconds: float) -> None:
        """Wait until a thread is free for more than what is under way, or so long."""
        queued = len(self._under_way) - self._alive
        if queued > 0:
            wait(list(islice(self._under_way, queued + 1)), seconds, ALL_COMPLETED)
        else:
            wait(list(self._under_way), seconds, FIRST_COMPLETED)
        self._abandon_hung()

    def wait_for_all(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way any more but what is abandoned, or so long."""
        if seconds is not None:
            wait(list(self._under_way), seconds)
            self._abandon_hung()
            return
        while left := [future for future in self._under_way if not future.done()]:
            wait(left, LOOK_EVERY)
            self._abandon_hung()

    def collect(self) -> Iterator[T]:
        """Give the result of each piece of work that has ended, once."""
        for future in [future for future in self._under_way if future.done()]:
            del self._under_way[future]
            result, took = future.result()
            if took is not None:
                self._lately.append(took)
            yield result

    def abandoned(self) -> list[Abandoned]:
        """Give what was abandoned since the last time."""
        abandoned, self._abandoned = self._abandoned, []
        return abandoned

    def _abandon_hung(self) -> None:
        """Wait no longer for threads that hang; when none is left, nor for what is queued behind them."""
        out_of_time = time.monotonic() >= self._ends
        for future, task in list(self._under_way.items()):
            if task.thread is None or future.done():
                continue
            seconds = reading.seconds(task.thread)
            # What has ended meanwhile has ended: its thread may be reading another mail.
            if (out_of_time or seconds > LONGEST_READING) and not future.done():
                log.error("worker.hung", id=task.mail_id, reading_seconds=round(seconds))
                self._abandon(future, task)
                self._hung.append(future)
        if self.all_hang or out_of_time:
            for future, task in list(self._under_way.items()):
                if future.cancel():
                    self._abandon(future, task)

    def _abandon(self, future: Future[tuple[T, float | None]], task: _Task) -> None:
        del self._under_way[future]
        self._abandoned.append(Abandoned(task.mail_id, begun=task.thread is not None))

    @staticmethod
    def _untimed(task: _Task, work: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[T, float | None]:
        task.thread = threading.get_ident()
        return work(*arguments), None

    def _timed(
        self, task: _Task, begins: float, work: Callable[..., T], arguments: tuple[Any, ...]
    ) -> tuple[T, float | None]:
        task.thread = threading.get_ident()
        begins = max(begins, self._clock().timestamp())
        result = work(*arguments)
        return result, max(0.0, self._clock().timestamp() - begins)

"""The threads that call the mail API, and how many more calls they can begin soon.

Slots of the rate are booked for no more than that: a slot whose thread is not free in time is lost to all workers.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Executor, Future, wait
from datetime import datetime
from itertools import islice
from typing import Any, Generic, TypeVar

from outbox.core.ports import Clock

T = TypeVar("T")

# Slots are booked so many seconds before a thread is free: what the two calls of the table take that a booking makes.
BEFORE = 0.03
# After a booking threads may stay idle for this part of a call, so that the next one is for several of them.
GATHERED = 0.05


class WorkerPool(Generic[T]):
    """Hands work to threads and forecasts when they are free, by how long calls have lately taken."""

    def __init__(self, executor: Executor, threads: int, clock: Clock) -> None:
        self._executor, self._threads, self._clock = executor, max(1, threads), clock
        # In the order in which threads take them, with the moment before which none begins.
        self._under_way: dict[Future[tuple[T, float | None]], float] = {}
        self._lately: deque[float] = deque(maxlen=self._threads)
        # In seconds: where our part of the line of slots ends, how far apart slots are, when the last one was booked.
        self.booked_until, self._interval, self._booked_at = 0.0, math.inf, 0.0

    @property
    def idle(self) -> bool:
        """Tell whether nothing is under way whose result was not collected."""
        return not self._under_way

    def submit(self, slot: datetime | None, work: Callable[..., T], *arguments: Any) -> None:  # noqa: ANN401  as the work takes
        """Have work done that begins at a slot; without a slot it makes no call, so its time is no forecast."""
        now = begins = self._clock().timestamp()
        if slot is None:
            future = self._executor.submit(self._untimed, work, arguments)
        else:
            begins = max(now, slot.timestamp())
            if now < self.booked_until < begins:
                self._interval = min(self._interval, begins - self.booked_until)
            self.booked_until, self._booked_at = begins, now
            future = self._executor.submit(self._timed, begins, work, arguments)
        self._under_way[future] = begins

    def room(self, most: int) -> int:
        """Tell for how many calls, `most` at most, slots should be booked now: threads will be free when they come."""
        now = self._clock().timestamp()
        if self._under_way and now < self._booked_at + GATHERED * min(self._lately, default=0.0):
            return 0
        # A thread counts as free when the longest of the last calls would have ended: a slot must not wait for its
        # thread. The first calls to end are the short ones; until enough have ended, only free threads count.
        each = max(self._lately) if len(self._lately) == self._threads else math.inf
        free_at = [-math.inf] * self._threads
        for begins in self._under_way.values():
            ends = max(free_at[0], begins) + each
            # Of a call that takes longer than most nobody knows when it ends.
            heapq.heapreplace(free_at, ends if ends > now - BEFORE else math.inf)
        slot = max(now, self.booked_until) + BEFORE
        count = 0
        while count < most and free_at[0] <= slot:
            heapq.heapreplace(free_at, max(now, free_at[0]) + each)
            slot += 0.0 if math.isinf(self._interval) else self._interval
            count += 1
        return count

    def wait(self, seconds: float | None = None) -> None:
        """Wait until a thread is free for more than what is under way, or so long."""
        queued = len(self._under_way) - self._threads
        if queued > 0:
            wait(list(islice(self._under_way, queued + 1)), seconds, ALL_COMPLETED)
        else:
            wait(list(self._under_way), seconds, FIRST_COMPLETED)

    def wait_for_all(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way any more, or so long."""
        wait(list(self._under_way), seconds)

    def collect(self) -> Iterator[T]:
        """Give the result of each piece of work that has ended, once."""
        for future in [future for future in self._under_way if future.done()]:
            del self._under_way[future]
            result, took = future.result()
            if took is not None:
                self._lately.append(took)
            yield result

    @staticmethod
    def _untimed(work: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[T, float | None]:
        return work(*arguments), None

    def _timed(self, begins: float, work: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[T, float | None]:
        begins = max(begins, self._clock().timestamp())
        result = work(*arguments)
        return result, max(0.0, self._clock().timestamp() - begins)

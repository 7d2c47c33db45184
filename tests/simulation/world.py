"""Time that passes only when everybody waits: real code in real threads, of which exactly one runs at a time.

    world = World()
    world.start(0.0, work)        # `work` may call world.pause(seconds), world.wait(futures), world.start(...)
    world.run()

A thread that pauses hands over to whoever is next; an hour passes as fast as what happens in it is computed, and the
same beginning gives the same end.
"""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ALL_COMPLETED, Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any, Self

START = datetime(2026, 1, 1, tzinfo=UTC)


class _Thread:
    """A thread that waits for its turn; it is used again for the next job when one has ended."""

    def __init__(self, world: "World") -> None:
        # A lock that its owner waits for and another releases: half the cost of a semaphore.
        self.turn = threading.Lock()
        self.turn.acquire()
        self.job: Callable[[], None] | None = None
        self._world = world
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self.turn.acquire()
            while self.job is not None:
                job, self.job = self.job, None
                job()
                self._world.idle.append(self)
                if not self._world.hand_on(self):
                    break
            else:
                return


class World:
    """A clock (call it for the time) and everything that happens by it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.idle: list[_Thread] = []
        self._over = threading.Lock()
        self._enough: Callable[[], bool] = lambda: False
        self._order = itertools.count()
        # What is to happen: when, in which order, and who goes on then (None: woken meanwhile by something else).
        self._agenda: list[tuple[float, int, list[Any]]] = []
        self._running: _Thread | None = None
        self.error: BaseException | None = None

    def __call__(self) -> datetime:
        """Tell the moment it is now."""
        return START + timedelta(seconds=self.seconds)

    def start(self, seconds: float, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Begin something so many seconds from now, in a thread of its own."""
        future: Future[Any] = Future()

        def job() -> None:
            try:
                future.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001  shown by `run`
                self.error = self.error or error
                future.set_exception(error)

        self._at(seconds, job)
        return future

    def pause(self, seconds: float) -> None:
        """Let time pass for the one who calls."""
        self._at(seconds, self._running)
        self._wait_for_turn()

    def wait(
        self, futures: Iterable["Future[Any]"], timeout: float | None = None, return_when: str = ALL_COMPLETED
    ) -> None:
        """Stand in for `concurrent.futures.wait`; what is done can be asked of the futures."""
        waiting = [future for future in futures if not future.done()]
        end = None if timeout is None else self.seconds + timeout
        while waiting and (end is None or self.seconds < end):
            me: list[Any] = [self._running]
            for future in waiting:
                future.add_done_callback(lambda _, me=me: self._wake(me))
            if end is not None:
                heapq.heappush(self._agenda, (end, next(self._order), me))
            count = len(waiting)
            self._wait_for_turn()
            waiting = [future for future in waiting if not future.done()]
            if return_when != ALL_COMPLETED and len(waiting) < count:
                return

    def run(self, until: Callable[[], bool]) -> None:
        """Let everything happen until it is enough, or nothing is left to happen; raise what went wrong."""
        self._enough = until
        self._over.acquire()
        self.hand_on(None)
        self._over.acquire()
        self._over.release()
        self._end()
        if self.error is not None:
            raise self.error

    def hand_on(self, me: _Thread | None) -> bool:
        """Give the turn to whoever is next; True when that is the one who gives it."""
        while self._agenda and self.error is None and not self._enough():
            when, _, who = heapq.heappop(self._agenda)
            next_one = who[0]
            who[0] = None
            if next_one is None:
                continue
            self.seconds = max(self.seconds, when)
            thread = next_one
            if not isinstance(next_one, _Thread):
                thread = self.idle.pop() if self.idle else _Thread(self)
                thread.job = next_one
            self._running = thread
            if thread is me:
                return True
            thread.turn.release()
            return False
        self._over.release()
        return False

    def pool(self, max_workers: int, **_: Any) -> "Pool":
        """Stand in for `DaemonExecutor`."""
        return Pool(self, max_workers)

    def _at(self, seconds: float, who: Any) -> list[Any]:
        entry = [who]
        heapq.heappush(self._agenda, (self.seconds + max(0.0, seconds), next(self._order), entry))
        return entry

    def _wake(self, who: list[Any]) -> None:
        # The entry in the agenda, if there is one, is void from now on.
        if who[0] is not None:
            self._at(0.0, who[0])
            who[0] = None

    def _wait_for_turn(self) -> None:
        me = self._running
        assert me is not None, "only what the world started may wait"
        if not self.hand_on(me):
            me.turn.acquire()

    def _end(self) -> None:
        for thread in self.idle:
            thread.job = None
            thread.turn.release()


class Pool(Executor):
    """So many threads of a world; work that finds none free waits in line."""

    def __init__(self, world: World, threads: int) -> None:
        self._world, self._free = world, threads
        self._line: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._open: set[Future[Any]] = set()

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Have something done by the next thread that is free."""
        future: Future[Any] = Future()
        self._open.add(future)
        self._line.append((future, lambda: work(*arguments, **named)))
        self._next()
        return future

    def _next(self) -> None:
        if self._free and self._line:
            self._free -= 1
            self._world.start(0.0, self._work, *self._line.popleft())

    def _work(self, future: "Future[Any]", work: Callable[[], Any]) -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  whoever asks for the result gets it
            future.set_exception(error)
        self._open.discard(future)
        self._free += 1
        self._next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._world.wait(list(self._open))

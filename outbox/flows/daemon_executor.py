"""Threads that nobody has to wait for: one that hangs does not keep an invocation, or the process, from ending."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonExecutor(Executor):
    """So many daemon threads, started as work comes.

    `ThreadPoolExecutor` joins its threads when it is left and when the interpreter ends; this one joins none.
    """

    def __init__(self, threads: int) -> None:
        self._most, self._count = threads, 0
        self._idle = threading.Semaphore(0)
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, work: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:  # noqa: ANN401  as the work takes
        """Have something done by the next thread that is free. To be called from one thread."""
        future: Future[T] = Future()
        self._queue.put((future, lambda: work(*arguments, **named)))
        if not self._idle.acquire(blocking=False) and self._count < self._most:
            self._count += 1
            threading.Thread(target=self._run, name=f"mail-{self._count}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Let the threads end when the work is done; never wait for them, as `Executor` would by default."""
        for _ in range(self._count):
            self._queue.put(None)

    def _run(self) -> None:
        while (given := self._queue.get()) is not None:
            future, work = given
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001  whoever asks for the result gets it
                    future.set_exception(error)
            # Kept in a variable, the mail would stay in memory until the next one comes.
            del given, future, work
            self._idle.release()

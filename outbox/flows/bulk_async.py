"""Many mails into the outbox from an event loop, which is never blocked: waiting and writing is done in threads."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from typing import Self, TypeVar

from outbox.core.mail import Mail
from outbox.flows.bulk import Line, Written
from outbox.flows.bulk_write import Writer
from outbox.flows.enqueue import Draft

T = TypeVar("T")
Mails = Iterable[Mail | Draft] | AsyncIterable[Mail | Draft]


async def in_thread(call: Callable[[], T], leave: Callable[[], None] = lambda: None) -> T:
    """Run a call in a thread. Cancelled, it calls `leave` and waits for the end: no thread is left behind."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        leave()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise


class AsyncBulk(Line):
    """Many mails on their way: `async for` writes them and tells of each, in order; with the counts of `Bulk`.

    An asynchronous input is asked on the event loop, no faster than rows are written; another one in a thread.
    Whoever leaves the loop, or is cancelled, leaves no thread behind: what was taken by then is finished.
    """

    def __init__(self, mails: Mails, writer: Writer, threads: int) -> None:
        super().__init__(writer, threads)
        if isinstance(mails, AsyncIterable):
            self._groups = self._asked(aiter(mails))
        else:
            self._groups = self._threaded(self.groups(iter(mails)))
        self._ready: deque[Written] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Written:
        while not self._ready:
            self._ready.extend(await anext(self._groups))
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Take nothing more and wait for what is under way; does nothing after the end."""
        self.stopped = self.stopped or not self.ended
        await self._groups.aclose()

    async def _threaded(self, groups: Generator[list[Written]]) -> AsyncGenerator[list[Written]]:
        try:
            while (group := await in_thread(lambda: next(groups, None), self._leave)) is not None:
                yield group
        finally:
            await in_thread(groups.close)

    async def _asked(self, source: AsyncIterator[object]) -> AsyncGenerator[list[Written]]:
        failure = None
        try:
            while not self.over:
                try:
                    self.take(await anext(source))
                except StopAsyncIteration:
                    break
                except Exception as error:  # noqa: BLE001  the input's own: it is raised when all else was told
                    failure = error
                    break
                while self.told:
                    yield await in_thread(self.tell)
            self.flush()
            while not self.empty:
                yield await in_thread(self.tell)
        except BaseException:
            self._leave()
            raise
        finally:
            self.ended = True
            await in_thread(self.finish)
        if failure is not None:
            raise failure

    def _leave(self) -> None:
        self.stopped = True

"""Work that goes on while requests are answered, and ends when it is told to."""

import asyncio
from collections.abc import Coroutine
from typing import Any

Task = asyncio.Task[None]


class Background:
    """The tasks of one event loop; asyncio itself keeps only weak references to them."""

    def __init__(self) -> None:
        self._tasks: set[Task] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> Task:
        """Begin some work soon."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Stop all work, without waiting for it."""
        for task in tuple(self._tasks):
            task.cancel()

    async def stop(self) -> None:
        """Stop all work and wait until it has ended."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

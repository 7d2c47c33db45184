"""A copy of a table in memory, read in parallel segments."""

import copy
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from outbox.core.row import Item

T = TypeVar("T")


class MemorySource:
    """Reads rows of a mapping by id, such as `MemoryStore.outbox`."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], name: str = "outbox-copy") -> None:
        self.rows, self.name = rows, name
        self.stop = threading.Event()

    def check(self, *, to_be_changed: bool = False) -> int:  # noqa: ARG002  the port's form
        """Tell how many rows it has."""
        return len(self.rows)

    def pages(self, segment: int, segments: int, limit: int) -> Iterator[list[Item]]:
        """Read one of so many disjoint parts, in pages of at most `limit` rows."""
        rows = [row for key, row in list(self.rows.items()) if zlib.crc32(key.encode()) % segments == segment]
        for begin in range(0, len(rows), limit):
            if self.stop.is_set():
                return
            yield copy.deepcopy([dict(row) for row in rows[begin : begin + limit]])

    def steadily(self, call: Callable[[], T]) -> T:
        """Do it: memory is never too busy."""
        return call()

"""The outbox and the shared items in memory, for a million rows: each call takes time, and is counted.

What a write does is the memory store's own code. Cheaper than there are the indexes, kept up instead of made anew for
each question; and rows nobody has touched yet, which exist as their place in the index alone.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from typing import Any

from outbox.core import clock
from outbox.core.errors import Lost, TooLarge
from outbox.core.ports import NEVER, Due
from outbox.testing import MemoryChecks, MemoryRegister, MemoryStore
from outbox.testing import store as memory
from outbox.testing.size import LARGEST_ITEM, item_size
from tests.simulation.meter import HISTORY, OUTBOX, Meter, entries

# What a call of DynamoDB takes, in seconds.
CALL = 0.005
DONE: dict[str, Any] = {}


class Sizes:
    """Checks the size of each item that is written, as the store does, and remembers it: counting bytes takes long."""

    def __init__(self) -> None:
        self.last = 0

    def check(self, item: Mapping[str, Any]) -> None:
        """Refuse an item that no table would take."""
        self.last = item_size(item)
        if self.last > LARGEST_ITEM:
            raise TooLarge


class Waiting(dict[str, Any]):
    """Rows by id; those that nobody has written since the beginning are made when they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._untouched: dict[str, str] = {}
        self._base: Mapping[str, Any] = {}

    def begin(self, base: Mapping[str, Any], lanes: Mapping[str, str]) -> None:
        """Hold a row like this under each of these ids, in its lane."""
        self._base, self._untouched = base, dict(lanes)

    def get(self, key: str, default: Any = None) -> Any:
        """Give a row, a new one if need be."""
        if (lane := self._untouched.get(key)) is not None:
            return {**self._base, "id": key, "lane": lane}
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._untouched.pop(key, None)
        super().__setitem__(key, value)

    def pop(self, key: str, default: Any = None) -> Any:
        """Take a row out."""
        return self._untouched.pop(key, None) or super().pop(key, default)


class IndexedStore(MemoryStore):
    """A memory store whose `due` index is one; it forgets the stream, and of history all but the ids."""

    def __init__(
        self,
        pause: Callable[[float], None],
        meter: Meter,
        heard: Callable[[Any, Any], None],
        monkeypatch: Any,
    ) -> None:
        super().__init__()
        self.outbox: Waiting = Waiting()
        self._pause, self._meter, self._heard = pause, meter, heard
        self._lanes: dict[str, list[tuple[str, str]]] = {}
        self._written, self._sizes, self._untouched = Sizes(), dict[str, int](), 0
        monkeypatch.setattr(memory, "check_size", self._written.check)

    def begin(self, base: Mapping[str, Any], lanes: Mapping[str, str]) -> None:
        """Hold rows that have waited for long, without their time passing; all ids are of one length."""
        self.outbox.begin(base, lanes)
        self._untouched = item_size(self.outbox.get(next(iter(lanes))))
        for mail_id, lane in lanes.items():
            self._lanes.setdefault(lane, []).append((base["due_at"], mail_id))
        for each in self._lanes.values():
            each.sort()

    def add(self, item, *, once):
        super().add(item, once=once)
        self._sizes[item["id"]] = self._written.last
        self._meter.write("pending", self._written.last, entries(OUTBOX, None, item))

    def due(self, lane, until, limit):
        self._pause(CALL)
        found = self._lanes.get(lane, [])
        end = bisect_right(found, (clock.text(until), "\uffff"))
        return self._read("due", lane, found[: min(limit, end)])

    def never_due(self, lane, limit):
        self._pause(CALL)
        found = self._lanes.get(lane, [])
        return self._read("never due", lane, found[bisect_right(found, (NEVER, "\uffff")) :][:limit])

    def get(self, mail_id):
        self._pause(CALL)
        self._meter.read("row", self._size(mail_id))
        return super().get(mail_id)

    def update(self, mail_id, expect, patch):
        self._pause(CALL)
        before, size = self.outbox.get(mail_id), self._size(mail_id)
        try:
            after = super().update(mail_id, expect, patch)
        except Lost:
            self._meter.write("condition failed", size)
            raise
        self._sizes[mail_id] = self._written.last
        self._meter.write(after["status"].lower(), max(size, self._written.last), entries(OUTBOX, before, after))
        self._heard(before, after)
        return after

    def finish(self, mail_id, expect, finished, *, sole=False):
        self._pause(CALL)
        before, size = self.outbox.get(mail_id), self._size(mail_id)
        super().finish(mail_id, expect, finished, sole=sole)
        moved = {**entries(OUTBOX, before, None), **entries(HISTORY, None, finished)}
        self._meter.transact(finished["status"].lower(), [size, self._written.last], moved)
        self._sizes.pop(mail_id, None)
        # That it is there is all anybody asks for.
        self.history[mail_id] = DONE

    def _size(self, mail_id: str) -> int:
        return self._sizes.get(mail_id, self._untouched)

    def _read(self, what, lane, found):
        # An index entry is id, lane and due_at, with their names.
        size = sum(len(due_at) + len(mail_id) + len(lane) + 12 for due_at, mail_id in found)
        self._meter.read(what, size, consistent=False)
        return [Due(mail_id, lane, due_at) for due_at, mail_id in found]

    def _write(self, mail_id, item):
        before = self.outbox.get(mail_id)
        super()._write(mail_id, item)
        self.changes.clear()
        if before and "due_at" in before:
            lane, entry = self._lanes[before["lane"]], (before["due_at"], mail_id)
            del lane[bisect_left(lane, entry)]
        if item and "due_at" in item:
            insort(self._lanes.setdefault(item["lane"], []), (item["due_at"], mail_id))


class TimedRegister(MemoryRegister):
    """The shared items; those who book at the same time meet."""

    def __init__(self, pause: Callable[[float], None], meter: Meter) -> None:
        super().__init__()
        self._pause, self._meter = pause, meter

    def get(self, name):
        # The switch is read under a lock of its reader, where nobody may let time pass.
        if name != "switch":
            self._pause(CALL)
        self._meter.read(name.partition("-")[0])
        return super().get(name)

    def swap(self, name, seen, new):
        self._pause(CALL)
        won, there = super().swap(name, seen, new)
        self._meter.write(name.partition("-")[0] if won else f"{name} lost", 1)
        return won, there


class TimedChecks(MemoryChecks):
    """History, and an empty suppression list, that are asked in one call for each mail."""

    def __init__(self, store: MemoryStore, pause: Callable[[float], None], meter: Meter) -> None:
        super().__init__(store)
        self._pause, self._meter = pause, meter

    def look(self, mail_id, emails):
        self._pause(CALL)
        self._meter.read("history")
        for _ in emails:
            self._meter.read("suppressions")
        return (DONE if mail_id in self._store.history else None), {}

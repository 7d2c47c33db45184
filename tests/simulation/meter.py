"""What a simulated service uses of DynamoDB, in units by the developer guide's rules.

A started KB written is a unit, two in a transaction; an index entry costs one when it comes or goes, and two when its
key changes. A started 4 KB read is a unit, half of one where consistency is not asked for; what is not there costs as
much as the smallest item. A condition that fails costs what the write would have.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from outbox.core.row import Item

KB = 1024
# Of each index the attributes without which an item has no place in it.
Indexes = Mapping[str, tuple[str, ...]]
OUTBOX: Indexes = {"due": ("lane", "due_at"), "problems": ("problem", "problem_at")}
HISTORY: Indexes = {
    "by_delivery": ("delivery_id",),
    "by_recipient": ("recipient", "finished_at"),
    "by_day": ("day", "finished_at"),
}


class Meter:
    """Counts calls and units by what they are for; sizes are in bytes."""

    def __init__(self) -> None:
        self.calls, self.units, self.indexes = Counter[str](), Counter[str](), Counter[str]()

    def read(self, what: str, size: int = 0, *, consistent: bool = True) -> None:
        """Count a read by the size of what came back."""
        self._count(f"read {what}", max(1, -(-size // (4 * KB))) * (1.0 if consistent else 0.5))

    def write(self, what: str, largest: int, moved: Mapping[str, int] | None = None) -> None:
        """Count the write of an item, of which the larger of before and after counts, and its index entries."""
        self._count(f"write {what}", -(-largest // KB) + self._moved(moved or {}))

    def transact(self, what: str, sizes: list[int], moved: Mapping[str, int]) -> None:
        """Count a transaction over some items."""
        self._count(f"write {what}", 2 * sum(-(-size // KB) for size in sizes) + self._moved(moved))

    def told(self) -> dict[str, Any]:
        """Give calls and units by what they were for, writes and reads apart, and the entries of each index."""
        told = {
            f"{kind}{more}": {name.removeprefix(f"{kind} "): n for name, n in sorted(counted.items()) if kind in name}
            for kind in ("write", "read")
            for more, counted in (("s", self.calls), ("_units", self.units))
        }
        return {**told, "index_entries": dict(self.indexes)}

    def _moved(self, moved: Mapping[str, int]) -> int:
        for index, count in moved.items():
            self.indexes[index] += count
        return sum(moved.values())

    def _count(self, what: str, units: float) -> None:
        self.calls[what] += 1
        self.units[what] += units


def entries(indexes: Indexes, before: Item | None, after: Item | None) -> dict[str, int]:
    """Count the index entries that a write of an item makes and takes away."""
    counts = {index: _entries(keys, before or {}, after or {}) for index, keys in indexes.items()}
    return {index: count for index, count in counts.items() if count}


def _entries(keys: tuple[str, ...], before: Item, after: Item) -> int:
    was, now = [before.get(key) for key in keys], [after.get(key) for key in keys]
    return 0 if was == now else (None not in was) + (None not in now)

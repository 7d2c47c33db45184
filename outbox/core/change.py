"""One conditional write of one row: what must still be true, and what becomes true.

Nothing here takes a state without the `StateChange` that allows it: `Patch` for a row that is there, `CheckedRow` for
one that is written whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outbox.core.states import StateChange, Status, parse


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Expect:
    """The row as the writer saw it: attributes with exactly these values (or `ABSENT`); the row itself must exist."""

    equals: Mapping[str, Any] = field(default_factory=dict)
    statuses: frozenset[str] = frozenset()

    def holds(self, item: Mapping[str, Any] | None) -> bool:
        """Tell whether a row is as expected."""
        if item is None or (self.statuses and item.get("status") not in self.statuses):
            return False
        return all(_same(item.get(name, ABSENT), value) for name, value in self.equals.items())

    def guards(self, change: StateChange | None) -> None:
        """Make sure that a change of state is written only over the state it starts from.

        Raises `ValueError`, a bug of ours: every store asks this before it writes.
        """
        if change is None:
            return
        expected = self.equals.get("status", ABSENT)
        if "status" not in self.equals or state_of(expected) is not change.before:
            message = f"a change from {change.before} to {change.after} must expect the status it starts from"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Patch:
    """Attributes to set and attributes to drop. Raises `ValueError` for a status without its `StateChange`."""

    assign: Mapping[str, Any]
    drop: frozenset[str] = frozenset()
    change: StateChange | None = None

    def __post_init__(self) -> None:
        if self.assign.get("status", ABSENT) != (self.change.after if self.change else ABSENT):
            message = f"the status {self.assign.get('status', ABSENT)!r} needs a state change that leads to it"
            raise ValueError(message)
        if "status" in self.drop:
            message = "no row may lose its status"
            raise ValueError(message)

    def also(self, assign: Mapping[str, Any], drop: frozenset[str] = frozenset()) -> "Patch":
        """Give the same patch with more to set and to drop; what is set is not dropped."""
        return Patch({**self.assign, **assign}, (self.drop - assign.keys()) | drop, self.change)

    def without(self, *names: str) -> "Patch":
        """Give the same patch that leaves some attributes as they are."""
        assign = {name: value for name, value in self.assign.items() if name not in names}
        return Patch(assign, self.drop - set(names), self.change)

    def applied(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Give the row as it will be."""
        kept = {name: value for name, value in item.items() if name not in self.drop}
        return kept | dict(self.assign)

    def holds(self, item: Mapping[str, Any] | None) -> bool:
        """Tell whether a row is already as this patch makes it: then it was our own write whose answer was lost."""
        if item is None or any(name in item for name in self.drop):
            return False
        return all(_same(item.get(name, ABSENT), value) for name, value in self.assign.items())


class CheckedRow(dict[str, Any]):
    """A row to be written whole, in a state that the table allows. Raises `ValueError` for any other."""

    change: StateChange | None

    def __init__(self, attributes: Mapping[str, Any], change: StateChange | None) -> None:
        super().__init__(attributes)
        self.change = change
        if change is None or self.get("status") != change.after:
            message = f"the status {self.get('status')!r} needs a state change that leads to it"
            raise ValueError(message)

    @classmethod
    def as_it_was(cls, item: Mapping[str, Any]) -> "CheckedRow":
        """Take a row of history over from a copy of the table, as it was there: no state changes."""
        row = cls.__new__(cls, item)
        row.update(item)
        row.change = None
        return row

    def only(self, names: "set[str]") -> "CheckedRow":
        """Give the same row with only some of its attributes."""
        return CheckedRow({name: value for name, value in self.items() if name in names}, self.change)

    def also(self, attributes: Mapping[str, Any]) -> "CheckedRow":
        """Give the same row with more attributes."""
        return CheckedRow({**self, **attributes}, self.change)


def state_of(word: object) -> Status | None:
    """Read the status of a row of the outbox or of history."""
    return Status(word) if isinstance(word, str) and word in Status.__members__ else parse(word)


def _same(found: object, wanted: object) -> bool:
    # DynamoDB tells types apart where Python does not: True == 1, 1 == 1.0.
    return found is wanted or (found == wanted and isinstance(found, bool) == isinstance(wanted, bool))


def seen(item: Mapping[str, Any], *names: str) -> Expect:
    """Expect a row to hold in these attributes what it held when it was read."""
    return Expect({name: item.get(name, ABSENT) for name in names})

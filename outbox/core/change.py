"""One conditional write of one row: what must still be true, and what becomes true."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


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


@dataclass(frozen=True, slots=True)
class Patch:
    """Attributes to set and attributes to drop."""

    assign: Mapping[str, Any]
    drop: frozenset[str] = frozenset()

    def applied(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Give the row as it will be."""
        kept = {name: value for name, value in item.items() if name not in self.drop}
        return kept | dict(self.assign)

    def holds(self, item: Mapping[str, Any] | None) -> bool:
        """Tell whether a row is already as this patch makes it: then it was our own write whose answer was lost."""
        if item is None or any(name in item for name in self.drop):
            return False
        return all(_same(item.get(name, ABSENT), value) for name, value in self.assign.items())


def _same(found: object, wanted: object) -> bool:
    # DynamoDB tells types apart where Python does not: True == 1, 1 == 1.0.
    return found is wanted or (found == wanted and isinstance(found, bool) == isinstance(wanted, bool))


def seen(item: Mapping[str, Any], *names: str) -> Expect:
    """Expect a row to hold in these attributes what it held when it was read."""
    return Expect({name: item.get(name, ABSENT) for name in names})

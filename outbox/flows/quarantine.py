"""Silence a copied table in place: whatever in it could fire is HELD, so that a stack pointed at it sends nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outbox.core import places, transitions
from outbox.core.change import seen
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.errors import Lost, TooLarge
from outbox.core.message import Language
from outbox.core.ports import Clock, Store
from outbox.core.row import Item, Row
from outbox.core.states import PROBLEMS
from outbox.core.transitions import Stamp
from outbox.flows.restore import has_finished, held
from outbox.flows.segments import Fate, Told, in_doubt
from outbox.flows.support import check_who
from outbox.flows.write import write

TRIES = 5


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Holds the rows of a copy that could fire, in a person's name; `copy` is the store whose outbox it is."""

    copy: Store
    clock: Clock
    source: str
    who: str
    go: bool
    language: Language = "en"

    def __call__(self, items: Sequence[Item]) -> Callable[[Item], Told]:  # noqa: ARG002  every row says enough itself
        """Give what decides about each row of a page. Raises `InvalidRequest`."""
        check_who(self.who)
        return lambda item: Told(item, self._fate(item))

    def _fate(self, item: Item) -> Fate:
        if not could_fire(item):
            return Fate.QUIET
        return self._hold(item) if self.go else Fate.ARRIVES

    def _hold(self, item: Item) -> Fate:
        current: Item | None = item
        for _ in range(TRIES):
            if current is None or not could_fire(current):
                return Fate.QUIET
            row = Row(current)
            error = ErrorCode.QUARANTINED_IN_DOUBT if in_doubt(row) else ErrorCode.QUARANTINED
            stamp = Stamp(self.clock(), self.who, self.language)
            patch = held(row, error, self.source, stamp, EventCode.QUARANTINED)
            try:
                write(self.copy, row, seen(current, "revision", "status", "claim"), patch)
            except Lost as lost:
                current = lost.row
            except TooLarge:
                break
            else:
                return Fate.ARRIVES
        return Fate.NOT_WRITTEN


def could_fire(item: Item) -> bool:
    """Tell whether the service would ever touch a row by itself: its state rings or is none, or dispatch finds it."""
    if not places.is_mail(item["id"]) or has_finished(item):
        return False
    return Row(item).status not in PROBLEMS or item.keys() >= transitions.DUE_INDEX

"""What is told of a batch: how far it has come, and whether anybody is at it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from outbox.core import clock
from outbox.core.errors import OutboxError
from outbox.core.message import read_back, stored
from outbox.core.row import Item, whole

RUNNING, STOPPED, DONE = "running", "stopped", "done"
# So long does a run that was not heard of count as alive.
LEASE = timedelta(seconds=30)
TEXTS = ("state", "who", "at", "trouble", "stopped_by", "stopped_at", "continued_by", "continued_at")


def alive(item: Item, now: datetime) -> bool:
    """Tell whether somebody runs a batch just now, as far as its item says."""
    until = clock.parse(item.get("lease"))
    # A lease farther off than any lasts is a clock that jumped: nobody holds it.
    return bool(item.get("holder")) and until is not None and now < until <= now + 2 * LEASE


class BatchOver(OutboxError):
    """The batch is done; nothing is left to continue."""


class BatchBusy(OutboxError):
    """Somebody else runs the batch just now, or ran it moments ago and died."""


def reasons_stored(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Give how many rows were left alone for which reason, in the form in which a batch keeps it."""
    return [{"why": stored(why), "count": number} for why, number in counts.items()]


def reasons_of(item: Item) -> Counter[str]:
    """Read back what `reasons_stored` gave; each reason is a `Message`."""
    listed = item.get("skipped")
    parts = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
    counts: Counter[str] = Counter()
    for part in parts:
        why = part.get("why")
        message = read_back(why) if isinstance(why, Mapping) else None
        counts[message or str(why)] += whole(part.get("count"))
    return counts


@dataclass(frozen=True, slots=True)
class Report:
    """How far a batch has come: rows done, left alone (by reason), and failed to be written (left to be continued)."""

    id: str
    state: str
    who: str
    at: str
    where: Mapping[str, Any]
    action: Mapping[str, Any]
    expected: int
    more: bool
    done: int
    skipped: Mapping[str, int]
    failed: int
    trouble: str = ""
    alive: bool = False
    # The rows were named one by one; `where` says nothing of them but their state.
    by_ids: bool = False
    stopped_by: str = ""
    stopped_at: str = ""
    continued_by: str = ""
    continued_at: str = ""

    @classmethod
    def of(cls, batch: str, item: Item, now: datetime) -> "Report":
        """Read it from its item."""
        return cls(
            id=batch,
            where=item.get("where") or {},
            action=item.get("action") or {},
            expected=whole(item.get("expected")),
            more=bool(item.get("more")),
            done=whole(item.get("done")),
            skipped=reasons_of(item),
            failed=whole(item.get("failed")),
            alive=alive(item, now),
            by_ids=whole(item.get("pages")) > 0,
            **{name: str(item.get(name, "")) for name in TEXTS},
        )

    @property
    def met(self) -> int:
        """Rows that were met so far."""
        return self.done + sum(self.skipped.values()) + self.failed


Progress = Callable[[Report], None]

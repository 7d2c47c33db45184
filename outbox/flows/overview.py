"""How the service stands, from its indexes and its small shared items: bounded queries, never a scan."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outbox.core import clock, places
from outbox.core.ports import Due, Register, Store
from outbox.core.rate import Rate
from outbox.core.states import PROBLEMS
from outbox.flows import limiter
from outbox.flows.switch import State

# Counting more costs more than knowing it is worth.
CAP = 1000
PAGE = 100
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Count:
    """So many, or at least so many where counting was cut short."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        """Read as «7» or «1,000+»."""
        return f"{self.number:,}{'+' if self.more else ''}"

    def as_json(self) -> dict[str, Any]:
        """Give the same for a script."""
        return {"count": self.number, "more": self.more}


@dataclass(frozen=True, slots=True)
class Overview:
    """The switch, what waits for a person, what waits for its time, and the rate."""

    line: State
    problems: Mapping[str, Count]
    due_now: Count
    due_later: Count
    oldest_due: datetime | None
    next_slot: datetime | None
    rate: Rate | None

    def as_json(self) -> dict[str, Any]:
        """Give all of it for a script."""
        rate = {"per_minute": self.rate.per_minute, "burst": self.rate.burst} if self.rate else {}
        return {
            "line": switch_json(self.line),
            "problems": {state: count.as_json() for state, count in self.problems.items()},
            "due": {
                "now": self.due_now.as_json(),
                "later": self.due_later.as_json(),
                "oldest": clock.text(self.oldest_due) if self.oldest_due else None,
            },
            "rate": rate | {"next_slot": self.next_slot.isoformat() if self.next_slot else None},
        }


def switch_json(state: State) -> dict[str, Any]:
    """Give the switch for a script; `refused`: the mail API stopped it, and new credentials end that."""
    since = clock.text(state.at) if state.at else None
    refused = bool(state.account)
    return {"stopped": state.stopped, "reason": state.reason, "by": state.by, "since": since, "refused": refused}


def overview(store: Store, register: Register, rate: Rate | None, state: State, now: datetime) -> Overview:
    """Look at everything once."""
    problems = {str(status): _problems(store, status) for status in sorted(PROBLEMS)}
    due, known = _due(store, now), _due(store, NEVER)
    oldest = clock.parse(min((entry.due_at for entry in due), default=None))
    # More than the cap in one lane, and what lies behind it there was not seen.
    unseen = max(Counter(entry.lane for entry in known).values(), default=0) > CAP
    later = _capped(len(known) - len(due), unseen=unseen)
    return Overview(state, problems, _capped(len(due)), later, oldest, _next_slot(register), rate)


def _problems(store: Store, status: str) -> Count:
    number, cursor = 0, None
    while True:
        page = store.by_problem(status, PAGE, cursor)
        number, cursor = number + len(page.items), page.cursor
        if cursor is None or number >= CAP:
            return Count(number, cursor is not None)


def _due(store: Store, until: datetime) -> list[Due]:
    """List what is due by then; the index alone is read, no row and no body."""
    lanes = (*places.lanes(urgent=True), *places.lanes(urgent=False))
    return [entry for lane in lanes for entry in store.due(lane, until, CAP + 1)]


def _capped(number: int, *, unseen: bool = False) -> Count:
    return Count(min(max(0, number), CAP), number > CAP or unseen)


def _next_slot(register: Register) -> datetime | None:
    written = (register.get(limiter.NAME) or {}).get("next_slot")
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None

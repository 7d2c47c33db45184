"""How the service stands, from its indexes and its small shared items: bounded queries, never a scan."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from outbox.core import clock, places
from outbox.core.ports import Register, Store
from outbox.core.rate import Rate
from outbox.core.states import PROBLEMS, Status
from outbox.flows import limiter
from outbox.flows.activity import last_minute
from outbox.flows.switch import State

# Counting more costs more than knowing it is worth.
CAP = 1000
A_FEW = 5
READERS = 16
LANES = (*places.lanes(urgent=True), *places.lanes(urgent=False))


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
    """The switch, what waits for a person, what waits for its time, and the rate.

    `oldest_unsent`: since when a mail waits at the longest that should have gone, be it due or FAILED or UNKNOWN.
    `sent_last_minute`: what got to history in the last 60 seconds, sent or cancelled.
    """

    line: State
    problems: Mapping[str, Count]
    due_now: Count
    due_later: Count
    oldest_due: datetime | None
    next_slot: datetime | None
    rate: Rate | None
    oldest_unsent: datetime | None = None
    sent_last_minute: Count | None = None

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
            "oldest_unsent": clock.text(self.oldest_unsent) if self.oldest_unsent else None,
            "sent_last_minute": self.sent_last_minute.as_json() if self.sent_last_minute else None,
        }


def switch_json(state: State) -> dict[str, Any]:
    """Give the switch for a script; `refused`: the mail API stopped it, and new credentials end that."""
    since = clock.text(state.at) if state.at else None
    refused = bool(state.account)
    return {"stopped": state.stopped, "reason": state.reason, "by": state.by, "since": since, "refused": refused}


def overview(  # noqa: PLR0913  what all workers share is in many places
    store: Store, register: Register, rate: Rate | None, state: State, now: datetime, cap: int | None = None
) -> Overview:
    """Look at everything once, side by side; no row is read. `cap`: where counting ends, for who asks often.

    29 queries, 37 in the first minute of a day. They give at most 1,001 entries of each problem state and 5 of the
    oldest, 64 of each of 16 lanes, and of eight partitions of history what the last minute brought, of each up to one
    more than the rate.
    """
    cap = cap or CAP
    most = rate.per_minute + 1 if rate else cap
    with ThreadPoolExecutor(READERS) as pool:
        minute = pool.submit(last_minute, store, lambda: now, most)
        slot = pool.submit(_next_slot, register)
        oldest = pool.map(partial(_oldest_problem, store), (Status.FAILED, Status.UNKNOWN))
        problems = pool.map(partial(_problems, store, cap), sorted(PROBLEMS))
        lanes = _Lanes(list(pool.map(partial(_lane, store, _share(cap)), LANES)), clock.text(now), cap)
        due = lanes.oldest
        unsent = [moment for moment in (due, *oldest) if moment is not None]
        return Overview(
            state,
            dict(zip(map(str, sorted(PROBLEMS)), problems, strict=True)),
            lanes.due_now,
            lanes.due_later,
            due,
            slot.result(),
            rate,
            oldest_unsent=min(unsent, default=None),
            sent_last_minute=Count(minute.result(), minute.result() >= most),
        )


@dataclass(frozen=True, slots=True)
class _Lanes:
    """When the next of each lane are due, up to a number; a lane with so many may have more behind them."""

    times: Sequence[Sequence[str]]
    now: str
    cap: int

    @property
    def due_now(self) -> Count:
        """Count what is due; a lane of which all that was seen is due may have more."""
        due = sum(time <= self.now for lane in self.times for time in lane)
        full = [lane for lane in self.times if len(lane) >= _share(self.cap)]
        return _capped(due, self.cap, unseen=any(lane[-1] <= self.now for lane in full))

    @property
    def due_later(self) -> Count:
        """Count what is not due yet."""
        later = sum(time > self.now for lane in self.times for time in lane)
        return _capped(later, self.cap, unseen=any(len(lane) >= _share(self.cap) for lane in self.times))

    @property
    def oldest(self) -> datetime | None:
        """Give the moment since which something is due."""
        moments = (clock.parse(time) for lane in self.times for time in lane if time <= self.now)
        return min((moment for moment in moments if moment is not None), default=None)


def _problems(store: Store, cap: int, status: str) -> Count:
    return _capped(len(store.entries("problems", status, cap + 1)), cap)


def _oldest_problem(store: Store, status: str) -> datetime | None:
    """Give when the one that waits longest got there; a few are asked, should a hand have made the first no moment."""
    moments = (clock.parse(entry["problem_at"]) for entry in store.entries("problems", status, A_FEW))
    return next((moment for moment in moments if moment is not None), None)


def _lane(store: Store, most: int, lane: str) -> list[str]:
    return [str(entry["due_at"]) for entry in store.entries("due", lane, most)]


def _share(cap: int) -> int:
    """Give each lane its share of what is counted, and one more."""
    return -(-cap // len(LANES)) + 1


def _capped(number: int, cap: int, *, unseen: bool = False) -> Count:
    return Count(min(number, cap), number > cap or unseen)


def _next_slot(register: Register) -> datetime | None:
    written = (register.get(limiter.NAME) or {}).get("next_slot")
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None

"""The shared rate: one small item, on which every worker books the slots of its calls."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from outbox.core import rate
from outbox.core.ports import Clock, Register
from outbox.core.rate import Rate
from outbox.core.row import Item

log = structlog.get_logger()

NAME = "rate"
# Each failed try means that somebody else has booked meanwhile, so the line does move.
TRIES = 20
STEP = 0.005


@dataclass(frozen=True, slots=True)
class SharedLimiter:
    """Books slots on the item `rate` by compare and swap; safe for any number of workers."""

    register: Register
    clock: Clock
    rate: Rate
    pause: Callable[[float], None]

    def book(self, count: int, *, urgent: bool) -> Sequence[datetime]:
        """Take up to so many slots; give the moments of the calls, none when the line is full for now."""
        seen = self.register.get(NAME)
        for attempt in range(TRIES):
            booking = rate.book(self.rate, _next_slot(seen), self.clock(), count, urgent=urgent)
            if not booking.slots:
                return []
            new = {"next_slot": _text(booking.next_slot)}
            won, _ = self.register.swap(NAME, seen, new)
            if won:
                return booking.slots
            seen = self._after_a_pause(attempt)
        log.warning("rate.busy")
        return []

    def hold_back(self, seconds: float) -> None:
        """Let nobody call for so long: the API said so. What is no number of seconds is taken for a minute."""
        seconds = seconds if math.isfinite(seconds) and seconds >= 0 else 60.0
        seen = self.register.get(NAME)
        for attempt in range(TRIES):
            new = {"next_slot": _text(rate.push(_next_slot(seen), self.clock(), seconds))}
            won, _ = self.register.swap(NAME, seen, new)
            if won:
                return
            seen = self._after_a_pause(attempt)

    def _after_a_pause(self, attempt: int) -> Item | None:
        """Read the item again when the others have had their turn: what was seen before is no longer so."""
        self.pause(random.uniform(0, STEP * 2 ** min(attempt, 7)))  # noqa: S311  no secret
        return self.register.get(NAME)


def _text(moment: datetime) -> str:
    # To the microsecond: at a high rate, slots rounded to a millisecond would add up to a wrong rate.
    return moment.isoformat(timespec="microseconds")


def _next_slot(item: Item | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(item["next_slot"]) if item else None
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment is not None and moment.tzinfo is not None else None

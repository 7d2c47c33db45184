"""The rate of the mail API as a line of slots: the generic cell rate algorithm, pure.

`next_slot` is the moment up to which slots are taken. Whoever books takes the next ones and moves it on; after a pause
at most `burst` slots of the past may be used at once. Bulk mail may book only a short look-ahead, so the line is never
long and urgent mail, which may book further, overtakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LOOK_AHEAD = timedelta(seconds=2)
URGENT_LOOK_AHEAD = timedelta(seconds=10)
# What a hand on the item, or a clock that jumped, may put there: anything later than this is no plan of ours.
FARTHEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a minute that the API allows, and how many may come at once after a pause.

    In any 60 s there are at most `per_minute - burst` slots, those saved up in a pause included; one more `burst` is
    left free for calls that reach the API a little earlier or later than their slot.
    """

    per_minute: int
    burst: int

    @property
    def interval(self) -> timedelta:
        """The time from one slot to the next."""
        return timedelta(minutes=1) / max(1, self.per_minute - 2 * self.burst)


@dataclass(frozen=True, slots=True)
class Booking:
    """Slots taken: when each call may be made, and where the line of slots goes on."""

    slots: Sequence[datetime]
    next_slot: datetime


def book(rate: Rate, next_slot: datetime | None, now: datetime, count: int, *, urgent: bool) -> Booking:
    """Take up to so many slots, fewer when the line is long. A `next_slot` nobody could have planned counts as none."""
    ahead = URGENT_LOOK_AHEAD if urgent else LOOK_AHEAD
    first = max(sane(next_slot, now), now - rate.interval * rate.burst)
    fitting = (now + ahead - first) // rate.interval + 1
    taken = max(0, min(count, fitting))
    # Slots saved up in a pause lie in the past; they are for now.
    slots = [max(now, first + rate.interval * n) for n in range(taken)]
    return Booking(slots, first + rate.interval * taken)


def push(next_slot: datetime | None, now: datetime, seconds: float) -> datetime:
    """Give the moment from which slots go on after the API asked for a wait; an absurd wait is cut to an hour."""
    wait = min(FARTHEST, timedelta(seconds=max(0.0, min(seconds, FARTHEST.total_seconds()))))
    return max(sane(next_slot, now), now + wait)


def sane(next_slot: datetime | None, now: datetime) -> datetime:
    """Give what is planned, or now when there is no plan or none that makes sense."""
    return next_slot if next_slot is not None and next_slot <= now + FARTHEST + URGENT_LOOK_AHEAD else now

"""The line of slots: never more in any minute than allowed, used to the full, urgent mail first."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.core import rate
from outbox.core.rate import LOOK_AHEAD, URGENT_LOOK_AHEAD, Rate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

rates = st.integers(1, 5000).flatmap(lambda n: st.builds(Rate, st.just(n), st.integers(0, (n - 1) // 2)))
steps = st.lists(
    st.tuples(st.integers(0, 30_000), st.integers(0, 200), st.booleans()),  # milliseconds on, calls, urgent
    max_size=60,
)


@given(rates, steps)
def test_no_minute_ever_holds_more_slots_than_allowed(rate_, steps_):
    """Whatever is asked for and when, any 60 s hold at most the rate."""
    now, next_slot, slots = NOW, None, []
    for milliseconds, count, urgent in steps_:
        now += timedelta(milliseconds=milliseconds)
        booking = rate.book(rate_, next_slot, now, count, urgent=urgent)
        next_slot = booking.next_slot if booking.slots else next_slot
        slots += booking.slots
    slots.sort()
    for begin, slot in enumerate(slots):
        within = sum(1 for other in slots[begin:] if other < slot + MINUTE)
        assert within <= max(1, rate_.per_minute - rate_.burst) + 1


@given(rates, st.integers(0, 500), st.booleans())
def test_slots_are_in_order_and_not_farther_than_allowed(rate_, count, urgent):
    """Slots follow each other at the interval, the last one within the look-ahead."""
    booking = rate.book(rate_, NOW, NOW, count, urgent=urgent)
    ahead = URGENT_LOOK_AHEAD if urgent else LOOK_AHEAD
    assert len(booking.slots) <= count
    assert all(b - a == rate_.interval for a, b in pairwise(booking.slots) if a > NOW)
    assert booking.slots == sorted(booking.slots)
    assert all(slot <= NOW + ahead for slot in booking.slots)


def test_bulk_leaves_room_for_urgent_mail():
    """When bulk has booked all it may, urgent mail still gets the next slot, within seconds."""
    some = Rate(600, 0)
    bulk = rate.book(some, None, NOW, 1000, urgent=False)
    assert rate.book(some, bulk.next_slot, NOW, 1, urgent=False).slots == []
    (slot,) = rate.book(some, bulk.next_slot, NOW, 1, urgent=True).slots
    assert slot <= NOW + LOOK_AHEAD + timedelta(seconds=1)


def test_the_full_rate_is_used_when_there_is_work():
    """Booking again and again for ten minutes gives the rate, less what is left for calls out of time."""
    some, next_slot, taken = Rate(500, 5), None, 0
    for second in range(600):
        booking = rate.book(some, next_slot, NOW + timedelta(seconds=second), 100, urgent=False)
        next_slot, taken = booking.next_slot, taken + len(booking.slots)
    assert taken >= 0.97 * 5000


@pytest.mark.parametrize(
    "absurd", [NOW + timedelta(days=365), datetime(9999, 12, 31, tzinfo=UTC), NOW - timedelta(days=365)]
)
def test_a_line_nobody_could_have_planned_is_begun_anew(absurd):
    """A hand on the item, or a clock that jumped, does not stop the line for a year, nor open it wide."""
    booking = rate.book(Rate(60, 2), absurd, NOW, 100, urgent=False)
    assert 1 <= len(booking.slots) <= 6


@pytest.mark.parametrize(("asked", "waited"), [(10, 10), (0, 0), (-5, 0), (31_536_000, 3600)])
def test_a_wait_the_api_asks_for_moves_the_line_within_an_hour(asked, waited):
    """A year is cut to an hour."""
    assert rate.push(None, NOW, asked) == NOW + timedelta(seconds=waited)
    assert rate.push(NOW + timedelta(hours=1), NOW, asked) == NOW + timedelta(hours=1)

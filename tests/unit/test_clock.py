"""What is remembered gets old by the wall clock, whichever way that goes."""

from datetime import UTC, datetime, timedelta

import pytest

from outbox.core import clock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, True), (1.999, True), (2, False), (3600, False), (-0.001, False), (-86_400, False)],
)
def test_recent_is_less_than_a_span_ago_and_not_in_the_future(age, expected):
    """A moment in the future was noted before the clock was set back."""
    assert clock.recent(NOW - timedelta(seconds=age), NOW, timedelta(seconds=2)) is expected


def test_never_is_not_recent():
    """Nothing was remembered yet."""
    assert not clock.recent(None, NOW, timedelta(days=1))

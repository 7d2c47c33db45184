"""The rate benchmark in small: what it must never do is the same."""

import pytest

from tests.bench import rate
from tests.storm import figures

pytestmark = pytest.mark.stack


def test_four_senders_at_once_never_meet_a_429_and_waste_little():
    """Four processes on one limiter: no call over the limit, and most of it used even on a busy machine."""
    measured = rate.measure(seconds=13, per_minute=600, burst=4, minute=6)
    figures.note("rate_in_small", measured)
    assert measured["answers_429"] == 0
    assert measured["share_of_the_rate"] >= 0.7

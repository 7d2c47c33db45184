"""The benchmark of many mails in small: what it writes arrives, at a rate that is not another order."""

import pytest

from tests.bench import bulk
from tests.storm import figures

pytestmark = pytest.mark.stack


def test_many_mails_are_written_about_as_fast_as_bare_batches():
    """On a busy machine a short run says little: a quarter of the bare rate is asked, the goal is the full run's."""
    measured = bulk.measure(count=1000, runs=3)
    figures.note("bulk_in_small", measured)
    assert measured["ratio_of_the_quickest"] >= 0.25

"""How long a mail waits before it is tried again: exponential with full jitter, a pure function."""

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta

SHORTEST, LONGEST = 60.0, 3600.0


def wait_seconds(tries: int, asked: float | None = None, chance: Callable[[], float] = random.random) -> float:
    """Give seconds to wait after so many tries in a row: up to 1 min, 2, 4 … 1 h, any moment in it (full jitter).

    What the API asked for is kept as the least wait, within 0 s and 1 h: an absurd value (a year, less than
    nothing, not a number) must not strand a mail. The jitter comes on top of it, so that not all come back at once.
    """
    ceiling = min(LONGEST, SHORTEST * 2.0 ** max(0, min(tries - 1, 16)))
    if asked is None or not math.isfinite(asked) or asked < 0:
        return max(1.0, ceiling * chance())
    # A tenth at first, doubling: an API that says «at once» for ever is not asked for ever at once.
    return min(LONGEST, asked) + min(LONGEST, max(1.0, asked) * 0.1 * 2.0 ** max(0, min(tries - 1, 16))) * chance()


def soon(now: datetime, chance: Callable[[], float] = random.random) -> datetime:
    """Give the moment of the next try when our own tables do not answer: half a minute to a minute, however often."""
    return now + timedelta(seconds=SHORTEST * (1 + chance()) / 2)


def next_look(now: datetime, looks: int, until: datetime) -> datetime | None:
    """Give the moment of the next look at the API's records: 1 min, 2, 4 … apart, a last one at the end, then None."""
    if now >= until:
        return None
    return min(until, now + timedelta(seconds=min(LONGEST, SHORTEST * 2.0 ** min(looks, 16))))


def next_try(
    now: datetime, tries: int, asked: float | None = None, chance: Callable[[], float] = random.random
) -> datetime:
    """Give the moment of the next try."""
    return now + timedelta(seconds=wait_seconds(tries, asked, chance))

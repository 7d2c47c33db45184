"""Waiting in tests: for a condition and never for a time, with a bound that only a fault reaches."""

import time
from collections.abc import Callable
from typing import Any

# A machine that does other work at the same time is slow; that is no fault.
SECONDS = 120.0


def wait_for(
    condition: Callable[[], Any], seconds: float = SECONDS, *, pause: float = 0.05, told: Callable[[], str] = str
) -> Any:
    """Give what `condition` gives once it is true; fail with what `told` says when it never becomes true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"it did not happen within {seconds:g} s\n{told()}"
        time.sleep(pause)
    return found

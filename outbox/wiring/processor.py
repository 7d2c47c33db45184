"""One processor for the threads of one interpreter."""

import contextlib
import os
import sys


def one_processor() -> None:
    """Keep this thread, and those it starts, on one of the processors it may use; elsewhere than on Linux do nothing.

    Threads that share an interpreter take turns at it, and to pass the turn to another processor takes longer than to
    keep it (README, «How fast»).
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        # Several functions on one machine do not all choose the first.
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[os.getpid() % len(allowed)]})

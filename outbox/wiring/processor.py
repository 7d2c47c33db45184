"""One processor for the threads of one interpreter."""

import contextlib
import os
import sys


def one_processor() -> None:
    """Keep this thread, and those it starts, on one of the processors it may use; elsewhere than on Linux do nothing.

    Threads that share an interpreter take turns at it anyway. A turn that passes to another processor costs more than
    the turn: twenty threads with short waits then work half as fast (README, measured).
    """
    if sys.platform != "linux":
        return
    allowed = sorted(os.sched_getaffinity(0))
    with contextlib.suppress(OSError):
        # Several functions on one machine do not all choose the first.
        os.sched_setaffinity(0, {allowed[os.getpid() % len(allowed)]})

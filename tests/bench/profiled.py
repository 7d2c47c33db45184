"""What a profile shows: how the processor's time of some work is shared out among the parts of the code."""

import cProfile
import pstats
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

# Calls that wait, or hand over to the machine: not the processor's time of anybody's code.
WAITS = ("recv", "sleep", "acquire", "poll", "select", "connect")


def shares(work: Callable[[], object], parts: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Run work in this thread, and give the share of each part; a part is named by pieces of its files' paths.

    What is built in counts for the code that called it; what is in no part, under «our own code». The profiler makes
    calls dearer than they are, so the shares say where to look, and no time.
    """
    profile = cProfile.Profile()
    profile.runcall(work)
    taken: Counter[str] = Counter()
    stats: Any = pstats.Stats(profile)
    for (path, _, name), (_, _, own, _, callers) in stats.stats.items():
        if path != "~":
            taken[_part(path, parts)] += own
        elif not any(wait in name for wait in WAITS):
            for (caller, *_), (_, _, its, _) in callers.items():
                taken[_part(caller, parts)] += its
    return {part: round(seconds / taken.total(), 2) for part, seconds in taken.most_common()}


def _part(path: str, parts: Mapping[str, tuple[str, ...]]) -> str:
    return next((part for part, pieces in parts.items() if any(piece in path for piece in pieces)), "our own code")

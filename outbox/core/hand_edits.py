"""What a person changed on a row by hand: `left_as` remembers, in a digest an attribute, how the service left it.

Only rows that wait for a person carry it. The next write of the service compares, so a note, a tag or an attribute of
their own stands in the timeline without having caused anything.
"""

from collections.abc import Mapping
from typing import Any

from outbox.core.version import digest

LEFT_AS = "left_as"
# What the service writes itself, or needs to find a row; what a person does to it shows in other ways.
BOOKKEEPING = frozenset(
    {
        "attempts", "check_from", "check_until", "claim", "claimed_at", "deaths", "deferrals", "details", "doubt",
        "due_at", "error", "fingerprint", "lane", LEFT_AS, "left_out", "looks", "problem", "problem_at", "reason",
        "revision", "send_anyway", "status", "timeline",
    }
)  # fmt: skip
LENGTH, LONGEST_NAME, MOST_NAMES = 8, 50, 60


def left_as(item: Mapping[str, Any]) -> dict[str, str]:
    """Give a short digest of each attribute that a person may change, the id included: a copy has another."""
    names = sorted(item.keys() - BOOKKEEPING)[:MOST_NAMES]
    return {name[:LONGEST_NAME]: digest(item[name], LENGTH) for name in names}


def hand_edits(item: Mapping[str, Any]) -> list[str]:
    """Name the attributes that are not as the service left them; none where it did not note how that was."""
    before = item.get(LEFT_AS)
    if not isinstance(before, Mapping):
        return []
    now = left_as(item)
    return sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))


def is_copy(item: Mapping[str, Any]) -> bool:
    """Tell whether a row that waits for a person was not left under its id by the service: somebody inserted it."""
    before = item.get(LEFT_AS)
    return not isinstance(before, Mapping) or before.get("id") != digest(item.get("id"), LENGTH)

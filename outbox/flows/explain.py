"""Put a reason on a row that a person's slip has taken out of everybody's sight."""

from collections.abc import Mapping
from typing import Any

import structlog

from outbox.core import transitions
from outbox.core.change import Patch, seen
from outbox.core.doorbell import lost, saved_over
from outbox.core.errors import Lost, Problem
from outbox.core.ports import Clock, Store
from outbox.core.row import Row, whole
from outbox.core.states import IN_FLIGHT, PROBLEMS
from outbox.core.text import shorten
from outbox.flows.write import write

log = structlog.get_logger()

STATES = "PENDING, WAITING, FAILED, UNKNOWN and HELD are the states a person may set"


def explain(store: Store, clock: Clock, mail_id: str, before: Mapping[str, Any], who: str) -> bool:
    """Look at the row as it is now and, if nobody would find it, make it visible. True if something was written."""
    current = store.get(mail_id)
    if current is None:
        return False
    there = store.get_finished(mail_id) if saved_over(before, current) else None
    if there is not None:
        patch: Patch | None = transitions.sent_meanwhile(Row(current), there, clock(), who)
    else:
        patch = _patch(Row(current), before, clock, who)
    if patch is None or lost(patch.applied(current)):
        # What would be lost again, whatever we write, must not be written again and again.
        return False
    patch = _above(patch, before)
    expect = seen(current, "revision", "status", "lane", "due_at", "problem", "problem_at", "claim")
    try:
        write(store, Row(current), expect, patch)
    except Lost:
        return False
    log.info("row.explained", id=mail_id, status=patch.assign["status"])
    return True


def _above(patch: Patch, before: Mapping[str, Any]) -> Patch:
    """Raise the revision above what it was before a person typed a lower one: an old doorbell must not fit again."""
    revision = max(whole(patch.assign["revision"]), whole(before.get("revision")) + 1)
    return Patch({**patch.assign, "revision": revision}, patch.drop)


def _patch(row: Row, before: Mapping[str, Any], clock: Clock, who: str) -> Patch | None:
    if saved_over(before, row.item):
        return transitions.overwritten(row, before, clock(), who)
    missing = lost(row.item)
    if missing is None:
        return None
    if missing == "status":
        word = shorten(repr(row.item.get("status")), 40) if "status" in row.item else "nothing"
        return transitions.unreadable(row, Problem("status", f"is {word}, which is no state; {STATES}"), clock(), who)
    if row.status in PROBLEMS:
        return transitions.filed(row, clock(), who)
    if row.status in IN_FLIGHT:
        return transitions.overwritten(row, row.item, clock(), who)
    problem = Problem(missing, "is missing or no moment in time, so the mail would never go; send it again from here")
    return transitions.unreadable(row, problem, clock(), who)

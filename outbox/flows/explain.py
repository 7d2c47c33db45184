"""Repair a row that a person edited or inserted by hand so that nobody would find it, or so that it must not go."""

from collections.abc import Mapping
from typing import Any

import structlog

from outbox.core import clock, places, transitions
from outbox.core.change import Patch, seen
from outbox.core.codes import EventCode
from outbox.core.doorbell import lost, saved_over
from outbox.core.errors import Lost, Problem
from outbox.core.hand_edits import is_copy
from outbox.core.message import Message
from outbox.core.ports import Store
from outbox.core.row import Row, whole
from outbox.core.states import IN_FLIGHT, PROBLEMS
from outbox.core.text import shorten
from outbox.core.transitions import Stamp
from outbox.flows.write import write

log = structlog.get_logger()


def explain(store: Store, stamp: Stamp, mail_id: str, before: Mapping[str, Any] | None, revision: int = 0) -> bool:
    """Look at the row as it is now and, if nobody would find it, make it visible. True if something was written.

    `before`: the row before the change, empty for one that was inserted with that `revision`; None when nobody knows.
    """
    current = store.get(mail_id)
    if current is None:
        return False
    row = Row(current)
    if before == {} and row.revision > revision:
        # The service has written it since: an old event says nothing of the row as it is now.
        before = None
    there = store.get_finished(mail_id) if places.is_mail(mail_id) else None
    # A row that says so already is left as it is, or it would be written again and again.
    if there is not None and (before == {} or lost(current) or saved_over(before or {}, current)):
        patch: Patch | None = transitions.left_the_outbox(row, there, stamp)
    else:
        patch = _patch(row, before, stamp)
    if patch is None or lost(patch.applied(current)):
        # What would be lost again, whatever we write, must not be written again and again.
        return False
    patch = _above(patch, before or {})
    expect = seen(current, "revision", "status", "lane", "due_at", "problem", "problem_at", "claim")
    try:
        write(store, row, expect, patch)
    except Lost:
        return False
    log.info("row.explained", id=mail_id, status=patch.assign["status"])
    return True


def _above(patch: Patch, before: Mapping[str, Any]) -> Patch:
    """Raise the revision above what it was before a person typed a lower one: an old event must not fit again."""
    revision = max(whole(patch.assign["revision"]), whole(before.get("revision")) + 1)
    return patch.also({"revision": revision})


def _patch(row: Row, before: Mapping[str, Any] | None, stamp: Stamp) -> Patch | None:  # noqa: PLR0911  a case a slip
    if not places.is_mail(row.id):
        return transitions.reserved(row, stamp)
    if before is not None and saved_over(before, row.item):
        return transitions.overwritten(row, before, stamp)
    missing = lost(row.item)
    inserted_by_hand = row.status in IN_FLIGHT or (row.status in PROBLEMS and is_copy(row.item))
    if before == {} and inserted_by_hand:
        return transitions.inserted(row, stamp)
    if missing is None:
        return None
    if missing == "status":
        return transitions.unreadable(row, [_no_state(row)], stamp)
    if row.status in PROBLEMS:
        return transitions.filed(row, stamp)
    if row.status in IN_FLIGHT:
        return transitions.overwritten(row, row.item, stamp)
    return _waiting(row, stamp)


def _no_state(row: Row) -> Problem:
    word = row.item.get("status")
    if word in (None, ""):
        return Problem("status", Message("rule.state-empty"))
    return Problem("status", Message("rule.no-state", word=shorten(repr(word), 40)))


def _waiting(row: Row, stamp: Stamp) -> Patch:
    """Let a WAITING row wait for the time that stands on it, however a person typed it."""
    name = "due_at" if row.item.get("due_at") or not row.item.get("send_at") else "send_at"
    if at := clock.typed(row.item.get(name)):
        return transitions.scheduled(row, at, stamp, EventCode.STATE_SET_BY_HAND)
    return transitions.unreadable(row, [Problem(name, Message("rule.no-due-time"))], stamp)

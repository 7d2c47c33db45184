"""What a change of an outbox row asks for: a doorbell, never the mail itself (the row is the truth).

| the change                                                        | it asks to      |
|-------------------------------------------------------------------|-----------------|
| a row is PENDING now, written anew or changed                     | SEND            |
| a row was inserted without a status                               | SEND            |
| FAILED or UNKNOWN before and after, `revision` not raised, and a part of the mail changed | SEND (raw edit) |
| inserted by hand in a state that waits for a person, or in flight | EXPLAIN: a copied table mails nobody |
| was SENDING or CHECKING, `revision` not raised, another status    | EXPLAIN: an older version was saved over it |
| the status is no state, or not text                               | EXPLAIN         |
| in a state whose index attributes are missing or odd              | EXPLAIN: nobody would find it |
| an id that belongs to the service                                 | EXPLAIN: it is never sent |
| anything else: every write of the service, removals, history, a note or a tag on a row | nothing |

No write of the service looks like a raw edit, because each of them raises `revision`. So nothing loops, whatever the
stream filter lets through (promise 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from outbox.core import clock, places
from outbox.core.hand_edits import is_copy
from outbox.core.row import PARTS, whole
from outbox.core.states import EDITED_TO_SEND, IN_FLIGHT, PROBLEMS, TRIGGERS, Status, parse

# What a worker may know of a row before it has claimed it: nothing of the mail.
SEEN = ("id", "status", "revision", "urgent", "lane", "due_at", "send_at")
# What leaves with a mail: only a change of these asks to send it again.
MAIL_PARTS = tuple(name for name in (*PARTS, "body") if name not in ("tags", "on_unknown", "urgent"))


class Ask(Enum):
    """What should be done about a changed row."""

    SEND = "send"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True)
class Doorbell:
    """A change that asks for something: the row's key, and what was seen of it to find out whether it is stale."""

    id: str
    ask: Ask
    seen: Mapping[str, Any]
    before: Mapping[str, Any]


def listen(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Doorbell | None:
    """Tell what a change asks for; None for what needs nothing."""
    if after is None or not isinstance(after.get("id"), str):
        return None
    before = before or {}
    ask = _ask(before, after)
    seen = {name: after[name] for name in SEEN if name in after}
    return Doorbell(after["id"], ask, seen, before) if ask else None


def saved_over(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether a person saved an older version over a row that was being sent."""
    in_flight = parse(before.get("status")) in IN_FLIGHT and before.get("status") != after.get("status")
    return in_flight and whole(after.get("revision")) <= whole(before.get("revision"))


def lost(item: Mapping[str, Any]) -> str | None:
    """Name what is missing for somebody to find the row in its state, and to know why; None if all is well."""
    status = parse(item.get("status"))
    if status is None:
        return "status"
    if status in PROBLEMS:
        reason = item.get("reason")
        said = isinstance(reason, str) and reason != ""
        return None if item.get("problem") == status and item.get("problem_at") and said else "problem"
    if status is Status.PENDING:
        return None
    if clock.parse(item.get("due_at")) is None:
        return "due_at"
    return None if places.is_lane(item.get("lane")) else "lane"


def _ask(before: Mapping[str, Any], after: Mapping[str, Any]) -> Ask | None:
    status = parse(after.get("status"))
    if not places.is_mail(after["id"]):
        return None if status is Status.FAILED and not lost(after) else Ask.EXPLAIN
    if not before:
        return _ask_inserted(status, after)
    if status is None or saved_over(before, after):
        return Ask.EXPLAIN
    if status in TRIGGERS:
        return Ask.SEND
    raised = whole(after.get("revision")) > whole(before.get("revision"))
    if (
        status in EDITED_TO_SEND
        and parse(before.get("status")) is status
        and not raised
        and _mail_changed(before, after)
    ):
        return Ask.SEND
    return Ask.EXPLAIN if lost(after) else None


def _ask_inserted(status: Status | None, row: Mapping[str, Any]) -> Ask | None:
    """Tell what a new row asks for: the service writes new ones as PENDING or WAITING, and as HELD what it reopens."""
    if status in TRIGGERS or row.get("status") in (None, ""):
        return Ask.SEND
    by_hand = status in IN_FLIGHT or (status in PROBLEMS and is_copy(row))
    return Ask.EXPLAIN if by_hand or lost(row) else None


def _mail_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return any(before.get(name) != after.get(name) for name in MAIL_PARTS)

"""How a mail that was called back comes out of history again: pure functions, as in `moves`.

It comes back as HELD, so it never fires by itself. A doubt about it comes back with it: what was known when it was
cancelled stands in its timeline, and where that is gone, or does not tell, nobody knows whether it was sent.
"""

from datetime import datetime
from typing import Any

from outbox.core import moves
from outbox.core.change import Patch
from outbox.core.row import Event, Row
from outbox.core.states import Status

# What a row of history has and none of the outbox may have: indexes, the end of its time, what became of it.
HISTORY_ONLY = frozenset({"finished_at", "day", "recipient", "expires_at", "delivery_id", "confirmed_by"})
# What a late answer of the mail API leaves in the timeline of a mail that history already has.
SENT_AFTERWARDS = "sent a second time"
REOPENED = "reopened"
# Where the event of a cancel has what the row said of itself then.
SAID = (("status", "was"), ("error", "error"), ("reason", "reason"))
# So every sentence about such a mail says, whichever flow wrote it.
MAY_BE_SENT = moves.MAY_BE_SENT.removeprefix("It ")


def refusal(row: Row) -> str:
    """Give why a mail of history cannot be reopened; empty if it can."""
    if row.status is not Status.CANCELLED:
        return "only CANCELLED mails are"
    if "forgotten_at" in row.item:
        return "what it said was forgotten on request"
    if not row.has_texts:
        return "history does not keep what mails said"
    if row.item.get("resent_as"):
        return "it was sent again as another mail already; then there would be two"
    if sent := next((event for event in row.timeline if event.get("what") == SENT_AFTERWARDS), None):
        return f"it was sent after all, as delivery {sent.get('delivery_id', 'of unknown id')}"
    return ""


def reopened(row: Row, now: datetime, who: str) -> tuple[dict[str, Any], Patch]:
    """Give a cancelled mail without what only history has, and the patch that makes it HELD in the outbox."""
    word, sentence = REOPENED, f"Reopened by {who}."
    if was_in_doubt(row):
        word, sentence = "held-in-doubt", f"{moves.MAY_BE_SENT}. {sentence}"
    base = {name: value for name, value in row.item.items() if name not in HISTORY_ONLY}
    patch = moves.problem(row, Status.HELD, word, sentence, now, who, what=REOPENED)
    return base, Patch(patch.assign, patch.drop | moves.CHECK)


def was_in_doubt(row: Row) -> bool:
    """Tell whether a cancelled mail may have been sent before, as far as anybody knows."""
    event = _cancel(row)
    was = Row({name: event[key] for name, key in SAID if key in event})
    silent = not (was.error or was.reason or was.status is Status.PENDING)
    doubtful = was.status in {None, Status.UNKNOWN} or moves.in_doubt(was) or MAY_BE_SENT in was.reason.lower()
    return silent or doubtful or "delivery_id" in row.item


def _cancel(row: Row) -> Event:
    """Find the event that tells how the mail was cancelled; empty where a full row had no room for its timeline."""
    return next((event for event in reversed(row.timeline) if event.get("what") == "cancelled"), {})

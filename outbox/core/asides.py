"""What is written on a row that is put aside for a person, and why; pure functions, as in `moves`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from outbox.core import moves
from outbox.core.change import Patch
from outbox.core.errors import Problem
from outbox.core.row import Row, whole
from outbox.core.states import Status


def refused(row: Row, reason: str, now: datetime, who: str) -> Patch:
    """Put a mail the API refused aside for a person."""
    return moves.problem(
        row, Status.FAILED, "refused", f"The mail API refused it: {reason}", now, who, attempts=row.attempts + 1
    )


def overwritten(row: Row, before: Mapping[str, Any], now: datetime, who: str) -> Patch:
    """Put a mail aside over which somebody saved an older version while it was being sent."""
    sentence = (
        "It may have been sent: somebody saved an older version of this row while it was being sent. "
        "Look for it in the mail API before sending it again."
    )
    revision = max(row.revision, whole(before.get("revision"))) + 1
    patch = moves.problem(row, Status.UNKNOWN, "overwritten", sentence, now, who, revision=revision, by_hand=True)
    kept = {name: before[name] for name in moves.CLAIM if name in before}
    return Patch({**patch.assign, **kept}, patch.drop - kept.keys())


def sent_meanwhile(row: Row, finished: Mapping[str, Any], now: datetime, who: str) -> Patch:
    """Put a row aside whose mail was sent while somebody saved or resent it; nothing more goes out by itself."""
    sentence = (
        f"This mail was already sent, as delivery {finished.get('delivery_id', 'of unknown id')}, and history has it. "
        "Nothing more was sent. Cancel the row; a second mail is a new mail."
    )
    # Above every revision the send has used, so that this is not taken for one more older version saved by hand.
    revision = max(row.revision, whole(finished.get("revision"))) + 1
    return moves.problem(row, Status.HELD, "already-sent", sentence, now, who, revision=revision, by_hand=True)


def unreadable(row: Row, what: Problem, now: datetime, who: str) -> Patch:
    """Put a row aside of which no mail can be made; the reason names the field."""
    sentence = f"The row cannot be sent as it is: {what}."
    return moves.problem(row, Status.FAILED, "unreadable", sentence, now, who, by_hand=True)


def suppressed(row: Row, why: str, now: datetime, who: str) -> Patch:
    """Put a mail aside because its recipient bounced before; it was not sent."""
    sentence = f"Not sent: {why} Lift the address, or send this mail anyway."
    return moves.problem(row, Status.FAILED, "suppressed", sentence, now, who)


def file_lost(row: Row, what: str, now: datetime, who: str) -> Patch:
    """Put a mail aside of which a file is missing or changed; it was not sent."""
    return moves.problem(row, Status.FAILED, "file-lost", f"Not sent: {what}", now, who)


def filed(row: Row, now: datetime, who: str) -> Patch:
    """Bring a row whose state a person typed by hand to where people look for that state."""
    status = row.status or Status.FAILED
    reason = row.reason or "The state was set by hand."
    return moves.problem(row, status, row.error or "by-hand", reason, now, who, what="state set by hand", by_hand=True)

"""What is written on a row of which nobody can tell whether its mail was sent; pure functions, as in `moves`."""

from datetime import datetime, timedelta
from typing import Any

from outbox.core import backoff, clock, moves
from outbox.core.change import Patch
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import Status, check
from outbox.core.text import shorten


def doubtful(row: Row, why: str, now: datetime, who: str, window: timedelta) -> Patch:
    """Note that a mail may have been sent: CHECKING while there are records to look in, else what its policy says.

    The first look comes when the lease is over and two clocks can no longer disagree about it: until then a delivery
    with this content may belong to another worker's mail. `claim` stays, so that a late answer still finds the row.
    """
    if not window:
        return undecided(row, why, now, who, attempts=row.attempts + 1)
    check(row.status or Status.SENDING, Status.CHECKING)
    first = max(row.due_at or now, now) + moves.CLOCKS_APART
    sentence = shorten(
        f"It may have been sent: {why} It is being looked up in the mail API's records.", moves.LONGEST_REASON
    )
    assign = {
        "status": str(Status.CHECKING),
        "revision": row.revision + 1,
        "attempts": row.attempts + 1,
        "doubt": shorten(why, moves.LONGEST_REASON),
        "check_from": row.item.get("claimed_at", clock.text(now)),
        "check_until": clock.text(max(now + window, first)),
        "reason": sentence,
        "error": "unknown",
        **moves.due(row, first),
        "timeline": row.with_event(now, who, "in doubt", claimed_at=row.item.get("claimed_at"), reason=why),
    }
    return Patch(assign, moves.PROBLEM_INDEX | {"deferrals", "looks"})


def worker_died(row: Row) -> str:
    """Say what is known of a mail whose worker never came back."""
    return f"the worker that took it at {row.item.get('claimed_at', 'an unknown time')} did not come back."


def looked(row: Row, next_look: datetime, note: str, *, counts: bool = True) -> Patch:
    """Note a look that did not show the mail; it is looked for again."""
    check(row.status or Status.CHECKING, Status.CHECKING)
    sentence = f"It may have been sent: {row.item.get('doubt', '')} {note} Looked for again at {clock.text(next_look)}."
    looks = row.looks + counts
    assign: dict[str, Any] = {"status": str(Status.CHECKING), "revision": row.revision + 1, "looks": looks}
    assign |= moves.due(row, next_look)
    return Patch(assign | {"reason": shorten(sentence, moves.LONGEST_REASON)})


def undecided(row: Row, note: str, now: datetime, who: str, attempts: int | None = None) -> Patch:
    """Do as the mail's policy says when nobody can tell whether it was sent: hold it for a person, or send it again."""
    doubt = str(row.item.get("doubt", "")) if row.status is Status.CHECKING else ""
    told = " ".join(part for part in (doubt, note) if part)
    tried = row.attempts if attempts is None else attempts
    if row.item.get("on_unknown") != "resend":
        sentence = f"It may have been sent: {told} Look for it in the mail API before sending it again."
        patch = moves.problem(row, Status.UNKNOWN, "unknown", sentence, now, who, attempts=tried)
        return Patch(patch.assign, (patch.drop | moves.CHECK) - {"claim"})
    if tried >= moves.ATTEMPTS:
        sentence = f"Tried {tried} times without a clear answer, which is as often as it may: {told}"
        patch = moves.problem(row, Status.FAILED, "attempts-used-up", sentence, now, who, attempts=tried)
        return Patch(patch.assign, patch.drop | moves.CHECK)
    due_at = backoff.next_try(now, tried)
    sentence = f"It may have been sent: {told} It is sent again at {clock.text(due_at)}, as the mail's on_unknown says."
    patch = moves.wait(row, due_at, "resend", sentence, now, who, "to be sent again")
    assign = {name: value for name, value in patch.assign.items() if name != "deferrals"}
    # `claim` stays: an answer that comes after all still finds its row, as long as no other worker has claimed it.
    return Patch(assign | {"attempts": tried}, (patch.drop | moves.CHECK | {"deferrals"}) - {"claim"})


def found(row: Row, delivery_id: str, now: datetime, keep: Retention, who: str) -> dict[str, Any]:
    """Make the history row of a mail that the API's own records show."""
    timeline = row.with_event(now, who, "found in the mail API's records", delivery_id=delivery_id)
    done = {"status": str(Status.SENT), "delivery_id": delivery_id, "confirmed_by": "records"}
    reason = "Accepted by the mail API: found in its records."
    return moves.finished(row, now, keep) | done | {"timeline": timeline, "reason": reason}


def said_sent(row: Row, delivery_id: str, now: datetime, keep: Retention, who: str) -> dict[str, Any]:
    """Make the history row of a mail of which a person says that it was sent."""
    timeline = row.with_event(now, who, "confirmed as sent", delivery_id=delivery_id, reason=row.reason)
    done = {"status": str(Status.SENT), "confirmed_by": who, "timeline": timeline, "reason": f"Sent, says {who}."}
    return moves.finished(row, now, keep) | done | ({"delivery_id": delivery_id} if delivery_id else {})

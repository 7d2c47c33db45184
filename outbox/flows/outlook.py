"""What happens to a mail next, if nobody does anything: one sentence for each state, the same wherever it is shown."""

from collections.abc import Callable, Mapping

from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.states import Status

CODES: Mapping[Status | None, str] = {
    Status.PENDING: "next.pending",
    Status.WAITING: "next.waiting",
    Status.SENDING: "next.sending",
    Status.CHECKING: "next.checking",
    Status.FAILED: "next.failed",
    Status.UNKNOWN: "next.unknown",
    Status.HELD: "next.held",
    Status.SENT: "next.sent",
    Status.CANCELLED: "next.cancelled",
    None: "next.no-state",
}


def outlook(row: Row, moment: Callable[[object], str] = str) -> Message:
    """Say what happens to a mail next; `moment` writes the times in it for whoever reads it."""
    if row.status is not Status.CHECKING or "check_until" not in row.item:
        return Message(CODES[row.status])
    times = {"until": moment(row.item["check_until"]), "due_at": moment(row.item.get("due_at", ""))}
    resends = row.item.get("on_unknown") == "resend"
    return Message("next.checking-resend", **times) if resends else Message("next.checking-hold", **times)

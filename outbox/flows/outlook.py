"""What happens to a mail next, if nobody does anything: one sentence for each state, the same wherever it is shown."""

from collections.abc import Callable, Mapping

from outbox.core.row import Row
from outbox.core.states import Status

SENTENCES: Mapping[Status | None, str] = {
    Status.PENDING: "It goes within moments.",
    Status.WAITING: "It goes by itself when it is due.",
    Status.SENDING: "It is just being sent; nothing can be changed now.",
    Status.CHECKING: "It is being looked up in the mail API's records.",
    Status.FAILED: "It waits for a person; it never goes by itself.",
    Status.UNKNOWN: (
        "It may have been sent; it never goes by itself. Look in the mail API's records, then confirm that it was "
        "sent, or send it again."
    ),
    Status.HELD: "It is put aside; it never goes by itself.",
    Status.SENT: "The mail API took it. Nothing is left to do.",
    Status.CANCELLED: "It was called back and not sent.",
    None: "Its state is none the service knows; the service leaves it alone.",
}


def outlook(row: Row, moment: Callable[[object], str] = str) -> str:
    """Say what happens to a mail next; `moment` writes the times in it for whoever reads it."""
    said = SENTENCES[row.status]
    if row.status is not Status.CHECKING or "check_until" not in row.item:
        return said
    then = "sent again" if row.item.get("on_unknown") == "resend" else "UNKNOWN and waits for a person"
    looks = f"{said[:-1]} until {moment(row.item['check_until'])}; next at {moment(row.item.get('due_at', ''))}."
    return f"{looks} Found, it is SENT; not found by then, it is {then}."

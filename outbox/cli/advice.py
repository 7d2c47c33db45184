"""What a person can do about a mail, as commands to copy; the answer follows from its state."""

from collections.abc import Sequence

from outbox.cli.safe import local
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.flows.again import can_be_resent
from outbox.flows.find import SUPPRESSED

ANEW = ("resend", "make a new mail of it and send that; --to ADDRESS to somebody else")
ANYWAY = ("resend --anyway", "send it although its recipient is suppressed")
NOW, CHANGE, FIX, AGAIN, HOLD, RELEASE, CANCEL, LOOK = (
    ("resend", "send it now"),
    ("edit", "correct it: --to, --subject, --text …"),
    ("edit", "correct it, and with --send send it again"),
    ("resend", "send it again as it is"),
    ("hold", "put it aside until it is released"),
    ("release", "let it go"),
    ("cancel", "move it to history without sending it"),
    ("show", "look again in a moment"),
)
WORDS: dict[Status | None, tuple[str, Sequence[tuple[str, str]]]] = {
    Status.PENDING: ("It goes within moments.", [CHANGE, HOLD, CANCEL]),
    Status.WAITING: ("It goes by itself when it is due.", [NOW, CHANGE, HOLD, CANCEL]),
    Status.SENDING: ("It is just being sent; nothing can be changed now.", [LOOK]),
    Status.CHECKING: ("It is being looked up in the mail API's records.", [LOOK]),
    Status.FAILED: ("It waits for a person; it never goes by itself.", [FIX, AGAIN, HOLD, CANCEL]),
    Status.UNKNOWN: (
        "It may have been sent; it never goes by itself. Look in the mail API's records, then `confirm` or `resend`.",
        [
            ("confirm", "it was sent: close it as sent"),
            ("resend", "it was not sent: send it again"),
            ("cancel", "it is not wanted any more: close it as it is"),
            HOLD,
        ],
    ),
    Status.HELD: ("It is put aside; it never goes by itself.", [RELEASE, CHANGE, CANCEL]),
    Status.SENT: ("The mail API took it. Nothing is left to do.", [ANEW]),
    Status.CANCELLED: ("It was called back and not sent.", [ANEW]),
    None: ("Its state is none the service knows; the service leaves it alone.", [FIX, AGAIN, CANCEL]),
}


def outlook(row: Row) -> str:
    """Say what happens to a mail next, if nobody does anything."""
    said = WORDS[row.status][0]
    if row.status is not Status.CHECKING or "check_until" not in row.item:
        return said
    then = "sent again" if row.item.get("on_unknown") == "resend" else "UNKNOWN and waits for a person"
    looks = f"{said[:-1]} until {local(row.item['check_until'])}; next at {local(row.item.get('due_at', ''))}."
    return f"{looks} Found, it is SENT; not found by then, it is {then}."


def steps(row: Row) -> list[tuple[str, str]]:
    """List commands that can be given now, each with what it is for."""
    usual = [step for step in WORDS[row.status][1] if step is not ANEW or can_be_resent(row)]
    return [*usual, ANYWAY] if row.status is Status.FAILED and row.error == SUPPRESSED else usual

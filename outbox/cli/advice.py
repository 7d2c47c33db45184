"""What a person can do about a mail, as commands to copy; the answer follows from its state."""

from outbox.cli.safe import local
from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.states import IN_FLIGHT, Status
from outbox.flows.choices import Choice, choices
from outbox.flows.outlook import outlook as what_comes

Step = tuple[str, str]

LOOK = ("show", "look again in a moment")
STEPS: dict[Choice, Step] = {
    Choice.EDIT: ("edit", "correct it: --to, --subject, --text …"),
    Choice.RESEND: ("resend", "send it again as it is"),
    Choice.ANYWAY: ("resend --anyway", "send it although its recipient is suppressed"),
    Choice.HOLD: ("hold", "put it aside until it is released"),
    Choice.RELEASE: ("release", "let it go"),
    Choice.CANCEL: ("cancel", "move it to history without sending it"),
    Choice.CONFIRM: ("confirm", "it was sent: close it as sent"),
    Choice.REOPEN: ("reopen", "take that back: it is held in the outbox until it is released"),
    Choice.ANEW: ("resend", "make a new mail of it and send that; --to ADDRESS to somebody else"),
}
FIX = ("edit", "correct it, and with --send send it again")
# Where the same act means something else.
BY_STATE: dict[tuple[Status | None, Choice], Step] = {
    (Status.WAITING, Choice.RESEND): ("resend", "send it now"),
    (Status.FAILED, Choice.EDIT): FIX,
    (Status.UNKNOWN, Choice.RESEND): ("resend", "it was not sent: send it again"),
    (Status.UNKNOWN, Choice.CANCEL): ("cancel", "it is not wanted any more: close it as it is"),
    (None, Choice.EDIT): FIX,
}


def outlook(row: Row) -> Message:
    """Say what happens to a mail next, if nobody does anything."""
    return what_comes(row, local)


def steps(row: Row) -> list[Step]:
    """List commands that can be given now, each with what it is for."""
    if row.status in IN_FLIGHT:
        return [LOOK]
    return [BY_STATE.get((row.status, choice), STEPS[choice]) for choice in choices(row)]

"""What a person can do about a mail, by its state: the one place that knows; the CLI and the console give it words."""

from enum import StrEnum

from outbox.core import transitions
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.flows.again import can_be_resent
from outbox.flows.find import SUPPRESSED


class Choice(StrEnum):
    """One act on one mail, each a method of `Support`; ANEW is `Again`."""

    EDIT = "edit"
    RESEND = "resend"
    ANYWAY = "anyway"
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    REOPEN = "reopen"
    ANEW = "anew"


# What is of use first. Nothing can be done while a mail is being sent or looked up.
USUAL: dict[Status | None, tuple[Choice, ...]] = {
    Status.PENDING: (Choice.EDIT, Choice.HOLD, Choice.CANCEL),
    Status.WAITING: (Choice.RESEND, Choice.EDIT, Choice.HOLD, Choice.CANCEL),
    Status.SENDING: (),
    Status.CHECKING: (),
    Status.FAILED: (Choice.EDIT, Choice.RESEND, Choice.HOLD, Choice.CANCEL, Choice.ANYWAY),
    Status.UNKNOWN: (Choice.CONFIRM, Choice.RESEND, Choice.CANCEL, Choice.HOLD),
    Status.HELD: (Choice.RELEASE, Choice.EDIT, Choice.CANCEL),
    Status.SENT: (Choice.ANEW,),
    Status.CANCELLED: (Choice.REOPEN, Choice.ANEW),
    None: (Choice.EDIT, Choice.RESEND, Choice.CANCEL),
}


def choices(row: Row) -> tuple[Choice, ...]:
    """List what can be done about a mail now, the most useful first."""
    return tuple(choice for choice in USUAL[row.status] if _possible(row, choice))


def _possible(row: Row, choice: Choice) -> bool:
    if choice is Choice.ANYWAY:
        return row.error == SUPPRESSED
    if choice is Choice.REOPEN:
        return not transitions.why_not_reopened(row)
    return choice is not Choice.ANEW or can_be_resent(row)

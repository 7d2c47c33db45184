"""How a try to send a mail ends, and what each end writes: one closed type, one pure function.

The classes of `outbox.core.errors` are the decisions, so a step raises them and the path takes them as values. Before
the call nothing has left: those outcomes are FAILED or deferred. Only `OutcomeUnknown` puts a mail in doubt.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from outbox.core import transitions
from outbox.core.change import CheckedRow, Patch
from outbox.core.codes import ErrorCode
from outbox.core.errors import (
    AlreadySent,
    FileLost,
    NotEncodable,
    OutcomeUnknown,
    Rejected,
    RowBroken,
    Stop,
    Suppressed,
    TryLater,
)
from outbox.core.mail_api import Accepted
from outbox.core.message import message_of
from outbox.core.retention import Retention
from outbox.core.row import Row, same_mail
from outbox.core.states import Cause
from outbox.core.transitions import Stamp


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The call would come too late for its slot, or (`no_time`) for its worker; the mail is due at that moment."""

    due_at: datetime
    no_time: bool = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The row leaves the outbox without a trace: history has the very same mail already."""


# What may end a try before the first byte of the request is on the wire.
NotBegun = AlreadySent | RowBroken | NotEncodable | Suppressed | FileLost | GivenBack | TryLater | Stop
# What may end the call.
Called = Accepted | Rejected | TryLater | Stop | OutcomeUnknown
Outcome = NotBegun | Called
# What is written: a change of the row, its row in history, or nothing but its end.
Written = Patch | CheckedRow | Forgotten


@dataclass(frozen=True, slots=True)
class Terms:
    """What the service was told: how long history keeps a mail, how long one in doubt is looked for."""

    keep: Retention
    window: timedelta


def decide(row: Row, outcome: Outcome, stamp: Stamp, terms: Terms) -> Written:  # noqa: C901, PLR0911  a case an outcome
    """Give what is written on a claimed row for the outcome of its try. Pure."""
    match outcome:
        case Accepted():
            return transitions.sent(row, outcome.delivery_id, stamp, terms.keep)
        case OutcomeUnknown():
            # What was left out of the mail that may have gone must be told once it is found.
            left_out = {"left_out": row.item["left_out"]} if "left_out" in row.item else {}
            patch = transitions.in_doubt(row, message_of(outcome), stamp, terms.window)
            return patch.also(left_out) if left_out else patch.also({}, frozenset({"left_out"}))
        case TryLater() | Stop():
            return transitions.deferred(row, outcome, stamp)
        case GivenBack():
            return transitions.given_back(row, outcome.due_at, stamp)
        case Rejected():
            details = {"answer": message_of(outcome)}
            return transitions.dead_letter(row, ErrorCode.REFUSED, details, stamp, attempts=row.attempts + 1)
        case RowBroken():
            return transitions.unreadable(row, outcome.problems, stamp, Cause.DEAD_LETTER)
        case NotEncodable():
            return transitions.dead_letter(row, ErrorCode.NOT_ENCODABLE, {"kind": outcome.kind}, stamp)
        case Suppressed():
            return transitions.dead_letter(row, ErrorCode.SUPPRESSED, {"why": message_of(outcome)}, stamp)
        case FileLost():
            return transitions.dead_letter(row, ErrorCode.FILE_LOST, {"why": message_of(outcome)}, stamp)
        case AlreadySent():
            if _is_the_same(row, outcome):
                return Forgotten()
            return transitions.left_the_outbox(row, outcome.there, stamp)
        case _:
            assert_never(outcome)


def _is_the_same(row: Row, sent: AlreadySent) -> bool:
    """Tell whether history has this very mail: a late retry of its enqueue, an old tab, a restore."""
    there = sent.there
    try:
        if Row(there).has_texts:
            return same_mail(row.item, there)
        # History was told to keep no bodies; it knows the mail as it was enqueued.
        return row.mail().fingerprint == there.get("fingerprint")
    except RowBroken:
        return False

"""The states of a mail and the only changes between them: the one table that every write of a state passes.

A write of a state carries a `StateChange`, which cannot be made for a change that `TABLE` does not have; `Patch` and
`CheckedRow` (see `outbox.core.change`) take no state without one. The diagram in the README is `diagram()`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a mail is; the word on the row, in the code, the CLI and the docs."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    WAITING = "WAITING"
    CHECKING = "CHECKING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    HELD = "HELD"
    SENT = "SENT"
    CANCELLED = "CANCELLED"


# No state has a longer name; what is longer is not read.
LONGEST_WORD = 40
# No row yet, or one whose status is no state: a person inserted it without one, or mistyped it.
NONE = None
P, S, W, C, F, U, H = (
    Status.PENDING,
    Status.SENDING,
    Status.WAITING,
    Status.CHECKING,
    Status.FAILED,
    Status.UNKNOWN,
    Status.HELD,
)
SENT, CANCELLED = Status.SENT, Status.CANCELLED
UNSENT = frozenset({P, S, W, C, F, U, H})

TRIGGERS = frozenset({P})
# A person's raw edit of the mail in one of these asks to send it; any other write of a row in them is the service's.
EDITED_TO_SEND = frozenset({F, U})
DUE = frozenset({P, W})
# Dead-lettered: in the `problems` index until a person decides; the service never looks at them.
PROBLEMS = frozenset({F, U, H})
IN_FLIGHT = frozenset({S, C})
FINISHED = frozenset({SENT, CANCELLED})


class Cause(StrEnum):
    """Why a state changes; each has its row in `TABLE`."""

    ENQUEUE = "enqueue"
    ENQUEUE_LATER = "enqueue with send_at, or in bulk"
    POSTPONE = "over the rate, paused, no time left"
    CLAIM = "claim"
    CLAIM_EDITED = "edit by hand"
    ACCEPT = "accepted"
    ACCEPT_LATE = "its answer comes late"
    DEFER = "retry later"
    DEAD_LETTER = "rejected, unreadable, suppressed, file lost"
    DOUBT = "no clear answer, or the worker died"
    RECONCILE = "not seen in the provider's records yet"
    FOUND = "found in the provider's records"
    GIVE_UP = "not seen in the end"
    POLICY = "not seen in the end, on_unknown=resend"
    POISON = "its worker died twice"
    CONFIRM = "a person: it was sent"
    RESEND = "a person sends it"
    SCHEDULE = "a person schedules it"
    HOLD = "a person holds it"
    CANCEL = "a person cancels it"
    REOPEN = "a person reopens it"
    REPAIR = "repaired after an edit by hand"
    QUARANTINE = "restored or quarantined"


@dataclass(frozen=True, slots=True)
class Edge:
    """From which states a cause may lead to which."""

    before: frozenset[Status | None]
    after: frozenset[Status]


def _edge(before: set[Status | None], *after: Status) -> Edge:
    return Edge(frozenset(before), frozenset(after))


TABLE: Mapping[Cause, Edge] = {
    Cause.ENQUEUE: _edge({NONE}, P),
    Cause.ENQUEUE_LATER: _edge({NONE}, W),
    Cause.POSTPONE: _edge({NONE, P, F, U}, W),
    Cause.CLAIM: _edge({NONE, P, W}, S),
    Cause.CLAIM_EDITED: _edge({F, U}, S),
    Cause.ACCEPT: _edge({S}, SENT),
    Cause.ACCEPT_LATE: _edge({C, U, W}, SENT),
    Cause.DEFER: _edge({S}, W),
    Cause.DEAD_LETTER: _edge({S}, F),
    Cause.DOUBT: _edge({S}, C),
    Cause.RECONCILE: _edge({C}, C),
    Cause.FOUND: _edge({C}, SENT),
    Cause.GIVE_UP: _edge({S, C}, U, F),
    Cause.POLICY: _edge({S, C}, W),
    Cause.POISON: _edge({S, C}, U),
    Cause.CONFIRM: _edge({U}, SENT),
    Cause.RESEND: _edge({NONE, P, W, F, U, H}, P, W),
    Cause.SCHEDULE: _edge({NONE, P, W, F, U, H}, W),
    Cause.HOLD: _edge({NONE, P, W, F, U, H}, H),
    Cause.CANCEL: _edge({NONE, P, W, F, U, H}, CANCELLED),
    Cause.REOPEN: _edge({CANCELLED}, H),
    # A person may have typed SENT or CANCELLED on a row of the outbox, too.
    Cause.REPAIR: _edge({NONE, *UNSENT, *FINISHED}, F, U, H),
    Cause.QUARANTINE: _edge({NONE, *UNSENT, *FINISHED}, H),
}
# What may follow any state is told beside the diagram: drawn, it would cover everything else.
FROM_ANY = (Cause.REPAIR, Cause.QUARANTINE)


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of state that the table has. Raises `ValueError` for any other: a bug of ours, never a person's."""

    cause: Cause
    before: Status | None
    after: Status

    def __post_init__(self) -> None:
        edge = TABLE[self.cause]
        if self.before not in edge.before or self.after not in edge.after:
            message = f"no state change from {self.before} to {self.after} by {self.cause!r}"
            raise ValueError(message)


def parse(word: object) -> Status | None:
    """Read the status of an outbox row, however a person spelled it; None if it is no state a row can be in."""
    try:
        status = Status(word.strip().upper()) if isinstance(word, str) and len(word) <= LONGEST_WORD else None
    except ValueError:
        return None
    return None if status in FINISHED else status


def diagram() -> str:
    """Draw the table as a Mermaid state diagram: `[*]` is no row yet, SENT and CANCELLED live in history."""
    drawn: dict[tuple[str, str], list[str]] = {}
    for cause, edge in TABLE.items():
        if cause in FROM_ANY:
            continue
        for before in (None, *Status):
            for after in Status:
                # A row typed without a state goes the way of a new one; only that arrow is drawn.
                inserted = before is NONE and cause not in (Cause.ENQUEUE, Cause.ENQUEUE_LATER)
                if before in edge.before and after in edge.after and not inserted:
                    drawn.setdefault((str(before or "[*]"), str(after)), []).append(str(cause))
    arrows = [f"    {before} --> {after}: {'; '.join(causes)}" for (before, after), causes in drawn.items()]
    ends = [f"    {status} --> [*]" for status in Status if status in FINISHED]
    return "\n".join(["stateDiagram-v2", *arrows, *ends])

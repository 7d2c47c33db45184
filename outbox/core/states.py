"""The states of a mail and the only moves between them; every write of the service goes through `check`.

             enqueue                    enqueue with send_at
                |                              |
                v        over the rate         v
            PENDING ------------------------> WAITING <--- try later (429, no connection, line stopped)
                |                              |                             |
                |  claim                 claim | due_at has come             |
                +-----------> SENDING <--------+                             |
                                 |                                           |
     +-----------+---------------+-----------+-------------------------------+
     | accepted  | refused       | no clear answer, worker died
     v           v               v
   [SENT]      FAILED         UNKNOWN          (CHECKING: being looked up in the API's records, then
     ^           |               |              [SENT], UNKNOWN or, if the mail says so, PENDING)
     |           +------+--------+
     |                  |  a person sends again: PENDING, WAITING with a new time, or claimed at once after a raw edit
     +--- "it was sent" |
                        v
   hold: PENDING, WAITING, FAILED, UNKNOWN -> HELD -> release: PENDING, or WAITING if its time is still to come
   cancel: PENDING, WAITING, FAILED, UNKNOWN, HELD -> [CANCELLED] -> reopen: HELD

States in [brackets] live in the history table.
"""

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


P, S, W, C, F, U, H = (
    Status.PENDING,
    Status.SENDING,
    Status.WAITING,
    Status.CHECKING,
    Status.FAILED,
    Status.UNKNOWN,
    Status.HELD,
)

MOVES: dict[Status, frozenset[Status]] = {
    P: frozenset({P, S, W, F, H, Status.CANCELLED}),
    W: frozenset({P, S, W, F, H, Status.CANCELLED}),
    S: frozenset({W, F, U, C, H, Status.SENT}),
    C: frozenset({W, F, U, C, Status.SENT}),
    F: frozenset({P, S, W, F, H, Status.CANCELLED}),
    U: frozenset({P, S, W, F, H, U, Status.SENT, Status.CANCELLED}),
    H: frozenset({P, W, H, F, Status.CANCELLED}),
    Status.CANCELLED: frozenset({H}),
}

RINGING = frozenset({P})
# A raw edit of these by a person is a wish to send; any other write of a row in them is the service's.
EDITED_TO_SEND = frozenset({F, U})
DUE = frozenset({P, W})
# Waiting for a person: in the `problems` index, never looked at by the service.
PROBLEMS = frozenset({F, U, H})
IN_FLIGHT = frozenset({S, C})
FINISHED = frozenset({Status.SENT, Status.CANCELLED})


def check(before: Status, after: Status) -> None:
    """Refuse a move the diagram does not have. Raises ValueError: a bug of ours, never a person's."""
    if after not in MOVES.get(before, frozenset()):
        message = f"no move from {before} to {after}"
        raise ValueError(message)


def parse(word: object) -> Status | None:
    """Read the status of an outbox row; None if it is no state a row can be in."""
    try:
        status = Status(str(word)) if isinstance(word, str) else None
    except ValueError:
        return None
    return None if status in FINISHED else status

"""Which of many rows a person chose, by ticks or by a filter, in groups that one batch each can act on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from outbox.console import filters
from outbox.console.ask import Ask
from outbox.core import transitions
from outbox.core.codes import IN_DOUBT
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.states import DUE, IN_FLIGHT, PROBLEMS, Status
from outbox.flows.batch_row import FINISHED, GONE, IN_HAND, Action, Kind
from outbox.flows.listing import MOST
from outbox.flows.where import Where
from outbox.wiring.desk import Desk

# What can be done to many, and to rows in which state; what was put aside goes only when it is released.
ACTIONS: Mapping[Kind, frozenset[Status]] = {
    "resend": frozenset({Status.FAILED, Status.UNKNOWN}),
    "hold": frozenset({Status.FAILED, Status.UNKNOWN}),
    "release": frozenset({Status.HELD}),
    "cancel": PROBLEMS,
}
SENDING: tuple[Kind, ...] = ("resend", "release")
HELD_NOT_SENT, HELD_ALREADY = Message("skipped.held-instead"), Message("skipped.held-already")
NOT_HELD, ODD = Message("skipped.not-held"), Message("skipped.no-state")
LONGEST_NOTE = 300


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one state, for one batch. `doubt`: they may have been sent, and would be sent once more."""

    where: Where
    doubt: bool = False

    @property
    def name(self) -> str:
        """How fields of a form name it."""
        return f"{self.where.state}-doubt" if self.doubt else str(self.where.state)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to do, to which groups, and to which rows that wait for their time; `left`: by reason, what cannot be."""

    action: Action
    groups: tuple[Group, ...] = ()
    waiting: tuple[Row, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)


def read(ask: Ask, desk: Desk, seen_at: datetime) -> Chosen:
    """Read what was chosen, in a form or in the address bar; of a filter only what was there at that moment.

    Raises `InvalidRequest`.
    """
    action = _action(ask)
    if ask.one("all"):
        return Chosen(action, (_filtered(ask, action, seen_at),))
    ids = tuple(dict.fromkeys(ask.several("ids")))
    if not 1 <= len(ids) <= MOST:
        raise InvalidRequest(Message("batch.too-many-ticked", most=MOST) if ids else Message("batch.nothing-ticked"))
    return _ticked(desk, action, ids)


def _action(ask: Ask) -> Action:
    kind = next((kind for kind in ACTIONS if kind == ask.one("action")), None)
    if kind is None:
        raise InvalidRequest(Message("batch.action", written=repr(ask.one("action")), known=", ".join(ACTIONS)))
    return Action(kind, note=" ".join(ask.one("note").split())[:LONGEST_NOTE] if kind == "hold" else "")


def _filtered(ask: Ask, action: Action, seen_at: datetime) -> Group:
    """Make the group of all that match a filter; what comes later was not looked at by anybody."""
    asked = filters.read(ask)
    if asked.problems:
        raise InvalidRequest("; ".join(f"{name}: {problem}" for name, problem in asked.problems.items()))
    where = asked.filter.where
    if where is None:
        raise InvalidRequest(Message("batch.one-state"))
    if where.state not in ACTIONS[action.kind]:
        raise InvalidRequest(Message("batch.action-state", action=action.kind, status=where.state))
    where = replace(where, until=min(where.until, seen_at) if where.until else seen_at)
    doubt = where.state is Status.UNKNOWN or where.error in IN_DOUBT
    return Group(where, doubt and action.kind in SENDING)


def _ticked(desk: Desk, action: Action, ids: tuple[str, ...]) -> Chosen:
    rows = [Row(item) for item in desk.store.rows("outbox", ids)]
    left = Counter(_absent(desk, set(ids) - {row.id for row in rows}))
    waits = DUE if action.kind != "release" else frozenset()
    groups: dict[tuple[Status, bool], list[str]] = defaultdict(list)
    waiting = []
    for row in rows:
        if row.status in ACTIONS[action.kind]:
            doubt = row.status is Status.UNKNOWN or transitions.may_have_been_sent(row)
            groups[row.status, doubt and action.kind in SENDING].append(row.id)
        elif row.status in waits:
            waiting.append(row)
        else:
            left[_why_not(row, action)] += 1
    made = (Group(Where(state, ids=tuple(ids)), doubt) for (state, doubt), ids in sorted(groups.items()))
    return Chosen(action, tuple(made), tuple(waiting), left)


def _absent(desk: Desk, ids: Iterable[str]) -> dict[str, int]:
    missing = sorted(ids)
    _, history = desk.store.present(missing) if missing else (set(), set())
    counts = {FINISHED: len(history), GONE: len(missing) - len(history)}
    return {why: number for why, number in counts.items() if number}


def _why_not(row: Row, action: Action) -> Message:
    if row.status in IN_FLIGHT:
        return IN_HAND
    if row.status is Status.HELD:
        return HELD_ALREADY if action.kind == "hold" else HELD_NOT_SENT
    return NOT_HELD if row.status is not None and action.kind == "release" else ODD

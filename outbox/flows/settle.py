"""Write the outcome of a try: one conditional write, also when the row was changed meanwhile or has no room left."""

from collections.abc import Callable

import structlog

from outbox.core import transitions
from outbox.core.change import CheckedRow, Patch, seen
from outbox.core.codes import EventCode
from outbox.core.errors import Lost, OutcomeUnknown, TooLarge
from outbox.core.mail_api import Accepted
from outbox.core.outcomes import Forgotten, Outcome, Terms, Written, decide
from outbox.core.ports import Clock, Store
from outbox.core.row import Item, Row
from outbox.core.states import IN_FLIGHT, Cause, Status
from outbox.core.transitions import Stamp
from outbox.flows.write import finish, smaller_history, write

log = structlog.get_logger()

TRIES = 3


def settle(store: Store, row: Row, outcome: Outcome, clock: Clock, stamp: Stamp, terms: Terms) -> None:  # noqa: PLR0913
    """Write the outcome of a claimed row.

    Where somebody changed the row meanwhile, their change stands, but for what must not be lost: that a mail was sent
    goes to history all the same, and that it may have been keeps an older version, saved over it, from being sent.
    """
    written = decide(row, outcome, stamp, terms)
    try:
        _write(store, row, written)
    except Lost:
        log.warning("settle.lost", id=row.id, outcome=type(outcome).__name__)
        if isinstance(outcome, Accepted):
            _record_late(store, row, outcome, clock, stamp, terms)
        elif isinstance(outcome, OutcomeUnknown):
            _hold_older_version(store, row, stamp)


def _write(store: Store, row: Row, written: Written) -> None:
    match written:
        case Patch():
            write(store, row, transitions.claimed(row), written)
        case CheckedRow():
            finish(store, row.id, transitions.claimed(row), written)
        case Forgotten():
            log.warning("row.already_sent", id=row.id)
            store.drop(row.id, transitions.claimed(row))


def _hold_older_version(store: Store, row: Row, stamp: Stamp) -> None:
    def overwritten(current: Row) -> Patch | None:
        # A higher revision is the service's own or a person's decision through it; only a raw save goes back.
        saved_over = current.revision <= row.revision
        return transitions.overwritten(current, row.item, stamp) if saved_over else None

    _insist(store, row.id, overwritten)


def _record_late(store: Store, row: Row, accepted: Accepted, clock: Clock, stamp: Stamp, terms: Terms) -> None:  # noqa: PLR0913
    """Record that a mail was sent whose row is not in this worker's hands any more."""
    for _ in range(TRIES):
        current = store.get(row.id)
        if current is None or not _is_ours(current, row):
            break
        late = Row({**row.item, "status": current["status"]})
        finished = transitions.sent(late, accepted.delivery_id, stamp, terms.keep, Cause.ACCEPT_LATE)
        try:
            return finish(store, row.id, seen(current, "revision", "status", "claim"), finished)
        except Lost:
            continue
    finished = transitions.sent(row, accepted.delivery_id, stamp, terms.keep)
    insert_history(store, finished, clock, stamp.who)

    def held(current: Row) -> Patch | None:
        other_send = current.status in IN_FLIGHT
        return None if other_send else transitions.left_the_outbox(current, finished, stamp)

    _insist(store, row.id, held)
    return None


def _is_ours(current: Item, row: Row) -> bool:
    """Tell whether nobody has claimed the row since this claim (its lease ran out, or it was saved over)."""
    return current.get("claim") == row.item.get("claim") and current.get("status") in {
        Status.UNKNOWN,
        Status.CHECKING,
        Status.WAITING,
    }


def insert_history(store: Store, finished: CheckedRow, now: Clock, who: str) -> None:
    """Let history tell that it was sent; where it has another truth, beside that, unless a person takes it away."""
    for _ in range(TRIES):
        there = _inserted(store, finished)
        if there is None or there.get("delivery_id") == finished["delivery_id"] or _told(there, finished):
            return
        log.error("mail.sent_twice", id=finished["id"], delivery_id=finished["delivery_id"])
        timeline = Row(there).with_event(now(), who, EventCode.SENT_TWICE, delivery_id=finished["delivery_id"])
        patch = Patch({"revision": Row(there).revision + 1, "timeline": timeline})
        try:
            store.annotate(str(finished["id"]), patch, seen(there, "revision"))
        except Lost:
            # Reopened meanwhile, or noted on: the fact finds its place in the next round.
            continue
        return


def _told(there: Item, finished: Item) -> bool:
    """Tell whether history says so already: whoever noted it died before the next step."""
    told = [event.get("delivery_id") for event in Row(there).timeline if event.get("what") == EventCode.SENT_TWICE]
    return finished["delivery_id"] in told


def _inserted(store: Store, finished: CheckedRow) -> Item | None:
    *forms, last = smaller_history(finished)
    for form in forms:
        try:
            return store.keep(form)
        except TooLarge:
            continue
    return store.keep(last)


def _insist(store: Store, mail_id: str, patch_of: Callable[[Row], Patch | None]) -> None:
    """Write over whatever the row is now, as long as it exists and the patch wants it."""
    for _ in range(TRIES):
        current = store.get(mail_id)
        patch = patch_of(Row(current)) if current is not None else None
        if current is None or patch is None:
            return
        try:
            write(store, Row(current), seen(current, "revision", "status", "claim"), patch)
        except Lost:
            continue
        return

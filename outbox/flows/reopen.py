"""Take a cancel back: the mail leaves history and is HELD in the outbox, under the same id, until it is released."""

from collections.abc import Callable

from outbox.core import places, transitions
from outbox.core.change import CheckedRow, seen
from outbox.core.errors import ChangedMeanwhile, Lost, NotFound, TooLarge, WrongState
from outbox.core.message import Message
from outbox.core.ports import Store
from outbox.core.row import Event, Item, Row
from outbox.core.transitions import Stamp
from outbox.flows.write import forms

TRIES = 5
# What is noted on a mail of history, also by a hand that leaves its revision alone.
AS_SEEN = ("revision", "status", "timeline", "resent_as", "forgotten_at")


def reopen(store: Store, stamp: Callable[[], Stamp], mail_id: str) -> Row:
    """Move a CANCELLED mail back to the outbox as HELD, and give its row.

    Raises `NotFound`; `WrongState` for a mail that was sent, forgotten or resent, whose texts history does not keep,
    or whose id the outbox has; `ChangedMeanwhile`; `TooLarge` where a row has no room for it, and history keeps it.
    """
    for _ in range(TRIES):
        try:
            return Row(_moved(store, _cancelled(store, mail_id), stamp()))
        except Lost:
            continue
    raise ChangedMeanwhile(mail_id)


def _cancelled(store: Store, mail_id: str) -> Row:
    """Give the mail in history. Raises `NotFound`, `WrongState`."""
    # Where somebody else reopens it between the two reads, the second look sees it in the outbox.
    for _ in range(2 if places.is_mail(mail_id) else 0):
        if (unsent := store.get(mail_id)) is not None:
            raise WrongState(mail_id, _word(unsent), Message("cannot.reopened"), Message("why.in-outbox"))
        if (finished := store.get_finished(mail_id)) is not None:
            if why := transitions.why_not_reopened(Row(finished)):
                raise WrongState(mail_id, _word(finished), Message("cannot.reopened"), why)
            return Row(finished)
    raise NotFound(mail_id)


def _moved(store: Store, row: Row, stamp: Stamp) -> Item:
    """Write it in one step, with all the words there is room for. Raises `Lost`, `TooLarge`."""
    base, patch = transitions.reopened(row, stamp)
    event = patch.assign["timeline"][-1]
    *larger, least = forms(base, patch)
    for form in larger:
        try:
            return _written(store, row, form, event)
        except TooLarge:
            continue
    return _written(store, row, least, event)


def _written(store: Store, row: Row, item: CheckedRow, event: Event) -> Item:
    try:
        store.reopen(row.item, seen(row.item, *AS_SEEN), item)
    except TooLarge:
        raise
    except Exception:
        # It may be our own write, whose answer was lost; what came after it stands.
        now = _now(store, row.id)
        if now == item or Row(now).timeline.count(event) > row.timeline.count(event):
            return now
        raise
    return item


def _now(store: Store, mail_id: str) -> Item:
    """Read the mail wherever it is; empty where it cannot be read, for the error before says more."""
    try:
        return store.get(mail_id) or store.get_finished(mail_id) or {}
    except Exception:  # noqa: BLE001  whatever a store raises
        return {}


def _word(item: Item) -> str:
    return str(item.get("status", ""))

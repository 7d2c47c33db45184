"""Writing down how a step ended, also when the row has no room left or was changed meanwhile."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from outbox.core import transitions
from outbox.core.change import Patch, seen
from outbox.core.errors import Lost, RowBroken, TooLarge
from outbox.core.mail import BODY
from outbox.core.ports import Clock, Store
from outbox.core.row import Item, Row, same_mail
from outbox.core.states import IN_FLIGHT, Status
from outbox.core.transitions import SENT_AFTERWARDS
from outbox.flows.write import bare, finish, write

log = structlog.get_logger()

TRIES = 3


def write_if_mine(store: Store, row: Row, patch: Patch) -> bool:
    """Settle a claimed row; False when somebody changed it meanwhile, whose change then stands."""
    try:
        write(store, row, transitions.claimed(row), patch)
    except Lost:
        log.warning("settle.lost", id=row.id, status=patch.assign["status"])
        return False
    return True


def doubtful(store: Store, row: Row, why: str, now: Clock, who: str, window: timedelta) -> None:  # noqa: PLR0913
    """Note that a mail may have been sent, also over a row saved by hand meanwhile: it must not go again by itself."""
    patch = transitions.doubtful(row, why, now(), who, window)
    if "left_out" in row.item:
        patch = Patch({**patch.assign, "left_out": row.item["left_out"]}, patch.drop)
    else:
        patch = Patch(patch.assign, patch.drop | {"left_out"})
    if write_if_mine(store, row, patch):
        return

    def again(current: Row) -> Patch | None:
        # A higher revision is the service's own or a person's decision through it; only a raw save goes back.
        saved_over = current.revision <= row.revision
        return transitions.overwritten(current, row.item, now(), who) if saved_over else None

    _insist(store, row.id, again)


def sent(store: Store, row: Row, finished: Item, now: Clock, who: str) -> None:
    """Move a sent mail to history, whatever happened to its row meanwhile: that it was sent is a fact."""
    try:
        finish(store, row.id, transitions.claimed(row), finished)
    except Lost:
        log.warning("settle.lost", id=row.id, status="SENT")
        _sent_all_the_same(store, row, finished, now, who)


def echo(store: Store, row: Row, there: Item, now: Clock, who: str) -> None:
    """Settle a claimed row whose mail history already has as sent: a late retry of its enqueue, an old tab, a restore.

    The very same mail leaves the outbox without a trace; another content is put aside for a person to see.
    """
    log.warning("row.already_sent", id=row.id)
    if not _same_mail(row.item, there):
        write_if_mine(store, row, transitions.sent_meanwhile(row, there, now(), who))
        return
    with suppress(Lost):
        store.drop(row.id, transitions.claimed(row))


def _same_mail(item: Item, there: Item) -> bool:
    try:
        if there.keys() & {*BODY, "body"}:
            return same_mail(item, there)
        # History was told to keep no bodies; it knows the mail as it was enqueued.
        return Row(item).mail().fingerprint == there.get("fingerprint")
    except RowBroken:
        return False


def _sent_all_the_same(store: Store, row: Row, finished: Item, now: Clock, who: str) -> None:
    for _ in range(TRIES):
        current = store.get(row.id)
        if current is None or not _is_ours(current, row):
            break
        try:
            return finish(store, row.id, seen(current, "revision", "status", "claim"), finished)
        except Lost:
            continue
    keep(store, finished, now, who)

    def aside(current: Row) -> Patch | None:
        other_send = current.status in IN_FLIGHT
        return None if other_send else transitions.sent_meanwhile(current, finished, now(), who)

    _insist(store, row.id, aside)
    return None


def _is_ours(current: Item, row: Row) -> bool:
    """Tell whether nobody has claimed the row since this claim (its lease ran out, or it was saved over)."""
    return current.get("claim") == row.item.get("claim") and current.get("status") in {
        Status.UNKNOWN,
        Status.CHECKING,
        Status.WAITING,
    }


def keep(store: Store, finished: Item, now: Clock, who: str) -> None:
    """Let history tell that it was sent; where it has another truth, beside that, unless a person takes it away."""
    for _ in range(TRIES):
        there = _kept(store, finished)
        if there is None or there.get("delivery_id") == finished["delivery_id"] or _told(there, finished):
            return
        log.error("mail.sent_twice", id=finished["id"], delivery_id=finished["delivery_id"])
        timeline = Row(there).with_event(now(), who, SENT_AFTERWARDS, delivery_id=finished["delivery_id"])
        patch = Patch({"revision": Row(there).revision + 1, "timeline": timeline})
        # Reopened meanwhile, or noted on, the fact finds its place in the next round.
        with suppress(Lost):
            store.annotate(str(finished["id"]), patch, seen(there, "revision"))
            return


def _told(there: Item, finished: Item) -> bool:
    """Tell whether history says so already: whoever noted it died before the next step."""
    told = [event.get("delivery_id") for event in Row(there).timeline if event.get("what") == SENT_AFTERWARDS]
    return finished["delivery_id"] in told


def _kept(store: Store, finished: Item) -> Item | None:
    try:
        return store.keep(finished)
    except TooLarge:
        return store.keep(bare(finished))


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

"""Bring rows of a copy (a backup restored into a table of its own) back into the live tables; nothing is ever sent.

  row of the copy                        into the outbox                   into history
  in live history                        skipped: it was sent, or called back   skipped
  in the live outbox                     skipped: the live row stands      skipped: a conflict, told
  the service's own item                 skipped                           arrives; a mail's copies with the mail
  of the other table                     skipped, told                     skipped, told
  over (`expires_at`)                    -                                 skipped
  anything else, also what is no mail    arrives as HELD, with a note      arrives as it was

What arrives is HELD, so it fires only when a person releases it. Every write has the condition that neither table has
the id, so nothing is overwritten, and a second run skips what the first one brought.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from outbox.core import clock, places, transitions
from outbox.core.change import CheckedRow, Patch
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.errors import AlreadyThere, RowBroken, TooLarge
from outbox.core.mail import FIELDS
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Store
from outbox.core.row import Item, Row, same_mail
from outbox.core.states import FINISHED, Status, parse
from outbox.core.text import shorten, size
from outbox.core.transitions import Stamp
from outbox.flows.find import expired
from outbox.flows.segments import Fate, Told, in_doubt
from outbox.flows.support import check_who
from outbox.flows.write import CUT, forms

LONGEST_WORD = 40
HISTORY_KEYS = ("delivery_id", "recipient", "day", "finished_at")


@dataclass(frozen=True, slots=True)
class IntoOutbox:
    """Lets the rows of a copy arrive in the outbox as HELD, in a person's name; without `go` it only looks."""

    store: Store
    clock: Clock
    source: str
    who: str
    go: bool
    language: Language = "en"

    def __call__(self, items: Sequence[Item]) -> Callable[[Item], Told]:
        """Ask the live tables about a page; give what decides about each row. Raises `InvalidRequest`."""
        check_who(self.who)
        unsent, finished = self.store.present([item["id"] for item in items if _is_ours_to_hold(item)])
        return lambda item: Told(item, self._fate(item, unsent, finished))

    def _fate(self, item: Item, unsent: set[str], finished: set[str]) -> Fate:
        if not places.is_mail(item["id"]):
            return Fate.OURS
        if has_finished(item):
            return Fate.OTHER_TABLE
        if item["id"] in finished:
            return Fate.IN_HISTORY
        if item["id"] in unsent:
            return _compared(item, self.store.get(item["id"]))
        return self._add(item) if self.go else Fate.ARRIVES

    def _add(self, item: Item) -> Fate:
        for form in _forms(item, self._held(Row(item))):
            try:
                self.store.add(form, once=True)
            except TooLarge:
                continue
            except AlreadyThere as there:
                return _compared(item, there.row)
            return Fate.ARRIVES
        return Fate.NOT_WRITTEN

    def _held(self, row: Row) -> Patch:
        # What a person had held is not to go with the rest either.
        by_hand = ErrorCode.RESTORED_HELD if row.status is Status.HELD else ErrorCode.RESTORED
        error = ErrorCode.RESTORED_IN_DOUBT if in_doubt(row) else by_hand
        return held(row, error, self.source, Stamp(self.clock(), self.who, self.language), EventCode.RESTORED)


@dataclass(frozen=True, slots=True)
class IntoHistory:
    """Lets the finished rows of a copy arrive in history as they were; without `go` it only looks."""

    store: Store
    clock: Clock
    go: bool

    def __call__(self, items: Sequence[Item]) -> Callable[[Item], Told]:
        """Ask the live tables about a page; give what decides about each row."""
        unsent, finished = self.store.present([item["id"] for item in items])
        return lambda item: Told(item, self._fate(item, unsent, finished))

    def _fate(self, item: Item, unsent: set[str], finished: set[str]) -> Fate:
        item_id = item["id"]
        # A mail brings its copies' items with it; alone they would undo what `forget` took away.
        if item_id.startswith(places.COPY):
            return Fate.OURS
        if places.is_mail(item_id) and not (has_finished(item) or Row(item).status in FINISHED):
            return Fate.OTHER_TABLE
        if item_id in finished:
            return Fate.IN_HISTORY
        if item_id in unsent:
            return Fate.IN_OUTBOX
        if expired(item, self.clock()):
            return Fate.EXPIRED
        return self._keep(item) if self.go else Fate.ARRIVES

    def _keep(self, item: Item) -> Fate:
        # The look at the page may be a while ago.
        if self.store.get(item["id"]) is not None:
            return Fate.IN_OUTBOX
        try:
            there = self.store.keep(_indexable(item))
        except TooLarge:
            return Fate.NOT_WRITTEN
        return Fate.ARRIVES if there is None else Fate.IN_HISTORY


def held(row: Row, error: ErrorCode, source: str, stamp: Stamp, what: EventCode) -> Patch:
    """Hold a row of a copy, whatever its state, with a word on where it comes from."""
    status = row.item.get("status")
    word = shorten(str(status), LONGEST_WORD) if status else Message("status.none")
    details = {"source": source, "date": clock.text(stamp.now)[:10], "who": stamp.who, "status": word}
    return transitions.restored(row, error, details, stamp, what)


def _forms(item: Item, patch: Patch) -> Iterator[CheckedRow]:
    """Give ever smaller forms of a row, all HELD and found by their error; the last with a torn text."""
    all_held = forms(item, patch)
    yield from all_held
    texts = {
        name: value for name, value in item.items() if isinstance(value, str) and name not in {*patch.assign, "id"}
    }
    if texts:
        largest = max(texts, key=lambda name: size(texts[name]))
        yield all_held[-1].also({largest: texts[largest][:-CUT]})


def _compared(item: Item, live: Item | None) -> Fate:
    """Tell what is there in place of a row of the copy; a row that left the outbox meanwhile is in history."""
    if live is None:
        return Fate.IN_HISTORY
    try:
        same = same_mail(item, live)
    except RowBroken:
        same = all(item.get(name) == live.get(name) for name in FIELDS)
    return Fate.SAME if same else Fate.CHANGED


def _is_ours_to_hold(item: Item) -> bool:
    return places.is_mail(item["id"]) and not has_finished(item)


def has_finished(item: Item) -> bool:
    """Tell a row of history from one of the outbox, which never has a `finished_at`, whatever a person typed."""
    return "finished_at" in item and parse(item.get("status")) is None


def _indexable(item: Item) -> CheckedRow:
    """Leave out what no index of history would take: the copy may have had no indexes to refuse it."""
    kept = {
        name: value
        for name, value in item.items()
        if name not in HISTORY_KEYS or (isinstance(value, str) and value != "")
    }
    return CheckedRow.as_it_was(kept)

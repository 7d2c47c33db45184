"""Inspect both tables, page by page: rows nobody would ever find, and items that would never expire.

This is the one scan of the service, made only when a person asks for it. It changes nothing unless told to, and then
only what is certain: when an item expires, and that a lost row is seen.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from outbox.core import clock, places
from outbox.core.change import Patch, seen
from outbox.core.doorbell import lost
from outbox.core.errors import Lost
from outbox.core.message import Language, Message
from outbox.core.ports import Clock, Files, Store
from outbox.core.retention import Retention
from outbox.core.row import Item, Row
from outbox.core.states import Status
from outbox.core.text import shorten
from outbox.core.transitions import Stamp
from outbox.flows.explain import explain
from outbox.flows.find import expired

PAGE = 100
OUTBOX, HISTORY = "outbox", "history"
# Dispatch looks at a PENDING row four minutes after its doorbell; so late, it certainly does not.
LATE = timedelta(minutes=10)
# Seconds since 1970 reach this in the year 5138: it is milliseconds, as JavaScript counts.
MILLISECONDS = 10**11
LONGEST_KEPT = timedelta(days=36500)
# DynamoDB deletes nothing whose time was over so long ago: it takes it for a mistake.
TOO_LONG_AGO = timedelta(days=5 * 365)

MADE_VISIBLE = Message("doctor.made-visible")

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with an item; `repaired` says what was done about it, empty if nothing was."""

    table: str
    id: str
    kind: str
    sentence: str
    repaired: str = ""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks at every row; `keep` says when a row of history without an end should have one.

    With `files`, a repair lets the files of every mail stay: what the function `keep` should have done, should it ever
    have been out of order for a day.
    """

    store: Store
    clock: Clock
    keep: Retention
    files: Files | None = None
    language: Language = "en"

    def __call__(
        self, who: str = "doctor", *, repair: bool = False, pages: int | None = None, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """Give what is wrong, as it is found; with `repair` mend what is certain.

        `pages`: at most so many of 100 rows of each table. `progress` is told the table and how many rows were seen.
        """
        for table, look in ((OUTBOX, self._unsent), (HISTORY, self._finished)):
            for item in self._rows(table, pages, progress or (lambda _table, _rows: None)):
                yield from look(item, who, repair)
                if repair and self.files:
                    yield from self._files_stay(table, Row(item), self.files)

    def _rows(self, table: str, pages: int | None, progress: Progress) -> Iterator[Item]:
        cursor, page_number, rows = None, 0, 0
        while pages is None or page_number < pages:
            page = self.store.every(table, PAGE, cursor)
            yield from page.items
            cursor, page_number, rows = page.cursor, page_number + 1, rows + len(page.items)
            progress(table, rows)
            if cursor is None:
                return

    def _files_stay(self, table: str, row: Row, files: Files) -> Iterator[Finding]:
        try:
            for key in row.own_files:
                files.keep(key)
        except Exception as error:  # noqa: BLE001  one mail's files must not end the inspection
            sentence = Message("doctor.files", kind=type(error).__name__)
            yield Finding(table, row.id, "files", sentence)

    def _unsent(self, item: Item, who: str, repair: bool) -> Iterator[Finding]:  # noqa: FBT001  one of two looks
        row, mail_id = Row(item), str(item["id"])
        if missing := lost(item):
            done = repair and explain(self.store, Stamp(self.clock(), who, self.language), mail_id, None)
            sentence = Message("doctor.lost", missing=missing)
            yield Finding(OUTBOX, mail_id, "lost", sentence, MADE_VISIBLE if done else "")
        elif row.status is Status.PENDING and (why := self._unheard(row)):
            yield Finding(OUTBOX, mail_id, "unheard", why)
        yield from _odd_attachments(OUTBOX, item)

    def _unheard(self, row: Row) -> Message | None:
        """Say why a PENDING row will not go by itself; None while its stream event may still come."""
        now = self.clock()
        if row.due_at is None or not places.is_lane(row.item.get("lane")):
            young = row.created_at is not None and now - row.created_at < LATE
            return None if young else Message("doctor.no-due-time")
        late = now - row.due_at
        return Message("doctor.overdue", due_at=clock.text(row.due_at)) if late > LATE else None

    def _finished(self, item: Item, _who: str, repair: bool) -> Iterator[Finding]:  # noqa: FBT001  as above
        item_id = str(item["id"])
        if item_id.startswith(places.COPY) and self._is_orphan(item):
            done = self._erased(item_id) if repair else ""
            yield Finding(HISTORY, item_id, "orphan", Message("doctor.orphan"), done)
            return
        if wrong := self._never_expires(item):
            sentence = Message("doctor.never-expires", wrong=wrong)
            yield Finding(HISTORY, item_id, "never expires", sentence, self._mended(item) if repair else "")
        yield from _odd_attachments(HISTORY, item)

    def _is_orphan(self, item: Item) -> bool:
        # Of a mail and its copies that are over, the table deletes one before the other.
        over = expired(item, self.clock())
        return not over and self.store.get_finished(places.owner(str(item["id"]))) is None

    def _never_expires(self, item: Item) -> Message | None:
        value, now = item.get("expires_at"), self.clock()
        if value is None:
            return Message("expires.missing")
        if isinstance(value, bool) or not isinstance(value, int):
            return Message("expires.no-number", value=shorten(repr(value), 40))
        if value >= MILLISECONDS:
            return Message("expires.milliseconds", value=value)
        if value > (now + LONGEST_KEPT).timestamp():
            return Message("expires.far", value=value)
        long_ago = value < (now - TOO_LONG_AGO).timestamp()
        return Message("expires.long-ago", value=value) if long_ago else None

    def _mended(self, item: Item) -> str:
        moment = self._end(item)
        patch = Patch({"expires_at": math.ceil(moment.timestamp())})
        try:
            self.store.annotate(str(item["id"]), patch, seen(item, "expires_at", "finished_at"))
        except Lost:
            return ""
        return Message("doctor.expires", at=clock.text(moment))

    def _end(self, item: Item) -> datetime:
        """Say when it should be deleted: as it meant to say, else as any row; what is long over, now."""
        now, meant = self.clock(), _meant(item.get("expires_at"))
        if meant is None or not now - TOO_LONG_AGO < meant <= now + LONGEST_KEPT:
            meant = (Row(item).finished_at or now) + timedelta(days=self.keep.days)
        return max(meant, now)

    def _erased(self, item_id: str) -> str:
        self.store.erase(item_id)
        return Message("doctor.erased")


def _meant(value: object) -> datetime | None:
    """Read what somebody meant by an end: milliseconds, a fraction, a number or a time as text."""
    try:
        if isinstance(value, str) and not value.strip().isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return moment.replace(tzinfo=moment.tzinfo or UTC)
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            return None
        seconds = float(value)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _odd_attachments(table: str, item: Mapping[str, Any]) -> Iterator[Finding]:
    """Name a mail whose attachments hold neither a file's key nor its bytes."""
    listed = item.get("attachments", [])
    parts = listed if isinstance(listed, list) else [listed]
    odd = [part for part in parts if not (isinstance(part, Mapping) and _has_content(part))]
    if odd:
        sentence = Message("doctor.attachments", number=len(odd))
        yield Finding(table, str(item["id"]), "attachment", sentence)


def _has_content(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("key"), str) or isinstance(part.get("content"), bytes)

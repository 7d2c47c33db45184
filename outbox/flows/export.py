"""Mails as records with fixed columns, one after another: those that wait for a person, or those of history."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from heapq import merge
from typing import Any

from outbox.core import places
from outbox.core.errors import FileLost, InvalidRequest, RowBroken
from outbox.core.message import Message
from outbox.core.ports import Clock, Files, Page, Store
from outbox.core.row import Item, Row
from outbox.core.states import PROBLEMS
from outbox.flows.files import complete
from outbox.flows.find import everything, expired, once, utc_date
from outbox.flows.history import MOST_DAYS, Sought
from outbox.flows.where import PAGE, READERS, Where, chunks

# `since`: when it got where it is; a problem there, or finished.
COLUMNS = (
    "id",
    "status",
    "since",
    "to",
    "sender",
    "subject",
    "reason",
    "error",
    "tags",
    "attempts",
    "created_at",
    "delivery_id",
)
BODIES = ("text", "html")
AT_ONCE = 100


def unsent(store: Store, meant: Where) -> Iterator[Row]:
    """Go through the rows that are meant, as the index shows them; without a state, those of all three."""
    states = [meant.status] if meant.status else sorted(PROBLEMS)
    for status in states:
        yield from replace(meant, status=status).rows(store)


def finished(store: Store, clock: Clock, sought: Sought) -> Iterator[Row]:
    """Go through history, the latest first: by a whole address, or by days. Raises `InvalidRequest`."""
    if sought.to and "@" not in sought.to:
        raise InvalidRequest(Message("request.whole-address", written=repr(sought.to)))
    first, last = _days(sought, clock)
    now = clock()
    rows = once(map(Row, _to(store, sought.to) if sought.to else _between(store, first, last)))
    within = (row for row in rows if first.isoformat() <= _at(row.item)[:10] <= last.isoformat())
    return (row for row in within if sought.matches(row) and not expired(row.item, now))


def with_bodies(store: Store, files: Files | None, rows: Iterable[Row]) -> Iterator[Row]:
    """Give the rows as they are now, with their texts; one that left the outbox meanwhile is left out.

    Where texts lie in the bucket and cannot be read, that is told in place of the text.
    """

    def read(row: Row) -> Row | None:
        item = row.item if "finished_at" in row.item else store.get(row.id)
        return _complete(files, Row(item)) if item is not None else None

    with ThreadPoolExecutor(READERS) as pool:
        for some in chunks(rows, AT_ONCE):
            yield from (row for row in pool.map(read, some) if row is not None)


def record(row: Row, *, bodies: bool = False) -> dict[str, Any]:
    """Give a mail's columns; what it has not is empty."""
    item = row.item
    told = {name: item.get(name, "") for name in COLUMNS}
    tags = item.get("tags")
    told["tags"] = [str(tag) for tag in tags] if isinstance(tags, (list, set)) else []
    told |= {"attempts": row.attempts, "since": item.get("finished_at") or item.get("problem_at") or ""}
    return told | ({name: item.get(name, "") for name in BODIES} if bodies else {})


def _complete(files: Files | None, row: Row) -> Row:
    if "body" not in row.item:
        return row
    if files is None:
        return Row({**row.item, "text": "[in the bucket, which is not named here]"})
    try:
        return complete(files, row)
    except (FileLost, RowBroken) as lost:
        return Row({**row.item, "text": f"[{lost}]"})


def _days(sought: Sought, clock: Clock) -> tuple[date, date]:
    last = utc_date("until", sought.until) if sought.until else clock().date()
    back = MOST_DAYS - 1 if sought.to else 1
    first = utc_date("from", sought.since) if sought.since else last - timedelta(days=back)
    if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
        raise InvalidRequest(Message("request.days", first=first, last=last, most=MOST_DAYS))
    return first, last


def _to(store: Store, to: str) -> Iterator[Item]:
    return everything(lambda cursor: store.by_recipient(places.recipient(to), AT_ONCE, cursor))


def _between(store: Store, first: date, last: date) -> Iterator[Item]:
    for back in range((last - first).days + 1):
        day = (last - timedelta(days=back)).isoformat()
        shards = [everything(partial(_shard, store, shard)) for shard in places.days(day)]
        yield from merge(*shards, key=_at, reverse=True)


def _shard(store: Store, shard: str, cursor: str | None) -> Page:
    return store.by_day(shard, PAGE, cursor)


def _at(item: Item) -> str:
    return str(item.get("finished_at", ""))

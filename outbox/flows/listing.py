"""A page of the outbox as a person looks at it: from the indexes, in the order of their times; reads what it shows.

What waits for a person lies in one partition a state, what waits for its time in the lanes. The partitions are read
side by side and merged, so that a page costs the same whatever the outbox holds.
"""

import heapq
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from outbox.core import clock, places, states
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.places import INDEXES, Index
from outbox.core.ports import LONG_AGO, NEVER, Store
from outbox.core.row import Item, Row
from outbox.core.states import DUE, IN_FLIGHT, PROBLEMS, Status
from outbox.core.text import size as bytes_of
from outbox.flows.where import READERS, Where, within

NEEDS_A_PERSON = PROBLEMS
WAITS = DUE | IN_FLIGHT
# Entries looked at for one page, however few of them are meant; those of the lanes cost the read of a row each.
LOOK, LOOK_WAITING = 1000, 300
MOST = 200
# Entries and rows asked for at once.
AT_ONCE, ROWS_AT_ONCE = 200, 100
# What DynamoDB takes as an id and as a time, in bytes, and what a page's token can be: an id for each lane.
LONGEST_ID, LONGEST_TIME, LONGEST_TOKEN = 2048, 1024, 65_536

Entry = tuple[str, Item]
Ask = Callable[[str, Item | None, int], list[Item]]


@dataclass(frozen=True, slots=True)
class Filter:
    """What rows of the outbox a person wants to see; all that is given must hold.

    States that need a person and states that wait are not mixed. `error` is the row's word, `text` a part of its
    reason. `since` and `until`, both included, bound when a row came to need a person or, of one that waits, its time.
    """

    states: frozenset[Status] = NEEDS_A_PERSON
    error: str = ""
    to: str = ""
    subject: str = ""
    tag: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what no list can show. Raises `InvalidRequest`."""
        if not self.states or not (self.states <= NEEDS_A_PERSON or self.states <= WAITS):
            some, others = (", ".join(sorted(group)) for group in (NEEDS_A_PERSON, WAITS))
            raise InvalidRequest(Message("request.states", some=some, others=others))
        if self.since and self.until and self.since > self.until:
            since, until = clock.text(self.since), clock.text(self.until)
            raise InvalidRequest(Message("request.since", since=since, until=until))

    @property
    def where(self) -> Where | None:
        """The same for a batch; None when it is not exactly one state that needs a person.

        A row whose status a hand mistyped is shown in the list, and left out of a batch.
        """
        if len(self.states) > 1 or not self.waits_for_a_person:
            return None
        (state,) = self.states
        return replace(self._said, status=state, since=self.since, until=self.until)

    @property
    def waits_for_a_person(self) -> bool:
        """Whether the rows are those of the problems index, and not those of the lanes."""
        return self.states <= NEEDS_A_PERSON

    @property
    def index(self) -> Index:
        """The index that has them."""
        return "problems" if self.waits_for_a_person else "due"

    @property
    def partitions(self) -> tuple[str, ...]:
        """The keys of the index they lie under."""
        if self.waits_for_a_person:
            return tuple(sorted(self.states))
        return (*places.lanes(urgent=True), *places.lanes(urgent=False))

    @property
    def span(self) -> tuple[str, str]:
        """The bounds as an index takes them; an empty one bounds nothing."""
        first = clock.text(max(self.since, LONG_AGO)) if self.since else ""
        last = clock.text(max(self.until, LONG_AGO)) if self.until else NEVER if first else ""
        return first, last

    def matches(self, row: Row) -> bool:
        """Tell whether a row of the index, or what it shows of one, is meant as it is now."""
        _, _, time = INDEXES[self.index]
        return self._shows(row) and within(row.item.get(time), self.since, self.until) and self._said.suits(row.item)

    @property
    def _said(self) -> Where:
        return Where(error=self.error, text=self.text, tag=self.tag, to=self.to, subject=self.subject)

    def _shows(self, row: Row) -> bool:
        # Where it lies in the problems index is one with the row; whatever word a hand gave it, nobody else shows it.
        status = states.parse(row.item.get("status"))
        return self.waits_for_a_person or (self.states == WAITS if status is None else status in self.states)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its rows, those that need a person as far as the index shows them.

    `after` leads to the next page and is empty at the end; `looked` counts the entries of the index this page took;
    `full`: it is as long as asked for.
    """

    rows: tuple[Row, ...]
    after: str = ""
    looked: int = 0
    full: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """How far a list has come: all entries before this moment, and those of it up to the last one of each partition."""

    name: str
    at: str = ""
    last: Mapping[str, str] = field(default_factory=dict)

    def after(self, partition: str, entry_id: str, at: str) -> "Place":
        """Move on past an entry; those of the moments before are behind in every partition."""
        before = self.last if at == self.at else {}
        return Place(self.name, at, {**before, partition: entry_id})

    def token(self) -> str:
        """Write it so that it fits into an address bar."""
        said = json.dumps([self.name, self.at, self.last], ensure_ascii=False, separators=(",", ":"))
        return urlsafe_b64encode(said.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Listing:
    """Shows the outbox page by page."""

    store: Store

    def __call__(self, wanted: Filter, size: int = 25, after: str = "") -> Shown:
        """Show so many rows: what needs a person the latest first, what waits the next due first.

        A page that is short with `after` set has looked at as much as it may (`LOOK`, `LOOK_WAITING`). Rows that leave
        meanwhile are left out. Raises `InvalidRequest`, also for a token that is none of this list.
        """
        if not 1 <= size <= MOST:
            raise InvalidRequest(Message("request.size", most=MOST))
        place = place_of(after, wanted) if after else Place(_name(wanted))
        entries = _merged(wanted, self._ask(wanted, place), place, size + 1)
        return self._page(wanted, entries, place, size)

    def _page(self, wanted: Filter, entries: Iterator[Entry], place: Place, size: int) -> Shown:
        _, _, time = INDEXES[wanted.index]
        most = LOOK if wanted.waits_for_a_person else LOOK_WAITING
        found: dict[str, Row] = {}
        looked = 0
        while len(found) < size and looked < most:
            some = list(islice(entries, min(_next(size, looked, len(found)), most - looked)))
            if not some:
                return Shown(tuple(found.values()), "", looked)
            for number, ((partition, entry), row) in enumerate(zip(some, self._rows(wanted, some), strict=True), 1):
                looked += 1
                place = place.after(partition, entry["id"], entry[time])
                # A row that moves to another partition while they are read is met in both.
                if row is not None and row.id not in found and wanted.matches(row):
                    found[row.id] = row
                if len(found) == size:
                    entries = chain(some[number:], entries)
                    break
        full = len(found) == size
        more = not full or next(entries, None) is not None
        return Shown(tuple(found.values()), place.token() if more else "", looked, full)

    def _rows(self, wanted: Filter, entries: Sequence[Entry]) -> list[Row | None]:
        """Give the row of each entry, None for one that is gone: those of the lanes, which show nothing, are read."""
        if wanted.waits_for_a_person:
            return [Row(entry) for _, entry in entries]
        rows = {row["id"]: Row(row) for row in self.store.rows("outbox", [entry["id"] for _, entry in entries])}
        return [rows.get(entry["id"]) for _, entry in entries]

    def _ask(self, wanted: Filter, place: Place) -> Ask:
        """Make the question for entries of a partition, from a place on."""
        latest_first = wanted.waits_for_a_person
        first, last = wanted.span
        if place.at:
            first, last = (first, min(last or place.at, place.at)) if latest_first else (max(first, place.at), last)

        def ask(partition: str, after: Item | None, limit: int) -> list[Item]:
            return self.store.entries(
                wanted.index, partition, limit, after=after, since=first, until=last, latest_first=latest_first
            )

        return ask


def place_of(token: str, wanted: Filter) -> Place:
    """Read a place in a list that a stranger may have written. Raises `InvalidRequest`."""
    said = _unwrapped(token)
    if not _is_place(said, wanted):
        raise InvalidRequest(Message("request.page"))
    name, at, last = said
    return Place(name, at, last)


def _is_place(said: Any, wanted: Filter) -> bool:  # noqa: ANN401  whatever a stranger wrote
    if not isinstance(said, list) or len(said) != 3 or said[0] != _name(wanted):
        return False
    _, at, last = said
    known = isinstance(last, dict) and len(last) > 0 and last.keys() <= {*wanted.partitions}
    return known and _is_key(at, LONGEST_TIME) and all(_is_key(each, LONGEST_ID) for each in last.values())


def _is_key(value: object, longest: int) -> bool:
    """Tell whether the table would take it as a part of a key."""
    whole = isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)
    return whole and 1 <= bytes_of(str(value)) <= longest


def _unwrapped(token: str) -> Any:  # noqa: ANN401  whatever a stranger wrote
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        return json.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
    except (ValueError, RecursionError):
        return None


def _name(wanted: Filter) -> str:
    return ",".join(wanted.partitions) if wanted.waits_for_a_person else wanted.index


def _next(size: int, looked: int, found: int) -> int:
    """Say how many entries to take next: as many as the page lacks, more the fewer of those so far were meant."""
    return min((size - found) * max(1, looked // max(1, found)), ROWS_AT_ONCE)


def _merged(wanted: Filter, ask: Ask, place: Place, limit: int) -> Iterator[Entry]:
    """Go through the entries of all partitions in the order of their times; the first of each are read at once."""
    _, key, time = INDEXES[wanted.index]

    def begin(partition: str) -> list[Item]:
        last = place.last.get(partition)
        return ask(partition, {"id": last, key: partition, time: place.at} if last else None, limit)

    with ThreadPoolExecutor(READERS) as pool:
        pages = list(pool.map(begin, wanted.partitions))
    lists = [_all(ask, partition, page, limit) for partition, page in zip(wanted.partitions, pages, strict=True)]
    return heapq.merge(*lists, key=lambda entry: str(entry[1][time]), reverse=wanted.waits_for_a_person)


def _all(ask: Ask, partition: str, page: list[Item], limit: int) -> Iterator[Entry]:
    """Go on through a partition from its first page, each time with a larger one."""
    while True:
        yield from ((partition, entry) for entry in page)
        if len(page) < limit:
            return
        limit = max(limit, min(limit * 2, AT_ONCE))
        page = ask(partition, page[-1], limit)

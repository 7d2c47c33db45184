"""Walk through an index, the latest first, a page at a time: what is shown is read, and a token tells where to go on.

A walk goes through stretches one after another, such as days; the partitions of a stretch are merged by time. Whatever
is later than the last entry taken was taken too, so a place in a walk is the time of that entry and, of each partition
that had entries of that very time, the last one taken.
"""

import base64
import hashlib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.places import INDEXES, Index
from outbox.core.ports import Store
from outbox.core.row import Item

T = TypeVar("T")

MOST_SHOWN = 100
# Entries whose rows are read at once, and for one page at the most, where only the row tells whether it is sought.
AT_ONCE, MOST_READ = 100, 500
# What one page passes by at the most: so many entries of another kind, or empty stretches, eight queries each.
MOST_PASSED = 5000
EMPTY = MOST_PASSED // 40
# What an index can hold; a place in eight partitions of the longest ids still fits into an address.
LONGEST_TIME, LONGEST_ID, LONGEST_TOKEN = 1024, 2048, 30_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Partitions of an index that are walked together, within bounds of their times; both are included."""

    index: Index
    keys: tuple[str, ...]
    since: str = ""
    until: str = ""

    def has(self, time: str) -> bool:
        """Tell whether a time is within the bounds."""
        return self.since <= time and (not self.until or time <= self.until)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a walk got: in which stretch, to which time, and by partition the last id taken of that time."""

    stretch: int = 0
    time: str = ""
    ids: Mapping[int, str] = field(default_factory=dict)

    def past(self, partition: int, time: str, item_id: str) -> "Place":
        """Give the place after one more entry."""
        return Place(self.stretch, time, {**(self.ids if time == self.time else {}), partition: item_id})

    def entry(self, stretch: Stretch, partition: int) -> Item | None:
        """Give the entry a partition goes on after; without one it goes on with all that is of that time."""
        _, name, sort = INDEXES[stretch.index]
        known = partition in self.ids
        return {"id": self.ids[partition], name: stretch.keys[partition], sort: self.time} if known else None

    def fits(self, stretches: Sequence[Stretch]) -> bool:
        """Tell whether a walk through these can be here: the table refuses a query that begins outside its bounds."""
        if self.stretch not in range(len(stretches)) or bool(self.time) != bool(self.ids):
            return False
        here = stretches[self.stretch]
        return (here.has(self.time) or not self.time) and self.ids.keys() <= set(range(len(here.keys)))


@dataclass(frozen=True, slots=True)
class Mark:
    """What a token says: the UTC date on which the walk began, and how far it got."""

    today: date
    place: Place = field(default_factory=Place)

    def at(self, place: Place) -> "Mark":
        """Give the same walk somewhere else."""
        return Mark(self.today, place)

    def token(self, question: object) -> str:
        """Write it so that it fits into an address, bound to its question."""
        place = [self.place.stretch, self.place.time, list(self.place.ids.items())]
        said = json.dumps([_digest(question), self.today.isoformat(), *place], ensure_ascii=False)
        return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, token: str, question: object) -> "Mark":
        """Read a token. Raises `InvalidRequest` for anything but one of this very question."""
        try:
            return cls._read(token, _digest(question))
        except (ValueError, TypeError, RecursionError):
            raise no_place() from None

    @classmethod
    def _read(cls, token: str, question: str) -> "Mark":
        if len(token) > LONGEST_TOKEN:
            raise ValueError(token[:20])
        digest, today, stretch, time, pairs = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        ids = {partition: item_id for partition, item_id in pairs}  # noqa: C416  `dict` takes what is no pair
        _check(digest == question, type(stretch) is int, all(type(partition) is int for partition in ids))
        _check(isinstance(time, str), all(isinstance(item_id, str) and item_id for item_id in ids.values()))
        _check(len(time.encode()) <= LONGEST_TIME, all(len(each.encode()) <= LONGEST_ID for each in ids.values()))
        return cls(date.fromisoformat(today), Place(stretch, time, ids))


@dataclass(frozen=True, slots=True)
class Step:
    """A place in a walk and the entry just before it, if it counts; `cut`: this is far enough for one page."""

    place: Place
    entry: Item | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """How a question is answered: what is walked through, which ids count, and what is made of the entries.

    `read` gives for each entry what is shown of it, which may be nothing. `picky`: most of it may be, so that rows are
    read many at a time from the start; else the first are as many as are shown.
    """

    stretches: Sequence[Stretch]
    read: Callable[[Sequence[Item]], list[list[T]]]
    wanted: Callable[[str], bool] = lambda _: True
    picky: bool = False

    def page(self, store: Store, pool: Executor, size: int, place: Place) -> tuple[list[T], Place | None]:
        """Give a page and the place to go on, None at the end; what one entry stands for is never torn apart.

        Raises `InvalidRequest` when no such walk could have come to that place.
        """
        if not place.fits(self.stretches):
            raise no_place()
        batch = AT_ONCE if self.picky else size
        steps = _Walk(store, pool, self, batch + 1, MOST_PASSED).steps(place)
        return _gather(steps, self.read, size, batch, MOST_READ)

    def all(self, store: Store, pool: Executor, limit: int | None = None) -> list[T]:
        """Give all there is, or the first so many, however much must be read for it."""
        steps = _Walk(store, pool, self, AT_ONCE, None).steps(Place())
        return _gather(steps, self.read, limit or sys.maxsize, AT_ONCE, None)[0][:limit]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through the stretches of a plan; `limit`: entries a query may give, `most`: what may be passed by."""

    store: Store
    pool: Executor
    plan: Plan[Any]
    limit: int
    most: int | None

    def steps(self, place: Place) -> Iterator[Step]:
        """Go on from a place; the step at the end of a stretch has no entry, nor has one that does not count."""
        passed, stretches = 0, self.plan.stretches
        for number in range(place.stretch, len(stretches)):
            before = place if number == place.stretch else Place(number)
            at = before
            for at, entry in self._through(stretches[number], before):
                counts = self.plan.wanted(str(entry["id"]))
                passed += not counts
                yield Step(at, entry if counts else None, cut=self._enough(passed))
                if self._enough(passed):
                    return
            passed += EMPTY * (not at.time)
            yield Step(Place(number + 1), cut=self._enough(passed) and number + 1 < len(stretches))
            if self._enough(passed):
                return

    def _enough(self, passed: int) -> bool:
        return self.most is not None and passed >= self.most

    def _through(self, stretch: Stretch, begin: Place) -> Iterator[tuple[Place, Item]]:
        """Merge the partitions of a stretch by time; those that run dry are asked on together."""
        sort = INDEXES[stretch.index][2]
        limit = self.limit if len(stretch.keys) > 1 else max(self.limit, AT_ONCE + 1)
        queues: list[deque[Item]] = [deque() for _ in stretch.keys]
        last = [begin.entry(stretch, partition) for partition in range(len(stretch.keys))]
        unfinished, place = set(range(len(stretch.keys))), begin

        def ask(partition: int) -> list[Item]:
            key, after = stretch.keys[partition], last[partition]
            until = stretch.until if after else begin.time or stretch.until
            return self.store.entries(
                stretch.index, key, limit, after=after, since=stretch.since, until=until, latest_first=True
            )

        while True:
            dry = [partition for partition in unfinished if not queues[partition]]
            for partition, found in zip(dry, self.pool.map(ask, dry), strict=True):
                queues[partition].extend(found)
                last[partition] = found[-1] if found else last[partition]
                if len(found) < limit:
                    unfinished.discard(partition)
            heads = [(queue[0][sort], partition) for partition, queue in enumerate(queues) if queue]
            if not heads:
                return
            time, partition = max(heads)
            entry = queues[partition].popleft()
            place = place.past(partition, time, str(entry["id"]))
            yield place, entry


def no_place() -> InvalidRequest:
    """Make the error for a token that nobody was given for this question."""
    return InvalidRequest(Message("request.page"))


def check_size(size: int) -> None:
    """Refuse a page longer than anybody reads. Raises `InvalidRequest`."""
    if not 1 <= size <= MOST_SHOWN:
        raise InvalidRequest(Message("request.size", most=MOST_SHOWN))


def _gather(
    steps: Iterator[Step],
    read: Callable[[Sequence[Item]], list[list[T]]],
    size: int,
    batch: int,
    most: int | None,
) -> tuple[list[T], Place | None]:
    """Take what is made of entries until it is enough, or enough was read; a last look tells whether there is more."""
    found: list[T] = []
    place: Place | None = None
    looked = 0
    while True:
        enough = len(found) >= size or (most is not None and looked >= most)
        batch = batch if most is None else min(batch, most - looked)
        some = _take(steps, 1 if enough else batch)
        entries = [step.entry for step in some if step.entry is not None]
        if not some:
            return found, None
        if enough and entries:
            return found, some[-2].place if len(some) > 1 else place
        made = iter(read(entries) if entries else ())
        for step in some:
            if step.entry is not None:
                if len(found) >= size:
                    return found, place
                found += next(made)
            place = step.place
        if some[-1].cut:
            return found, place
        looked, batch = looked + len(entries), AT_ONCE


def _take(steps: Iterator[Step], count: int) -> list[Step]:
    """Go on to the end of so many entries, and no further."""
    taken: list[Step] = []
    for step in steps:
        taken.append(step)
        count -= step.entry is not None
        if count <= 0:
            break
    return taken


def _digest(question: object) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]


def _check(*said: bool) -> None:
    if not all(said):
        raise ValueError(said)

"""Go through a copy of a table in parallel segments, at a bounded pace, and count what became of each row.

Stopped at any moment it leaves whole rows behind: what is decided about a row is decided, and written, in one step, and
the same again by a second run. So nothing is remembered between two runs but the tables themselves.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from outbox.core.codes import IN_DOUBT
from outbox.core.errors import InvalidRequest, RowBroken
from outbox.core.message import Message
from outbox.core.row import Item, Row, same_mail
from outbox.core.states import IN_FLIGHT, Status

T = TypeVar("T")

PAGE = 100
WRITERS = 32
MOST_SEGMENTS = 64
SAMPLES = 5
MOST_FAILED = 1000
MAYBE_SENT = IN_FLIGHT | {Status.UNKNOWN}


class Fate(StrEnum):
    """What became of a row of the copy, or would."""

    ARRIVES = "arrives"
    SAME = "same"
    CHANGED = "changed"
    IN_HISTORY = "in_history"
    IN_OUTBOX = "in_outbox"
    OTHER_TABLE = "other_table"
    OURS = "ours"
    EXPIRED = "expired"
    QUIET = "quiet"
    NOT_WRITTEN = "not_written"


@dataclass(frozen=True, slots=True)
class Told:
    """One row of the copy and its fate."""

    item: Item
    fate: Fate


class Source(Protocol):
    """A table to read as a whole; `stop`, once set, ends all reading and waiting soon."""

    name: str
    stop: threading.Event

    def check(self, *, to_be_changed: bool = False) -> int:
        """Tell about how many rows it has. Raises `InvalidRequest` saying why nothing can be taken from it."""

    def pages(self, segment: int, segments: int, limit: int) -> Iterator[Sequence[Item]]:
        """Read one of so many disjoint parts, in pages of at most `limit` rows."""

    def steadily(self, call: Callable[[], T]) -> T:
        """Do it again, later, as long as a table says that it is too much just now."""


class Task(Protocol):
    """What is done with the rows of a copy."""

    def __call__(self, items: Sequence[Item]) -> Callable[[Item], Told]:
        """Look at a page as a whole; give what decides about each of its rows, and acts."""


@dataclass(slots=True)
class Report:
    """What came of the rows so far: `rows` read of `about` so many, and of what arrives, how many are special."""

    about: int = 0
    rows: int = 0
    counts: Counter[Fate] = field(default_factory=Counter)
    in_doubt: int = 0
    unreadable: int = 0
    files: int = 0
    samples: dict[Fate, list[Item]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, told: Sequence[Told]) -> None:
        """Count rows."""
        with self.lock:
            self.rows += len(told)
            for each in told:
                self._count(each)

    def _count(self, told: Told) -> None:
        row = Row(told.item)
        self.counts[told.fate] += 1
        samples = self.samples.setdefault(told.fate, [])
        if len(samples) < SAMPLES:
            samples.append(told.item)
        if told.fate is Fate.NOT_WRITTEN and len(self.failed) < MOST_FAILED:
            self.failed.append(row.id)
        if told.fate is Fate.ARRIVES:
            self.in_doubt += in_doubt(row)
            self.unreadable += not readable(told.item)
            self.files += bool(row.files)


Tell = Callable[[Report], None]


class Walk:
    """Reads a copy in `segments` threads, each row once, and has a task decide; at most `rate` rows a second."""

    def __init__(self, source: Source, segments: int = 8, rate: float | None = None) -> None:
        if not 1 <= segments <= MOST_SEGMENTS:
            raise InvalidRequest(Message("request.segments", most=MOST_SEGMENTS))
        if rate is not None and not 0 < rate < math.inf:
            raise InvalidRequest(Message("request.rate"))
        self.source, self.segments = source, segments
        # A page is no more than a second's rows, so that a small rate is kept evenly.
        self.limit = max(1, min(PAGE, int(rate / segments))) if rate else PAGE
        self._pace = Pace(rate, source.stop)

    def __call__(self, task: Task, report: Report, tell: Tell | None = None) -> None:
        """Go through the whole copy, counting in `report`; interrupted, it ends after the rows in hand.

        `tell` is called after each page, from any thread, one at a time.
        """
        report.about = self.source.check()
        with ThreadPoolExecutor(WRITERS) as writers, ThreadPoolExecutor(self.segments) as readers:

            def visit(items: Sequence[Item]) -> None:
                decide = self.source.steadily(lambda: task(items))
                report.add(list(writers.map(lambda item: self.source.steadily(lambda: decide(item)), items)))
                if tell:
                    with report.lock:
                        tell(report)

            try:
                parts = [readers.submit(self._segment, number, visit) for number in range(self.segments)]
                wait(parts, return_when=FIRST_EXCEPTION)
            finally:
                # After the last segment this does nothing; after Ctrl-C or an error it ends the others.
                self.source.stop.set()
        for part in parts:
            part.result()

    def _segment(self, number: int, visit: Callable[[Sequence[Item]], None]) -> None:
        for items in self.source.pages(number, self.segments, self.limit):
            if self.source.stop.is_set():
                return
            visit(items)
            self._pace(len(items))


class Pace:
    """Lets so many rows a second by, over all threads; any number without a rate."""

    def __init__(self, rate: float | None, stop: threading.Event) -> None:
        self._rate, self._stop = rate, stop
        self._lock, self._next = threading.Lock(), 0.0

    def __call__(self, rows: int) -> None:
        """Wait until so many rows more have had their time."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._next = max(now, self._next) + rows / self._rate
            pause = self._next - now
        self._stop.wait(pause)


def in_doubt(row: Row) -> bool:
    """Tell whether the mail of a row may have been sent."""
    return row.status in MAYBE_SENT or row.error in IN_DOUBT


def readable(item: Item) -> bool:
    """Tell whether a mail can be made of a row as it is."""
    try:
        return same_mail(item, item)
    except RowBroken:
        return False

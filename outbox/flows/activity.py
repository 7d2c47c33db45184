"""What a chart shows of an hour or a day: how many mails got to history, failed, or wait; from the indexes alone.

Up to 1,000 entries a partition are counted, and then the numbers are exact. Where there are more, each bucket of time
is estimated from a few of the partitions among which rows are spread evenly; and where even one of those has too many,
from how close together they lie at both ends of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from outbox.core import clock, places
from outbox.core.places import INDEXES, Index
from outbox.core.ports import Clock, Store
from outbox.core.states import Status

READERS = 16
# Entries of a partition that are counted over the whole span.
COUNTED = 1000
# Entries asked for an estimate, over all buckets of one partition; a closer look takes half as many at a time.
SAMPLED = 4800
SERIES = ("finished", "failed", "waiting")
MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)

Guesses = Mapping[int, Sequence[Future[float]]]


@dataclass(frozen=True, slots=True)
class Span:
    """So many buckets of time; `parts`: into how many one is cut where it has more than can be counted."""

    name: str
    bucket: timedelta
    count: int
    parts: int


HOUR = Span("hour", timedelta(minutes=1), 60, 1)
DAY = Span("day", timedelta(hours=1), 24, 2)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened from a moment on until the next bucket begins.

    `finished`: mails that got to history, sent or cancelled, which the index does not tell apart; `failed`: rows that
    got to FAILED or UNKNOWN and are still there; `waiting`: rows that were due and still wait.
    """

    since: datetime
    finished: int = 0
    failed: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """The buckets of a span, the oldest first, the last one with the present moment in it.

    `exact` tells of `finished`, `failed` and `waiting` whether all of it was counted, or some of it is an estimate.
    """

    span: Span
    buckets: tuple[Bucket, ...]
    exact: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts what an hour or a day brought; its reads have a bound whatever the tables hold."""

    store: Store
    clock: Clock

    def __call__(self, span: Span) -> Chart:
        """Count, or estimate, what got to history, failed and waits, up to now.

        Reads no row. At most 34 queries of 1,000 entries (8 partitions of two dates, two states, 16 lanes), and where
        that is not enough six partitions of each bucket: 9 queries and 604 entries each of a day, 5 and 162 of an
        hour. So at most 1,834 queries and 121,000 entries; a quiet service costs 26 or 34 queries and what it has.
        """
        frame = _Frame(span, self.clock().astimezone(UTC))
        groups = frame.groups()
        with ThreadPoolExecutor(READERS) as pool:
            found = _Look(self.store, frame, pool).numbers(groups)
        exact = dict.fromkeys(SERIES, True)
        totals: dict[str, Counter[int]] = {series: Counter() for series in SERIES}
        for group, (numbers, is_exact) in zip(groups, found, strict=True):
            totals[group.series] += numbers
            exact[group.series] &= is_exact
        of_each = ((totals[series][number] for series in SERIES) for number in range(span.count))
        buckets = (Bucket(frame.begin(number), *numbers) for number, numbers in enumerate(of_each))
        return Chart(span, tuple(buckets), exact)


def last_minute(store: Store, now: Clock, most: int) -> int:
    """Count the mails that got to history in the last 60 seconds, sent or cancelled; `most` means that many or more.

    At most 16 queries (8 but just after midnight) of `most` entries each; no row is read.
    """
    end = now().astimezone(UTC)
    since, dates = clock.text(end - MINUTE), {f"{moment:%Y-%m-%d}" for moment in (end - MINUTE, end)}
    with ThreadPoolExecutor(READERS) as pool:
        keys = [key for date in sorted(dates) for key in places.days(date)]
        found = pool.map(lambda key: len(store.entries("by_day", key, most, since=since)), keys)
        return min(most, sum(found))


@dataclass(frozen=True, slots=True)
class _Group:
    """Partitions among which rows are spread evenly, and how many of them speak for all in an estimate."""

    series: str
    index: Index
    keys: tuple[str, ...]
    since: datetime
    until: datetime
    speakers: int = 1

    def speaking(self, bucket: int) -> list[str]:
        """Choose partitions for a bucket, others for the next."""
        step = len(self.keys) // self.speakers
        return [self.keys[(bucket + step * number) % len(self.keys)] for number in range(self.speakers)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The buckets of a span, up to a moment."""

    span: Span
    now: datetime

    @property
    def since(self) -> datetime:
        """Where the first bucket begins."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        whole = (self.now - midnight) // self.span.bucket
        return midnight + (whole + 1 - self.span.count) * self.span.bucket

    def begin(self, number: int) -> datetime:
        """Give the moment at which a bucket begins."""
        return self.since + number * self.span.bucket

    def number(self, moment: datetime) -> int:
        """Give the bucket of a moment."""
        return (moment - self.since) // self.span.bucket

    def groups(self) -> list[_Group]:
        """Name all partitions that have something of the span."""
        since, end = self.since, self.begin(self.span.count) - MILLISECOND
        midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
        dates = [(max(since, midnight), end)] + [(since, midnight - MILLISECOND)] * (since < midnight)
        finished = [
            _Group("finished", "by_day", places.days(f"{first:%Y-%m-%d}"), first, last, 2) for first, last in dates
        ]
        failed = [_Group("failed", "problems", (str(state),), since, end) for state in (Status.FAILED, Status.UNKNOWN)]
        lanes = (places.lanes(urgent=True), places.lanes(urgent=False))
        return [*finished, *failed, *(_Group("waiting", "due", keys, since, self.now) for keys in lanes)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """The moments some entries show, the latest first; `cut`: there are more entries than were asked for."""

    moments: Sequence[datetime]
    cut: bool

    @property
    def first_half(self) -> timedelta:
        """The time the earlier half of them takes up."""
        return self.moments[len(self.moments) // 2] - self.moments[-1]

    @property
    def last_half(self) -> timedelta:
        """The time the later half of them takes up."""
        return self.moments[0] - self.moments[len(self.moments) // 2]


@dataclass(frozen=True, slots=True)
class _Look:
    """Asks the indexes, many questions at a time."""

    store: Store
    frame: _Frame
    pool: Executor

    def numbers(self, groups: Sequence[_Group]) -> list[tuple[Counter[int], bool]]:
        """Give for each group how many there are by bucket, and whether all of them were counted."""
        asked = [[self.pool.submit(self._whole, group, key) for key in group.keys] for group in groups]
        seen = [[future.result() for future in some] for some in asked]
        guesses = [self._guesses(group, some) for group, some in zip(groups, seen, strict=True)]
        return [
            (self._numbers(group, some, guessed), not guessed)
            for group, some, guessed in zip(groups, seen, guesses, strict=True)
        ]

    def _numbers(self, group: _Group, seen: Sequence[_Seen], guesses: Guesses) -> Counter[int]:
        numbers = Counter(self.frame.number(moment) for each in seen for moment in each.moments)
        for bucket, said in guesses.items():
            numbers[bucket] = round(sum(future.result() for future in said) * len(group.keys) / len(said))
        return numbers

    def _guesses(self, group: _Group, seen: Sequence[_Seen]) -> Guesses:
        """Ask for the buckets of which not everything was seen: up to where the shortest list ends."""
        ends = [each.moments[-1] if each.moments else group.until for each in seen if each.cut]
        if not ends:
            return {}
        buckets = range(self.frame.number(group.since), self.frame.number(max(ends)) + 1)
        return {
            bucket: [self.pool.submit(self._bucket, group, key, bucket) for key in group.speaking(bucket)]
            for bucket in buckets
        }

    def _whole(self, group: _Group, key: str) -> _Seen:
        return self._ask(group, key, group.since, group.until, COUNTED)

    def _bucket(self, group: _Group, key: str, bucket: int) -> float:
        """Count a bucket of one partition from its end, and look closer at the rest of it where that is not enough."""
        first, last = self.frame.begin(bucket), min(self.frame.begin(bucket + 1) - MILLISECOND, group.until)
        limit = SAMPLED // self.frame.span.count
        late = self._ask(group, key, first, last, limit)
        if not late.cut or not late.moments:
            return len(late.moments)
        parts = self.frame.span.parts
        edges = [first + (late.moments[-1] - first) * number / parts for number in range(parts + 1)]
        rest = (self._part(group, key, begin, end - MILLISECOND, limit // 2) for begin, end in pairwise(edges))
        return len(late.moments) + sum(rest)

    def _part(self, group: _Group, key: str, first: datetime, last: datetime, limit: int) -> float:
        """Count from both ends; what is between is taken to be as dense as beside it, but for a hole in the middle."""
        late = self._ask(group, key, first, last, limit)
        if not late.cut or not late.moments:
            return len(late.moments)
        early = self._ask(group, key, first, last, limit, latest_first=False)
        if not early.moments or early.moments[0] >= late.moments[-1]:
            return len(late.moments) + sum(moment < late.moments[-1] for moment in early.moments)
        seen, beside = len(late.moments) + len(early.moments), early.last_half + late.first_half
        gap = late.moments[-1] - early.moments[0]
        hole = self._hole(group, key, first, last, early.moments[0] + gap / 2)
        return seen + seen / 2 * (gap - hole) / beside if beside else seen

    def _hole(self, group: _Group, key: str, first: datetime, last: datetime, middle: datetime) -> timedelta:
        """Tell how long nothing happened around a moment: mails come in heaps."""
        before = self._ask(group, key, first, middle, 1).moments
        behind = self._ask(group, key, middle, last, 1, latest_first=False).moments
        return behind[0] - before[0] if before and behind else timedelta(0)

    def _ask(  # noqa: PLR0913  a place in an index has many parts
        self, group: _Group, key: str, first: datetime, last: datetime, limit: int, *, latest_first: bool = True
    ) -> _Seen:
        since, until = clock.text(first), clock.text(last)
        if since > until:
            return _Seen((), cut=False)
        found = self.store.entries(group.index, key, limit, since=since, until=until, latest_first=latest_first)
        times = (clock.parse(entry[INDEXES[group.index][2]]) for entry in found)
        # What a hand made of a time is none: it is in no bucket.
        moments = sorted((moment for moment in times if moment is not None), reverse=True)
        return _Seen(moments, cut=len(found) >= limit)

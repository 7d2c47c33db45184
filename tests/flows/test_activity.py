"""A chart of an hour or a day: counted where it can be, estimated where there is too much, bounded always."""

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.core import clock, places
from outbox.core.places import INDEXES
from outbox.flows import activity
from outbox.flows.activity import DAY, HOUR, Activity, last_minute
from outbox.testing import MemoryStore, TickingClock

NOW = datetime(2026, 1, 5, 15, 20, 30, 500_000, tzinfo=UTC)
SERIES = ("finished", "failed", "waiting")


def finished(store, mail_id, moment):
    at = moment if isinstance(moment, str) else clock.text(moment)
    day = f"{at[:10]}-{places.shard(mail_id)}"
    store.history[mail_id] = {"id": mail_id, "status": "SENT", "finished_at": at, "day": day}


def problem(store, mail_id, moment, state="FAILED"):
    at = moment if isinstance(moment, str) else clock.text(moment)
    store.outbox[mail_id] = {"id": mail_id, "status": state, "problem": state, "problem_at": at}


def due(store, mail_id, moment, *, urgent=False):
    at = moment if isinstance(moment, str) else clock.text(moment)
    lane = places.lane(mail_id, urgent=urgent)
    store.outbox[mail_id] = {"id": mail_id, "status": "WAITING", "lane": lane, "due_at": at}


class Indexed:
    """A store that only tells its indexes, quickly, and counts what is asked."""

    def __init__(self):
        self.parts, self.queries, self.read = {}, 0, 0

    def put(self, index, key, mail_id, moment):
        self.parts.setdefault((index, key), []).append((clock.text(moment), mail_id))

    def finished(self, mail_id, moment):
        self.put("by_day", places.day(mail_id, moment), mail_id, moment)

    def ready(self):
        for entries in self.parts.values():
            entries.sort()
        return self

    def entries(self, index, key, limit, *, after=None, since="", until="", latest_first=False):
        assert after is None
        found = self.parts.get((index, key), [])
        begin = bisect_left(found, (since, ""))
        end = bisect_right(found, (until, "\uffff")) if until else len(found)
        found = found[begin:end]
        found = found[::-1][:limit] if latest_first else found[:limit]
        self.queries += 1
        self.read += len(found)
        _, name, sort = INDEXES[index]
        return [{"id": mail_id, name: key, sort: at} for at, mail_id in found]


def chart_of(store, span, now=NOW):
    return Activity(store, TickingClock(now))(span)


def numbers(chart, series):
    return [getattr(bucket, series) for bucket in chart.buckets]


@pytest.mark.parametrize("span", [HOUR, DAY])
def test_an_empty_table(span):
    """With nothing anywhere a chart has all its buckets, empty and exact."""
    chart = chart_of(MemoryStore(), span)

    assert [numbers(chart, series) for series in SERIES] == [[0] * span.count] * 3
    assert chart.exact == dict.fromkeys(SERIES, True)
    assert {after.since - before.since for before, after in zip(chart.buckets, chart.buckets[1:], strict=False)} == {
        span.bucket
    }


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        (HOUR, datetime(2026, 1, 5, 14, 21, tzinfo=UTC), datetime(2026, 1, 5, 15, 20, tzinfo=UTC)),
        (DAY, datetime(2026, 1, 4, 16, tzinfo=UTC), datetime(2026, 1, 5, 15, tzinfo=UTC)),
    ],
)
def test_the_edges_of_buckets(span, first, last):
    """A bucket has its first millisecond and not that of the next; what is before the span or to come is left out."""
    store, millisecond = MemoryStore(), timedelta(milliseconds=1)
    for number, moment in enumerate((first - millisecond, first, first + span.bucket - millisecond, last, NOW)):
        finished(store, f"m-{number}", moment)
        problem(store, f"f-{number}", moment, ("FAILED", "UNKNOWN")[number % 2])
        due(store, f"d-{number}", moment, urgent=number % 2 == 0)
    due(store, "later", NOW + millisecond)
    problem(store, "held", NOW, "HELD")

    chart = chart_of(store, span)

    assert (chart.buckets[0].since, chart.buckets[-1].since) == (first, last)
    for series in SERIES:
        assert numbers(chart, series) == [2] + [0] * (span.count - 2) + [2]


@pytest.mark.parametrize(
    "now", [datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, 23, 59, 59, 999_000, tzinfo=UTC)]
)
@pytest.mark.parametrize("span", [HOUR, DAY])
def test_midnight(span, now):
    """A span that begins on the day before counts both dates, and one that begins at midnight its whole day."""
    store = MemoryStore()
    for number in range(span.count):
        finished(store, f"m-{number}", now - number * span.bucket)

    assert numbers(chart_of(store, span, now), "finished") == [1] * span.count


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["m", "f", "u", "d", "n"]), st.integers(-100, 90_000)), max_size=60))
def test_small_numbers_are_exact(rows):
    """Whatever happened when, a chart without an estimate tells the same as counting every row."""
    store, wanted = MemoryStore(), Counter()
    for number, (kind, ago) in enumerate(rows):
        moment, mail_id = NOW - timedelta(seconds=ago), f"{kind}-{number}"
        if kind == "m":
            finished(store, mail_id, moment)
        elif kind in "fu":
            problem(store, mail_id, moment, {"f": "FAILED", "u": "UNKNOWN"}[kind])
        else:
            due(store, mail_id, moment, urgent=kind == "n")
        series = {"m": "finished", "f": "failed", "u": "failed"}.get(kind, "waiting")
        if series != "waiting" or moment <= NOW:
            wanted[series, moment.replace(minute=0, second=0, microsecond=0)] += 1

    chart = chart_of(store, DAY)

    assert chart.exact == dict.fromkeys(SERIES, True)
    for bucket in chart.buckets:
        for series in SERIES:
            assert getattr(bucket, series) == wanted[series, bucket.since]


@pytest.mark.parametrize("broken", ["2026-01-05T15", "2026-01-05T15:20", "2026-01-05Tnoon", "2026-01-05T15:99:00.000Z"])
def test_what_is_no_moment_is_in_no_bucket(broken, monkeypatch):
    """A time a hand has made unreadable breaks no chart, neither a counted nor an estimated one."""
    store = MemoryStore()
    for number in range(40):
        finished(store, f"m-{number}", broken if number % 2 else NOW)
        problem(store, f"f-{number}", broken)
        due(store, f"d-{number}", broken)
    counted = chart_of(store, DAY)
    monkeypatch.setattr(activity, "COUNTED", 2)
    monkeypatch.setattr(activity, "SAMPLED", 48)

    estimated = [chart_of(store, span) for span in (HOUR, DAY)]

    assert (numbers(counted, "finished")[-1], sum(numbers(counted, "failed"))) == (20, 0)
    assert all(sum(numbers(chart, "waiting")) == 0 for chart in estimated)


def uneven_day(chance):
    """Spread 50,000 moments: a quiet night, a busy noon, three campaigns that begin and end within an hour."""
    moments = [chance.gauss(9.5, 2.5) * 60 for _ in range(20_000)] + [chance.uniform(0, 1440) for _ in range(9_000)]
    for begin, minutes, count in ((3 * 60 + 40, 20, 6_000), (13 * 60 + 10, 90, 12_000), (20 * 60 + 50, 25, 3_000)):
        moments += [chance.uniform(begin, begin + minutes) for _ in range(count)]
    start = datetime(2026, 1, 4, 16, tzinfo=UTC)
    return [start + timedelta(minutes=min(max(each, 0), 1400)) for each in moments]


@pytest.mark.parametrize("seed", range(3))
def test_an_estimate_of_a_day(seed):
    """Of 50,000 mails spread unevenly over a day each hour of some size is told within 20 %, the whole within 5 %."""
    chance, store, wanted = random.Random(seed), Indexed(), Counter()
    for number, moment in enumerate(uneven_day(chance)):
        store.finished(f"mail-{seed}-{number}", moment)
        wanted[moment.replace(minute=0, second=0, microsecond=0)] += 1

    chart = chart_of(store.ready(), DAY)

    assert chart.exact == {"finished": False, "failed": True, "waiting": True}
    assert sum(numbers(chart, "finished")) == pytest.approx(50_000, rel=0.05)
    for bucket in chart.buckets:
        assert bucket.finished == pytest.approx(wanted[bucket.since], rel=0.2, abs=150)


def test_an_estimate_on_memory():
    """The store of the tests is estimated like the tables: 50,000 finished mails, within 20 % an hour."""
    store, wanted = MemoryStore(), Counter()
    for number, moment in enumerate(uneven_day(random.Random(7))):
        finished(store, f"mail-{number}", moment)
        wanted[moment.replace(minute=0, second=0, microsecond=0)] += 1

    chart = chart_of(store, DAY)

    assert not chart.exact["finished"]
    for bucket in chart.buckets:
        assert bucket.finished == pytest.approx(wanted[bucket.since], rel=0.2, abs=150)


def test_an_estimate_of_an_hour():
    """Of an hour with 30,000 mails each minute is told within 35 %, and what was seen in full exactly."""
    chance, store, wanted = random.Random(5), Indexed(), Counter()
    for number in range(30_000):
        moment = NOW - timedelta(seconds=chance.triangular(0, 3600, 600))
        store.finished(f"mail-{number}", moment)
        wanted[moment.replace(second=0, microsecond=0)] += 1

    chart = chart_of(store.ready(), HOUR)

    assert not chart.exact["finished"]
    for bucket in chart.buckets[1:]:
        assert bucket.finished == pytest.approx(wanted[bucket.since], rel=0.35, abs=80)
    assert [bucket.finished for bucket in chart.buckets[-8:]] == [wanted[each.since] for each in chart.buckets[-8:]]


def test_an_estimate_of_what_failed_and_what_waits():
    """Too many problems and too many due rows are estimated the same way, each kind of lane by itself."""
    chance, store, wanted = random.Random(3), Indexed(), Counter()
    for number in range(30_000):
        moment = NOW - timedelta(seconds=chance.uniform(0, 20 * 3600))
        hour = moment.replace(minute=0, second=0, microsecond=0)
        store.put("problems", "FAILED", f"f-{number}", moment)
        store.put("due", places.lane(f"d-{number}", urgent=False), f"d-{number}", moment)
        wanted[hour] += 1
    store.put("due", "urgent-3", "u", NOW)

    chart = chart_of(store.ready(), DAY)

    assert chart.exact == {"finished": True, "failed": False, "waiting": False}
    for bucket in chart.buckets:
        assert bucket.failed == pytest.approx(wanted[bucket.since], rel=0.2, abs=50)
        assert bucket.waiting == pytest.approx(wanted[bucket.since], rel=0.3, abs=150)


def test_heaps_are_not_taken_for_a_flood():
    """Rows that failed in heaps, with long holes between them, are not told as if they had gone on failing."""
    store, start = Indexed(), datetime(2026, 1, 5, 14, tzinfo=UTC)
    for heap in range(2):
        for number in range(1_500):
            store.put(
                "problems", "FAILED", f"{heap}-{number}", start + timedelta(minutes=55 * heap, milliseconds=number)
            )

    chart = chart_of(store.ready(), DAY)

    assert chart.buckets[-2].failed == pytest.approx(3_000, rel=0.2)


def test_one_moment_for_all():
    """Where thousands have the very same moment an estimate is too low, and still no error."""
    store = Indexed()
    for number in range(5_000):
        store.put("problems", "UNKNOWN", str(number), NOW - timedelta(hours=2))

    assert 200 <= chart_of(store.ready(), DAY).buckets[-3].failed <= 5_000


@pytest.mark.parametrize("span", [HOUR, DAY])
def test_reads_have_a_bound(span):
    """However much there is in every partition, a chart asks and reads no more than it says."""
    endless = Endless()

    chart = chart_of(endless, span)

    assert chart.exact == dict.fromkeys(SERIES, False)
    assert endless.queries <= 1_834
    assert endless.read <= 121_000


class Endless:
    """An index with a row every millisecond, for ever."""

    def __init__(self):
        self.queries = self.read = 0

    def entries(self, index, key, limit, *, after=None, since="", until="", latest_first=False):
        first, last = clock.parse(since), clock.parse(until)
        step = timedelta(milliseconds=1)
        found = range(min(limit, (last - first) // step + 1))
        self.queries += 1
        self.read += len(found)
        _, name, sort = INDEXES[index]
        moments = (last - number * step if latest_first else first + number * step for number in found)
        return [{"id": clock.text(moment), name: key, sort: clock.text(moment)} for moment in moments]


@pytest.mark.parametrize(("most", "told"), [(1, 1), (5, 5), (6, 6), (7, 6), (1000, 6)])
@pytest.mark.parametrize("now", [NOW, datetime(2026, 1, 5, 0, 0, 20, tzinfo=UTC)])
def test_the_last_minute(most, told, now):
    """What got to history in the last 60 seconds is counted, on both sides of midnight, up to a bound."""
    store = MemoryStore()
    for number in range(6):
        finished(store, f"m-{number}", now - timedelta(seconds=12 * number))
    finished(store, "before", now - timedelta(seconds=60, milliseconds=1))

    assert last_minute(store, TickingClock(now), most) == told

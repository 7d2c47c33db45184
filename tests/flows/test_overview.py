"""How the service stands: few reads whatever the tables hold, and every number says whether there is more."""

from datetime import UTC, datetime, timedelta

import pytest

from outbox.core import clock, places
from outbox.core.rate import Rate
from outbox.flows.overview import Count, overview
from outbox.flows.switch import State
from outbox.testing import MemoryRegister, MemoryStore

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def problem(store, mail_id, ago, state="FAILED"):
    at = ago if isinstance(ago, str) else clock.text(NOW - timedelta(minutes=ago))
    store.outbox[mail_id] = {"id": mail_id, "status": state, "problem": state, "problem_at": at}


def due(store, mail_id, ago, lane=None):
    at = ago if isinstance(ago, str) else clock.text(NOW - timedelta(minutes=ago))
    lane = lane or places.lane(mail_id, urgent=False)
    store.outbox[mail_id] = {"id": mail_id, "status": "WAITING", "lane": lane, "due_at": at}


def finished(store, mail_id, seconds):
    moment = NOW - timedelta(seconds=seconds)
    store.history[mail_id] = {
        "id": mail_id,
        "status": "SENT",
        "finished_at": clock.text(moment),
        "day": places.day(mail_id, moment),
    }


def seen(store, rate=None):
    return overview(store, MemoryRegister(), rate, State(), NOW)


class Counted(MemoryStore):
    """A memory store that has only its indexes to tell, and counts what it told."""

    def __init__(self):
        super().__init__()
        self.queries = self.read = 0

    def entries(self, *arguments, **named):
        found = super().entries(*arguments, **named)
        self.queries += 1
        self.read += len(found)
        return found

    def get(self, *_):
        raise AssertionError

    get_finished = rows = by_problem = by_lane = by_day = every = get


@pytest.mark.parametrize(("number", "told"), [(0, "0"), (999, "999"), (1000, "1,000"), (1001, "1,000+")])
def test_problems_are_counted_to_a_thousand(number, told):
    """A count is exact up to 1,000, and beyond it says that there are more."""
    store = MemoryStore()
    for each in range(number):
        problem(store, f"f-{each}", 5, "HELD")

    assert str(seen(store).problems["HELD"]) == told


def test_what_is_due_and_what_is_not():
    """One look at each lane tells what is due by now, that very moment included, and what is not yet."""
    store = MemoryStore()
    for number, ago in enumerate((90, 2, 0, -1, -500)):
        due(store, f"d-{number}", ago)
    due(store, "u", 3, "urgent-0")

    told = seen(store)

    assert (told.due_now, told.due_later) == (Count(4), Count(2))
    assert told.oldest_due == NOW - timedelta(minutes=90)


@pytest.mark.parametrize(
    ("ago", "now", "later"),
    [
        ([5] * 63, Count(63), Count(0)),
        ([5] * 64, Count(64, more=True), Count(0, more=True)),
        ([5] * 40 + [-5] * 40, Count(40), Count(24, more=True)),
        ([-5] * 64, Count(0), Count(64, more=True)),
    ],
)
def test_a_lane_that_is_longer_than_its_share(ago, now, later):
    """What was not looked at is told as more, of what is due now only where it may be due now."""
    store = MemoryStore()
    for number, each in enumerate(ago):
        due(store, f"d-{number:03d}", each, "normal-3")

    told = seen(store)

    assert (told.due_now, told.due_later) == (now, later)


def test_even_lanes_are_counted_to_a_thousand():
    """Where all lanes are long the count ends at 1,000 as the others do."""
    store = MemoryStore()
    for number in range(16 * 64):
        lane = (*places.lanes(urgent=True), *places.lanes(urgent=False))[number % 16]
        due(store, f"d-{number}", 1, lane)

    assert str(seen(store).due_now) == "1,000+"


@pytest.mark.parametrize(
    ("rows", "oldest"),
    [
        ([], None),
        ([(due, 3), (due, 9), (due, -9)], 9),
        ([(problem, 30), (problem, 20), (due, 9)], 30),
        ([(due, 70), (problem, 30)], 70),
        ([(problem, "2026-01"), (problem, "noon"), (problem, 4)], 4),
        ([(due, "2026-01-05T"), (due, 4)], 4),
    ],
)
def test_the_oldest_that_should_have_gone(rows, oldest):
    """It is due or needs a person; what is held or scheduled is not late, and what is no moment counts for nothing."""
    store = MemoryStore()
    problem(store, "held", 500, "HELD")
    for number, (write, ago) in enumerate(rows):
        write(store, f"m-{number}", ago)

    assert seen(store).oldest_unsent == (None if oldest is None else NOW - timedelta(minutes=oldest))


def test_an_unknown_mail_should_have_gone_too():
    """The oldest of both states counts."""
    store = MemoryStore()
    problem(store, "f", 10)
    problem(store, "u", 20, "UNKNOWN")

    assert seen(store).oldest_unsent == NOW - timedelta(minutes=20)


@pytest.mark.parametrize(
    ("rate", "told"), [(None, "30"), (Rate(30, 1), "30"), (Rate(29, 1), "30+"), (Rate(9, 1), "10+")]
)
def test_the_last_minute_beside_the_rate(rate, told):
    """What went in the last minute is counted until it is more than the rate."""
    store = MemoryStore()
    for number in range(40):
        finished(store, f"m-{number}", 2 * number + 1)

    assert str(seen(store, rate).sent_last_minute) == told


def test_reads_have_a_bound():
    """Tens of thousands of rows cost no more than the first thousand, and no row is read."""
    store = Counted()
    for number in range(6_000):
        problem(store, f"f-{number}", number % 500)
        due(store, f"d-{number}", number % 500 - 250)
    finished(store, "m", 5)

    told = seen(store, Rate(300, 10))

    assert (store.queries, store.read) == (29, 1_001 + 5 + 8 * 64 + 1)
    assert (str(told.problems["FAILED"]), told.due_now.more, told.due_later.more) == ("1,000+", True, True)
    assert told.as_json()["sent_last_minute"] == {"count": 1, "more": False}

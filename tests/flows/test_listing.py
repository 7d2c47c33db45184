"""The list of the outbox: its order, its filters, what it reads, and what hands do to it."""

from datetime import timedelta

import pytest

from outbox.core.errors import InvalidRequest
from outbox.core.states import DUE, IN_FLIGHT, PROBLEMS, Status
from outbox.flows.listing import Filter, Listing
from outbox.flows.where import Where
from outbox.testing import MemoryStore
from tests.flows.listing import NOW, Behind, Counted, at, every_page, ids, problem, waiting

WAITS = Filter(DUE | IN_FLIGHT)
S = Status


@pytest.fixture
def store():
    """Give a store of three rows in each state a row of the outbox can be in."""
    store = MemoryStore()
    for number in range(3):
        for place, status in enumerate(sorted(PROBLEMS)):
            store.put(problem(f"{status[0]}{number}", status, 10 * number + place))
        for place, status in enumerate(sorted(DUE | IN_FLIGHT)):
            store.put(waiting(f"{status[0]}{number}", status, 10 * number + place, urgent=number == 1))
    return store


def test_what_needs_a_person_comes_the_latest_first(store):
    """All three states are one list, as far as the index shows its rows; the token leads on."""
    first = Listing(store)(Filter(), 4)
    assert (ids(first), first.looked, first.full) == (["U2", "H2", "F2", "U1"], 4, True)
    assert first.rows[0].item["subject"] == "Order U2"
    assert "text" not in first.rows[0].item
    second = Listing(store)(Filter(), 5, first.after)
    assert (ids(second), second.after, second.full) == (["H1", "F1", "U0", "H0", "F0"], "", True)
    assert ids(Listing(store)(Filter(frozenset({S.HELD, S.FAILED})))) == ["H2", "F2", "H1", "F1", "H0", "F0"]


def test_what_waits_comes_the_next_due_first(store):
    """All lanes, urgent ones too, are one list of whole rows."""
    shown = Listing(store)(WAITS)
    assert ids(shown) == [f"{status}{number}" for number in range(3) for status in "CPSW"]
    assert (shown.after, shown.looked, shown.full) == ("", 12, False)
    assert shown.rows[0].item["text"] == "Good morning."
    assert ids(Listing(store)(Filter(frozenset({S.SENDING, S.PENDING})))) == ["P0", "S0", "P1", "S1", "P2", "S2"]


@pytest.mark.parametrize("row", [problem, waiting])
def test_all_that_is_given_must_hold(row):
    """Error, recipient, subject, tag, reason and time each leave out what they do not mean."""
    store = MemoryStore()
    for number in range(9):
        store.put(row(f"m{number}", seconds=number))
    store.put(row("m1", seconds=1, error="bounced"))
    store.put(row("m2", seconds=2, to="Taro <TARO@example.org>"))
    store.put(row("m3", seconds=3, subject="Your Invoice"))
    store.put(row("m4", seconds=4, tags={"billing"}))
    store.put(row("m5", seconds=5, reason="The file is LOST."))
    states = Filter().states if row is problem else WAITS.states

    def found(**more):
        return sorted(ids(Listing(store)(Filter(states, **more))))

    assert found(error="bounced") == ["m1"]
    assert found(to="taro@") == ["m2"]
    assert found(subject="invoice") == ["m3"]
    assert found(tag="billing") == ["m4"]
    assert found(text="file is lost") == ["m5"]
    assert found(since=NOW + timedelta(seconds=7)) == ["m7", "m8"]
    assert found(until=NOW + timedelta(seconds=1)) == ["m0", "m1"]
    assert found(since=NOW + timedelta(seconds=2), until=NOW + timedelta(seconds=3), to="taro") == ["m2"]
    assert found(since=NOW.replace(year=1), until=NOW.replace(year=5)) == []
    assert len(found(since=NOW.replace(year=5))) == 9


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"states": frozenset()}, "state: "),
        ({"states": frozenset({S.SENT})}, "state: a list shows any of FAILED, HELD, UNKNOWN, or any of CHECKING"),
        ({"states": frozenset({S.FAILED, S.WAITING})}, "state: "),
        ({"since": NOW, "until": NOW - timedelta(seconds=1)}, "since: .* is after until"),
    ],
)
def test_what_no_list_can_show(parts, says):
    """Mixed or finished states and a span that ends before it begins are refused, naming what is wrong."""
    with pytest.raises(InvalidRequest, match=says):
        Filter(**parts)


@pytest.mark.parametrize("size", [0, -1, 201])
def test_a_page_is_one_that_somebody_reads(store, size):
    """A page of none, or of more than 200, is refused."""
    with pytest.raises(InvalidRequest, match="size: "):
        Listing(store)(Filter(), size)


def test_the_same_for_a_batch(store):
    """A batch means the very rows of a list of one state; of several states, or of what waits, there is none."""
    span = {"since": NOW, "until": NOW + timedelta(seconds=15)}
    wanted = Filter(frozenset({S.HELD}), "refused", "h", "order", "orders", "user", **span)
    assert wanted.where == Where(S.HELD, error="refused", to="h", subject="order", tag="orders", text="user", **span)
    assert [row.id for row in wanted.where.rows(store)] == ids(Listing(store)(wanted)) == ["H1", "H0"]
    assert Filter().where is WAITS.where is Filter(frozenset({S.WAITING})).where is None


def test_what_left_or_changed_is_left_out():
    """Rows that only the index still has make room for others, of which no more are read than may be needed."""
    store = MemoryStore()
    for number in range(12):
        store.put(waiting(f"m{number:02}", seconds=number))
    behind = Behind(store)
    store.remove("m00")
    store.edit("m01", status="FAILED", problem="FAILED", problem_at=at(0), lane=None, due_at=None)
    store.edit("m02", status="SENDING")
    shown = Listing(behind)(Filter(frozenset({S.WAITING})), 6)
    assert (ids(shown), shown.looked) == ([f"m{number:02}" for number in range(3, 9)], 9)
    assert behind.counts == {"reads": 2, "rows": 6 + 2 * 3}
    assert ids(Listing(behind)(Filter(frozenset({S.WAITING})), 6, shown.after)) == ["m09", "m10", "m11"]


def test_a_row_that_moved_between_two_states_is_shown_once():
    """Between two questions a row went from FAILED to HELD: both indexes show it."""
    store = MemoryStore()
    store.put(problem("a", "FAILED", 5))
    behind = Counted(store)
    behind.entries = lambda index, key, limit, **more: [
        problem("a", key, seconds) for state, seconds in (("FAILED", 5), ("HELD", 7)) if state == key
    ]
    (row,) = Listing(behind)(Filter()).rows
    assert row.status is S.HELD


def test_a_row_that_hands_broke_breaks_no_list():
    """Whatever was typed, it is shown, and the filters go by what can be read."""
    store = MemoryStore()
    broken = [
        {"to": 5, "subject": None, "reason": ["x"], "error": {"a": 1}, "tags": "orders"},
        {"to": ["a@example.com", 5], "subject": {"x"}, "tags": {"orders": 1}, "revision": "x"},
        {"status": "FAILD"},
        {"status": ["FAILED"], "to": b"\xff"},
        {"status": None},
    ]
    for number, more in enumerate(broken):
        store.put(problem(f"p{number}", seconds=number) | more)
        store.put(waiting(f"w{number}", seconds=number) | more)
    store.put(problem("p5", problem_at="yesterday"))
    store.put(problem("p6", problem_at="2026-13-77T00:00:00.000Z"))
    store.put(waiting("w5", due_at="tomorrow"))
    store.put(problem("p7", problem_at=5))
    assert ids(Listing(store)(Filter())) == ["p5", "p6", "p4", "p3", "p2", "p1", "p0"]
    assert ids(Listing(store)(WAITS)) == ["w0", "w1", "w2", "w3", "w4", "w5"]
    assert ids(Listing(store)(Filter(frozenset({S.WAITING})))) == ["w0", "w1", "w5"]
    bounded = Listing(store)(Filter(since=NOW))
    assert (ids(bounded), bounded.looked) == (["p4", "p3", "p2", "p1", "p0"], 6)
    assert ids(Listing(store)(Filter(WAITS.states, since=NOW))) == ["w0", "w1", "w2", "w3", "w4"]
    for more in ({"to": "a@"}, {"to": "5"}, {"subject": "x"}, {"tag": "orders"}, {"text": "x"}, {"error": "refused"}):
        for states in (PROBLEMS, WAITS.states):
            every_page(store, Filter(states, **more), 2)
    for states in (PROBLEMS, WAITS.states):
        assert len({each for page in every_page(store, Filter(states), 1) for each in ids(page)}) >= 6


@pytest.mark.parametrize(("row", "states", "most"), [(problem, PROBLEMS, 1000), (waiting, WAITS.states, 300)])
def test_a_filter_that_fits_little_looks_only_so_far(row, states, most):
    """A page gives what it found among so many entries, and the token to look on."""
    store = MemoryStore()
    for number in range(most + 200):
        store.put(row(f"m{number}", seconds=number, tags=["rare"] if number in (5, most + 195) else []))
    counted = Counted(store)
    first = Listing(counted)(Filter(states, tag="rare"))
    assert (len(first.rows), first.looked, first.full, bool(first.after)) == (1, most, False, True)
    assert counted.counts["entries"] < most + 16 * 200
    assert counted.counts["rows"] == (most if row is waiting else 0)
    second = Listing(store)(Filter(states, tag="rare"), after=first.after)
    assert (len(second.rows), second.looked, second.after) == (1, 200, "")


@pytest.mark.parametrize("size", [1, 25, 100])
def test_a_page_reads_what_it_shows(size):
    """Without a filter each partition is asked once, for one entry more than the page has; no other row is read."""
    store = MemoryStore()
    for number in range(600):
        store.put(problem(f"p{number}", ("FAILED", "HELD", "UNKNOWN")[number % 3], number))
        store.put(waiting(f"w{number}", ("WAITING", "PENDING")[number % 2], number % 7))
    after = {PROBLEMS: "", WAITS.states: "", frozenset({S.FAILED}): ""}
    for page in range(2):
        for states, partitions in ((PROBLEMS, 3), (WAITS.states, 16), (frozenset({S.FAILED}), 1)):
            counted = Counted(store)
            shown = Listing(counted)(Filter(states), size, after[states])
            after[states] = shown.after
            rows = {"reads": 1, "rows": size} if states == WAITS.states else {}
            assert (len(shown.rows), shown.looked, shown.full) == (size, size, True), page
            assert counted.asked == [size + 1] * partitions
            assert {name: count for name, count in counted.counts.items() if name != "entries"} == {
                "queries": partitions
            } | rows

"""What every store shows of its indexes, entry by entry, and how it reads many rows: memory, moto, the embedded AWS."""

from datetime import UTC, datetime, timedelta

import pytest

from outbox.core import clock, places
from outbox.core.change import Expect, Patch
from outbox.core.places import INDEXES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = {"problems": "FAILED", "due": "normal-3", "by_day": "2026-01-01-3", "by_recipient": "taro@example.com"}
# An index gives entries of one moment in an order of its own: what a test expects of them is that they are all there.
SAME = clock.text(NOW)
every_index = pytest.mark.parametrize("index", INDEXES)
both_ways = pytest.mark.parametrize("latest_first", [False, True])


def at(number):
    return clock.text(NOW + timedelta(minutes=number))


def write(store, index, mail_id, moment, key=None, **more):
    """Write a row under a key of an index, into the table that has it."""
    table, name, sort = INDEXES[index]
    item = {"id": mail_id, name: key or KEYS[index], sort: moment} | more
    if table == "outbox":
        store.add(item, once=False)
    else:
        store.keep(item)
    return item


def ids(entries):
    return [entry["id"] for entry in entries]


def pages(store, index, size, **more):
    """Go through an index in pages, each after the last entry of the one before."""
    found = [store.entries(index, KEYS[index], size, **more)]
    while len(found[-1]) == size:
        found.append(store.entries(index, KEYS[index], size, after=found[-1][-1], **more))
    return ids(entry for page in found for entry in page)


@every_index
def test_entries_come_by_time_both_ways(store, index):
    """The first or the last so many of one key, whatever order they were written in, and nothing of another key."""
    for number in (2, 0, 3, 1):
        write(store, index, f"m{number}", at(number))
    write(store, index, "other", at(1), key="other")
    assert ids(store.entries(index, KEYS[index], 9)) == ["m0", "m1", "m2", "m3"]
    assert ids(store.entries(index, KEYS[index], 2)) == ["m0", "m1"]
    assert ids(store.entries(index, KEYS[index], 9, latest_first=True)) == ["m3", "m2", "m1", "m0"]
    assert ids(store.entries(index, KEYS[index], 2, latest_first=True)) == ["m3", "m2"]
    assert store.entries(index, "nothing", 9) == store.entries(index, KEYS[index], 0) == []


@every_index
def test_an_entry_shows_what_its_index_has(store, index):
    """Keys and time, and of a problem what lists show; no body, which would have to be read from the row."""
    listed = dict.fromkeys(places.LISTED, "x")
    item = write(store, index, "a", at(0), **listed, text="Good morning.", timeline=[])
    shown = {"id", *INDEXES[index][1:], *(listed if index == "problems" else ())}
    assert store.entries(index, KEYS[index], 1) == [{name: item[name] for name in shown}]


@every_index
def test_both_bounds_are_included(store, index):
    """A span has both its ends; with one end it is open at the other; one that ends before it begins is empty."""
    for number in range(5):
        write(store, index, f"m{number}", at(number))

    def within(**span):
        return ids(store.entries(index, KEYS[index], 9, **span))

    assert within(since=at(1), until=at(3)) == ["m1", "m2", "m3"]
    assert within(since=at(1), until=at(3), latest_first=True) == ["m3", "m2", "m1"]
    assert within(since=at(3)) == ["m3", "m4"]
    assert within(until=at(1)) == ["m0", "m1"]
    assert within(since=at(2), until=at(2)) == ["m2"]
    assert within(since=at(3), until=at(1)) == []


def test_times_are_bounded_as_they_are_stored(store):
    """What a hand typed instead of a moment lies before or behind all moments, and an open end takes it in."""
    for moment in ("0", at(0), "yesterday"):
        write(store, "problems", moment, moment)
    assert ids(store.entries("problems", "FAILED", 9, since=at(0))) == [at(0), "yesterday"]
    assert ids(store.entries("problems", "FAILED", 9, until=at(0))) == ["0", at(0)]
    assert ids(store.entries("problems", "FAILED", 9)) == ["0", at(0), "yesterday"]


@both_ways
@every_index
def test_pages_join_without_gap_or_repeat(store, index, latest_first):
    """Each entry once and by time, also where a page ends among many of the very same moment."""
    moments = {f"m{number:02}": at((number + 5) // 15) for number in range(40)}
    for mail_id, moment in moments.items():
        write(store, index, mail_id, moment)
    for size in (1, 7, 20):
        found = pages(store, index, size, latest_first=latest_first)
        assert sorted(found) == sorted(moments)
        times = [moments[mail_id] for mail_id in found]
        assert times == sorted(times, reverse=latest_first)
        assert pages(store, index, size, latest_first=latest_first) == found
        span = {"since": at(1), "until": at(1), "latest_first": latest_first}
        assert sorted(pages(store, index, size, **span)) == [each for each in moments if moments[each] == at(1)]


@both_ways
def test_it_goes_on_after_what_is_gone(store, latest_first):
    """The place of an entry stays one when its row leaves, or moves to another time, in which case it comes again."""
    for number in range(4):
        write(store, "due", f"m{number}", SAME)
    first, second, third, fourth = store.entries("due", KEYS["due"], 4, latest_first=latest_first)
    store.drop(second["id"], Expect())
    assert store.entries("due", KEYS["due"], 4, after=second, latest_first=latest_first) == [third, fourth]
    store.update(first["id"], Expect(), Patch({"due_at": at(-1 if latest_first else 1)}))
    found = store.entries("due", KEYS["due"], 4, after=first, latest_first=latest_first)
    assert ids(found) == [third["id"], fourth["id"], first["id"]]


@both_ways
def test_it_goes_on_after_what_lies_outside_the_span(store, latest_first):
    """Before the span it begins at its beginning; behind it there is nothing."""
    for number in range(5):
        write(store, "due", f"m{number}", at(number))
    low, *_, high = store.entries("due", KEYS["due"], 5)
    span = {"since": at(1), "until": at(3), "latest_first": latest_first}
    before, behind = (high, low) if latest_first else (low, high)
    assert sorted(ids(store.entries("due", KEYS["due"], 9, after=before, **span))) == ["m1", "m2", "m3"]
    assert store.entries("due", KEYS["due"], 9, after=behind, **span) == []


def test_more_than_one_answer_holds(store):
    """Fewer entries than asked for come only at the end, however large they are."""
    for number in range(5):
        write(store, "problems", f"m{number}", at(number), subject="x" * 300_000)
    assert ids(store.entries("problems", "FAILED", 4)) == ["m0", "m1", "m2", "m3"]
    assert ids(store.entries("problems", "FAILED", 9)) == ["m0", "m1", "m2", "m3", "m4"]


@pytest.mark.parametrize("index", ["due", "by_day"])
def test_rows_come_as_they_are_asked_for(store, index):
    """More than a hundred whole rows in the order of the ids; each once, and without those that are gone."""
    wanted = [f"m{number}" for number in range(0, 260, 2)]
    written = {mail_id: write(store, index, mail_id, SAME, text=mail_id) for mail_id in wanted}
    table = INDEXES[index][0]
    asked = [f"m{number}" for number in range(259, -1, -1)]
    assert store.rows(table, [*asked, "m4", "m0"]) == [written[each] for each in asked if each in written]
    other = {"outbox": "history", "history": "outbox"}[table]
    assert store.rows(other, asked) == store.rows(table, []) == []

"""A mail goes back from history to the outbox in one step, in every store; and what a bad day makes of that."""

import threading

import pytest

from outbox.core import places, transitions
from outbox.core.change import CheckedRow, Expect, Patch, seen
from outbox.core.errors import AlreadyThere, Lost, TooLarge
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from tests.store.test_contract import NOW, new
from tests.store.test_faults import Fault

COPIES = {"cc": ["ken@example.com", "taro@example.com"], "bcc": ["mia@example.com"]}


def cancel(store, **parts):
    """Write a mail and call it back; give its row of history."""
    item = new(**parts)
    store.add(item, once=False)
    store.finish(
        "a", seen(item, "revision", "status"), transitions.cancelled(Row(item), Stamp(NOW, "bob"), Retention(400))
    )
    return store.get_finished("a")


def again(finished, who="alice"):
    """Make the row it shall be."""
    base, patch = transitions.reopened(Row(finished), Stamp(NOW, who))
    return CheckedRow(patch.applied(base), patch.change)


def as_seen(finished):
    return seen(finished, "revision", "status", "timeline", "resent_as")


def test_a_mail_is_moved_back_with_nothing_left_behind(store):
    """The row is in the outbox and in its index; no index of history finds it, nor a copy's item."""
    finished = cancel(store, **COPIES)
    store.reopen(finished, as_seen(finished), again(finished))
    assert store.get("a") == again(finished)
    assert store.every("history", 10).items == []
    for email in ("taro@example.com", "ken@example.com", "mia@example.com"):
        assert store.copies(email, 10).items == []
    assert [row["id"] for row in store.by_problem("HELD", 10).items] == ["a"]
    assert store.by_day(places.day("a", NOW), 10).items == []


def test_it_can_come_and_go_more_than_once(store):
    """Called back again it is found in history by everybody again."""
    finished = cancel(store, **COPIES)
    store.reopen(finished, as_seen(finished), again(finished))
    row = Row(store.get("a"))
    store.finish(
        "a", seen(row.item, "revision", "status"), transitions.cancelled(row, Stamp(NOW, "bob"), Retention(400))
    )
    assert store.get("a") is None
    assert [row["id"] for row in store.by_recipient("mia@example.com", 10).items] == ["a"]


def test_no_row_of_the_outbox_is_written_over(store):
    """A second row of the same id stands, history keeps the mail, and the one who asked sees the row."""
    finished = cancel(store, **COPIES)
    other = new(subject="Other")
    store.add(other, once=False)
    before = store.every("history", 10).items
    with pytest.raises(Lost) as lost:
        store.reopen(finished, as_seen(finished), again(finished))
    assert lost.value.row == other
    assert store.get("a") == other
    assert sorted(row["id"] for row in store.every("history", 10).items) == sorted(row["id"] for row in before)


@pytest.mark.parametrize("change", ["revision", "timeline", "resent_as", "gone"])
def test_history_must_be_as_it_was_seen(store, change):
    """Changed or gone meanwhile, nothing is moved."""
    finished = cancel(store, **COPIES)
    if change == "gone":
        store.erase("a")
    else:
        store.annotate("a", Patch({change: [{"id": "b"}] if change != "revision" else 9}))
    with pytest.raises(Lost) as lost:
        store.reopen(finished, as_seen(finished), again(finished))
    assert lost.value.row is None
    assert store.get("a") is None
    assert (store.get_finished("a") is None) == (change == "gone")
    assert len(store.copies("ken@example.com", 10).items) == 1


def test_a_row_without_room_leaves_everything_as_it_was(store):
    """What the outbox cannot take stays in history."""
    finished = cancel(store, **COPIES)
    with pytest.raises(TooLarge):
        store.reopen(finished, as_seen(finished), again(finished).also({"note": "x" * 410_000}))
    assert store.get("a") is None
    assert store.get_finished("a") == finished


def test_a_mail_with_more_copies_than_are_indexed_is_moved_all_the_same(store):
    """A person may have typed any number of copies; a transaction takes a hundred items."""
    finished = cancel(store)
    store.annotate("a", Patch({"cc": [f"copy-{number}@example.com" for number in range(120)]}))
    finished = store.get_finished("a")
    store.reopen(finished, as_seen(finished), again(finished))
    assert len(store.get("a")["cc"]) == 120


def test_whose_write_it_was_is_told_also_without_a_timeline(store, store_kind):
    """The same again is our own write, whose answer was lost; another person's, without any trace of who, is not."""
    finished = cancel(store)
    ours, theirs = (again(finished, who).only({*again(finished)} - {"timeline"}) for who in ("alice", "bob"))
    store.reopen(finished, as_seen(finished), ours)
    if store_kind != "memory":
        store.reopen(finished, as_seen(finished), ours)
    with pytest.raises(Lost) as lost:
        store.reopen(finished, as_seen(finished), theirs)
    assert lost.value.row == ours


def test_the_key_is_spent_at_every_moment(store, store_kind):
    """Who enqueues with the same key, as often as possible, while the mail comes and goes, is never let in."""
    if store_kind == "moto":
        pytest.skip("its transactions are not one step")
    cancel(store)
    done, refused, taken = threading.Event(), 0, []

    def enqueue():
        nonlocal refused
        while not done.is_set():
            try:
                store.add(new() | {"subject": "Taken"}, once=True)
                taken.append(1)
            except AlreadyThere:
                refused += 1

    thread = threading.Thread(target=enqueue)
    thread.start()
    try:
        for _ in range(50 if store_kind == "memory" else 10):
            finished = store.get_finished("a")
            store.reopen(finished, as_seen(finished), again(finished))
            row = Row(store.get("a"))
            store.finish(
                "a", seen(row.item, "revision", "status"), transitions.cancelled(row, Stamp(NOW, "bob"), Retention(400))
            )
    finally:
        done.set()
        thread.join()
    assert (taken, store.get_finished("a")["subject"]) == ([], "Hello")
    assert refused


@pytest.mark.stack
@pytest.mark.parametrize("how", ["lost_answer", "torn"])
def test_a_connection_that_breaks_moves_it_once(embedded, how):
    """Whether it broke before or after, the same call again ends well, in one place."""
    finished = cancel(embedded)
    getattr(Fault(embedded, "TransactWriteItems"), how)()
    if how == "lost_answer":
        with pytest.raises(ConnectionResetError):
            embedded.reopen(finished, as_seen(finished), again(finished))
    embedded.reopen(finished, as_seen(finished), again(finished))
    assert (embedded.get("a"), embedded.get_finished("a")) == (again(finished), None)


def test_an_expectation_of_nothing_still_wants_the_row(store):
    """A mail that history does not have is not made up."""
    finished = transitions.cancelled(Row(new()), Stamp(NOW, "bob"), Retention(400))
    with pytest.raises(Lost):
        store.reopen(finished, Expect({"status": "CANCELLED"}), again(finished))
    assert store.get("a") is None

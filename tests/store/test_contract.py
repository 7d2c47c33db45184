"""What every store must do: one suite for memory, moto and the embedded AWS."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from outbox.core import clock, places, transitions
from outbox.core.change import ABSENT, CheckedRow, Expect, Patch, seen
from outbox.core.codes import ErrorCode
from outbox.core.errors import AlreadyThere, Lost, TooLarge
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import Cause, StateChange, Status
from outbox.core.transitions import Stamp
from tests.conftest import make_mail

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def new(mail_id="a", **parts):
    return transitions.new(make_mail(**parts), mail_id, Stamp(NOW, "tester"))


def claimed(mail_id="a", **parts):
    """Make a row that a worker has in its hands."""
    return CheckedRow(new(mail_id, **parts) | {"status": "SENDING"}, StateChange(Cause.CLAIM, None, Status.SENDING))


def finished(item, delivery_id="7"):
    return transitions.sent(Row({**item, "status": "SENDING"}), delivery_id, Stamp(NOW, "tester"), Retention(400))


ODD = {
    "number": 5,
    "negative": -(10**20),
    "fraction": Decimal("1.5"),
    "huge": Decimal("1E+120"),
    "yes": True,
    "nothing": None,
    "empty": "",
    "list": [1, "a", [True, None]],
    "map": {"a": {"b": [b"x", 2]}},
    "bytes": b"\x00\xff",
    "words": {"a", "b"},
    "numbers": {1, 2},
    "japanese": "田中",
}


def test_gives_back_what_was_written(store):
    """A row comes back as it was, whatever types it holds."""
    item = new() | ODD
    store.add(item, once=False)
    assert store.get("a") == item
    assert type(store.get("a")["number"]) is int
    assert store.get("missing") is None
    assert store.get_finished("a") is None


@pytest.mark.parametrize("once", [True, False])
def test_an_id_is_written_once(store, once):
    """The second row of an id is refused and shows the first."""
    store.add(new(), once=once)
    with pytest.raises(AlreadyThere) as taken:
        store.add(new(subject="Other"), once=once)
    assert taken.value.row["subject"] == "Hello"
    assert taken.value.finished is None
    assert store.get("a")["subject"] == "Hello"


def test_a_spent_key_in_history_is_refused_only_when_asked(store):
    """With `once`, an id that history has is taken."""
    store.keep(finished(new()))
    with pytest.raises(AlreadyThere) as taken:
        store.add(new(), once=True)
    assert taken.value.row is None
    assert taken.value.finished["delivery_id"] == "7"
    store.add(new(), once=False)


def test_an_update_happens_only_if_the_row_is_as_expected(store):
    """A condition that fails changes nothing and shows the row as it is."""
    store.add(new(), once=False)
    with pytest.raises(Lost) as lost:
        store.update("a", Expect({"revision": 2}), Patch({"note": "x"}))
    assert lost.value.row == store.get("a")
    after = store.update(
        "a", Expect({"revision": 1}, frozenset({"PENDING"})), Patch({"revision": 2}, frozenset({"lane"}))
    )
    assert after == store.get("a")
    assert (after["revision"], "lane" in after) == (2, False)
    with pytest.raises(Lost) as gone:
        store.update("missing", Expect(), Patch({"x": 1}))
    assert gone.value.row is None
    assert store.get("missing") is None


@pytest.mark.parametrize("name", [*ODD, "absent"])
def test_expects_a_value_of_any_type(store, name):
    """What was seen, of whatever type, or nothing, is what must still be there."""
    item = new() | ODD
    store.add(item, once=False)
    store.update("a", seen(item, name), Patch({"other": 1}))
    for wrong in ("nope", 6, False, ABSENT if name in ODD else "x"):
        with pytest.raises(Lost):
            store.update("a", Expect({name: wrong}), Patch({"other": 2}))
    assert store.get("a")["other"] == 1


def test_tells_one_from_true(store, store_kind):
    """1 and True are different values."""
    if "moto" in store_kind:
        pytest.skip("moto takes them for the same")
    store.add(new() | {"x": True}, once=False)
    with pytest.raises(Lost):
        store.update("a", Expect({"x": 1}), Patch({"y": 1}))


def test_an_update_repeated_after_a_lost_answer_succeeds(store):
    """The row is already as the patch makes it: it was our own write."""
    item = new()
    store.add(item, once=False)
    expect, patch = transitions.claim(item, NOW, timedelta(seconds=9), "token")
    first = store.update("a", expect, patch)
    if hasattr(store, "client"):
        assert store.update("a", expect, patch) == first
    with pytest.raises(Lost):
        store.update("a", expect, transitions.claim(item, NOW, timedelta(seconds=9), "another")[1])


def test_drops_an_attribute_it_also_sets_only_once(store):
    """What is set stays, also if the same patch would drop it."""
    store.add(new(), once=False)
    after = store.update("a", Expect(), Patch({"lane": "normal-1"}, frozenset({"lane", "missing"})))
    assert after["lane"] == "normal-1"


def test_finish_moves_a_row_to_history_in_one_step(store):
    """Afterwards it is there and not here."""
    item = claimed()
    store.add(item, once=False)
    store.finish("a", Expect({"revision": 1, "status": "SENDING"}), finished(item))
    assert store.get("a") is None
    assert store.get_finished("a")["delivery_id"] == "7"


def test_finish_does_neither_when_the_row_has_changed(store):
    """Both or none: history stays empty when the row is not as expected."""
    item = claimed()
    store.add(item, once=False)
    with pytest.raises(Lost) as lost:
        store.finish("a", Expect({"revision": 9, "status": "SENDING"}), finished(item))
    assert (lost.value.row, lost.value.finished) == (item, False)
    assert store.get_finished("a") is None
    with pytest.raises(Lost) as gone:
        store.finish("b", Expect({"status": "SENDING"}), finished(new("b")))
    assert gone.value.row is None


def test_finish_does_not_write_over_history(store):
    """History keeps its first truth; the row stays for somebody to look at."""
    item = claimed()
    store.add(item, once=False)
    store.keep(finished(item, "1"))
    with pytest.raises(Lost) as lost:
        store.finish("a", Expect({"revision": 1, "status": "SENDING"}), finished(item, "2"))
    assert lost.value.finished
    assert store.get_finished("a")["delivery_id"] == "1"
    assert store.get("a") == item


def test_keep_writes_once_and_shows_what_is_there(store):
    """A second truth is shown the first; the same again is fine."""
    first = finished(new(), "1")
    assert store.keep(first) is None
    assert store.keep(first) is None
    assert store.keep(finished(new(), "2"))["delivery_id"] == "1"
    store.annotate("a", Patch({"note": "x"}))
    assert store.get_finished("a")["note"] == "x"
    with pytest.raises(Lost):
        store.annotate("missing", Patch({"note": "x"}))


def test_says_when_there_is_no_room(store):
    """An item over 400 KB is refused as such, and nothing is written."""
    store.add(claimed(), once=False)
    item = store.get("a")
    for write in (
        lambda: store.add(new("big") | {"x": "x" * 410_000}, once=False),
        lambda: store.add(new("big") | {"x": "x" * 410_000}, once=True),
        lambda: store.update("a", Expect(), Patch({"x": "x" * 410_000})),
        lambda: store.finish("a", Expect({"status": "SENDING"}), finished(item).also({"x": "x" * 410_000})),
        lambda: store.keep(finished(new("big")).also({"x": "x" * 410_000})),
    ):
        with pytest.raises(TooLarge):
            write()
    assert store.get("big") is None
    assert store.get("a") == item


def test_lists_what_is_due_and_nothing_else(store):
    """By lane, up to a moment, the longest due first, at most so many."""
    lane = places.lane("x", urgent=False)
    for number in (3, 1, 2, 9):
        due_at = clock.text(NOW + timedelta(minutes=number))
        store.add(new(f"m{number}") | {"lane": lane, "due_at": due_at}, once=False)
    store.add(new("elsewhere") | {"lane": "urgent-0"}, once=False)
    store.add({name: value for name, value in new("never").items() if name not in ("lane", "due_at")}, once=False)
    due = store.due(lane, NOW + timedelta(minutes=3), 10)
    assert [entry.id for entry in due] == ["m1", "m2", "m3"]
    assert due[0].due_at == clock.text(NOW + timedelta(minutes=1))
    assert [entry.id for entry in store.due(lane, NOW + timedelta(minutes=3), 2)] == ["m1", "m2"]
    assert store.due(lane, NOW, 10) == []


def everything(page_of):
    cursor, ids = None, []
    while True:
        page = page_of(cursor)
        ids += [item["id"] for item in page.items]
        cursor = page.cursor
        if cursor is None:
            return ids


def test_lists_page_by_page_in_order(store):
    """Problems and history the latest first, lanes the next due first; pages join without gap or repeat."""
    for number in range(7):
        moment = clock.text(NOW + timedelta(minutes=number))
        store.add(
            new(f"p{number}") | {"problem": "FAILED", "problem_at": moment, "due_at": moment, "lane": "normal-0"},
            once=False,
        )
        item = finished(new(f"h{number}"), "5") | {"finished_at": moment, "day": "2026-01-01-0"}
        store.keep(item)
    down, up = [f"{n}" for n in range(6, -1, -1)], [f"{n}" for n in range(7)]
    assert everything(lambda cursor: store.by_problem("FAILED", 3, cursor)) == [f"p{n}" for n in down]
    assert everything(lambda cursor: store.by_lane("normal-0", 3, cursor)) == [f"p{n}" for n in up]
    assert everything(lambda cursor: store.by_recipient("taro@example.com", 3, cursor)) == [f"h{n}" for n in down]
    assert everything(lambda cursor: store.by_day("2026-01-01-0", 3, cursor)) == [f"h{n}" for n in down]
    assert {item["id"] for item in store.by_delivery("5").items} == {f"h{n}" for n in range(7)}
    assert store.by_problem("HELD", 3).items == []
    assert store.by_problem("FAILED", 1).items[0]["subject"] == "Hello"


def test_every_status_can_be_expected(store):
    """A row is taken only in one of the states asked for."""
    store.add(new(), once=False)
    with pytest.raises(Lost):
        store.update("a", Expect(statuses=frozenset({Status.HELD, Status.FAILED})), Patch({"x": 1}))
    assert store.update("a", Expect(statuses=frozenset({Status.PENDING, Status.HELD})), Patch({"x": 1}))["x"] == 1


def finish(store, mail_id="a", delivery_id="7", **parts):
    """Write a mail and move it to history."""
    item = claimed(mail_id, **parts)
    store.add(item, once=False)
    store.finish(mail_id, seen(item, "revision", "status"), finished(item, delivery_id))


def bounce(number, delivery_id="7", recipient="taro@example.com"):
    """Make a bounce as it lies in history."""
    day = places.bounce_day("2026-01-02")
    item = {"id": f"{places.BOUNCE}{number}", "delivery_id": delivery_id, "recipient": recipient, "day": day}
    return item | {"finished_at": clock.text(NOW + timedelta(days=1, seconds=number)), "type": "HARDERROR"}


def test_history_finds_a_mail_by_every_recipient(store):
    """Cc and bcc find the mail as the recipient does, once each, whatever case they were written in."""
    finish(store, "key:with:colons", cc=["Ken <KEN@example.com>", "ken@example.com"], bcc=["mia@example.com"])
    for email in ("taro@example.com", "ken@example.com", "mia@example.com"):
        assert [row["id"] for row in store.by_recipient(email, 10).items] == ["key:with:colons"]
    assert store.by_recipient("KEN@example.com", 10).items == []


def test_a_kept_mail_is_found_by_its_copies_too(store):
    """A mail written to history alone is indexed as one that was moved there."""
    store.keep(finished(new(cc=["ken@example.com"])))
    assert [row["id"] for row in store.by_recipient("ken@example.com", 10).items] == ["a"]


def test_a_bounce_that_comes_first_is_no_mail(store):
    """A bounce under a delivery id does not make the mail API's delivery look like a known mail."""
    store.keep(bounce(1))
    assert not store.has_delivery("7")
    assert store.by_delivery("7").items == []
    assert [each["type"] for each in store.bounces("7")] == ["HARDERROR"]


def test_mails_and_bounces_are_told_apart_in_every_list(store):
    """By delivery, address and day, each list shows its own kind."""
    finish(store)
    for number in (1, 2):
        store.keep(bounce(number))
    ours = {f"{places.BOUNCE}{number}" for number in (1, 2)}
    assert [row["id"] for row in store.by_delivery("7").items] == ["a"]
    assert store.has_delivery("7")
    assert {row["id"] for row in store.bounces("7")} == ours
    assert [row["id"] for row in store.by_recipient("taro@example.com", 10).items] == ["a"]
    assert {row["id"] for row in store.bounces_of("taro@example.com", 10).items} == ours
    assert [row["id"] for row in store.bounces_on("2026-01-02", 10).items] == [f"{places.BOUNCE}2", f"{places.BOUNCE}1"]
    assert {row["id"] for row in store.copies("taro@example.com", 10).items} == ours | {"a"}


def test_a_linked_row_is_written_with_its_note_or_not_at_all(store):
    """A mail sent again from history is written only while history is as it was seen."""
    finish(store)
    origin = store.get_finished("a")
    note = Patch({"revision": origin["revision"] + 1, "resent_as": ["b"]})
    store.add_linked(new("b"), "a", seen(origin, "revision"), note)
    assert store.get_finished("a")["resent_as"] == ["b"]
    assert store.get("b") is not None
    with pytest.raises(Lost):
        store.add_linked(new("c"), "a", seen(origin, "revision"), note)
    assert store.get("c") is None


def test_history_is_changed_only_as_expected(store):
    """A note on a history row can be bound to the row as it was seen."""
    finish(store)
    origin = store.get_finished("a")
    store.annotate("a", Patch({"revision": 99}), seen(origin, "revision"))
    with pytest.raises(Lost):
        store.annotate("a", Patch({"revision": 100}), seen(origin, "revision"))
    store.erase("a")
    store.erase("a")
    assert store.get_finished("a") is None


def test_every_row_is_seen_page_by_page(store):
    """An inspection sees each row of a table once."""
    for number in range(5):
        store.add(new(f"m{number}"), once=False)
    pages, cursor = [], None
    while True:
        page = store.every("outbox", 2, cursor)
        pages += [row["id"] for row in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(pages) == [f"m{number}" for number in range(5)]
    assert store.every("history", 10).items == []


def test_many_new_rows_are_written_at_once(store, store_kind):
    """Up to 25 rows in one call; nothing is left over, and they are there."""
    items = [new(f"m{number}") for number in range(25)]
    assert list(store.add_all(items)) == []
    assert store.get("m24") == items[24]
    if store_kind == "moto":
        return  # It takes items of any size in a batch.
    with pytest.raises(TooLarge):
        store.add_all([new("small"), new("large") | {"note": "x" * 410_000}])
    assert store.get("small") is None


def test_tells_which_ids_are_taken_where(store):
    """Of a hundred and one ids, those in the outbox and those in history."""
    finish(store, "done")
    store.add(new("open"), once=False)
    ids = ["done", "open", *(f"absent-{number}" for number in range(99))]
    assert store.present(ids) == ({"open"}, {"done"})
    assert store.present([]) == (set(), set())


def test_lists_the_problems_of_a_span_of_time(store):
    """Both ends are included; without bounds also what has no readable time."""
    for number in range(4):
        row = Row(claimed(f"m{number}"))
        store.add(row.item, once=False)
        at = NOW + timedelta(hours=number)
        store.update(
            row.id,
            seen(row.item, "status"),
            transitions.dead_letter(row, ErrorCode.REFUSED, {"answer": "No."}, Stamp(at, "tester")),
        )
    odd = new("odd") | {"status": "FAILED", "problem": "FAILED", "problem_at": "yesterday"}
    store.add(odd, once=False)
    span = {"since": NOW + timedelta(hours=1), "until": NOW + timedelta(hours=2)}
    assert [row["id"] for row in store.by_problem("FAILED", 10, **span).items] == ["m2", "m1"]
    assert [row["id"] for row in store.by_problem("FAILED", 10, since=span["until"]).items] == ["m3", "m2"]
    assert [row["id"] for row in store.by_problem("FAILED", 10).items] == ["odd", "m3", "m2", "m1", "m0"]


@pytest.mark.parametrize("expect", [Expect(), Expect({"revision": 1}), Expect({"status": "HELD"})])
def test_a_state_is_changed_only_over_the_state_it_starts_from(store, expect):
    """Every store refuses a write that does not expect it: the table of states cannot be passed by."""
    item = claimed()
    store.add(item, once=False)
    row = Row(item)
    patch = transitions.dead_letter(row, ErrorCode.REFUSED, {"answer": "No."}, Stamp(NOW, "tester"))
    with pytest.raises(ValueError, match="must expect the status"):
        store.update("a", expect, patch)
    with pytest.raises(ValueError, match="must expect the status"):
        store.finish("a", expect, finished(item))
    assert store.get("a") == item

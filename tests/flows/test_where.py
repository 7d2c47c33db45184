"""Which rows are meant: what is typed, what matches, and a walk that loses no row while others leave."""

from datetime import UTC, datetime

import pytest

from outbox.core import clock
from outbox.core.errors import InvalidMail, InvalidRequest
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.flows import where
from outbox.flows.correct import changes, corrections
from outbox.flows.where import Place, Where
from outbox.testing import MemoryStore


def failed(number, **more):
    """Make a row that failed at its second."""
    at = f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z"
    item = {"id": f"m{number}", "status": "FAILED", "problem": "FAILED", "problem_at": at, "reason": "Refused: x"}
    return item | {"to": f"t{number}@example.co", "error": "refused"} | more


@pytest.fixture
def store():
    """Give a store of ten failed rows."""
    store = MemoryStore()
    for number in range(10):
        store.put(failed(number))
    return store


def ids(store, *pairs):
    """List the ids that are meant."""
    return sorted(row.id for row in where.of(pairs).rows(store))


def test_each_key_narrows(store):
    """State, error, text, domain, tag and time each leave out what they do not mean."""
    store.put(failed(1, status="UNKNOWN", problem="UNKNOWN", error="unknown"))
    store.put(failed(2, error="suppressed"))
    store.put(failed(3, reason="The file is LOST."))
    store.put(failed(4, to="Taro <taro@Example.COM>"))
    store.put(failed(5, to="taro@sub.example.com", tags=["orders"]))
    store.put(failed(6, problem_at="2026-02-01T23:59:59.999Z"))

    assert ids(store, "state=unknown") == ["m1"]
    assert ids(store, "error=suppressed") == ["m2"]
    assert ids(store, "text=file is lost") == ["m3"]
    assert ids(store, "domain=EXAMPLE.com") == ["m4"]
    assert ids(store, "tag=orders") == ["m5"]
    assert ids(store, "day=2026-02-01") == ids(store, "since=2026-01-02") == ["m6"]
    assert ids(store, "since=2026-01-01T09:00:07+09:00", "until=2026-01-01") == ["m7", "m8", "m9"]
    assert ids(store, "until=2026-01-01", "error=refused", "domain=example.co") == ["m0", "m3", "m7", "m8", "m9"]


def test_a_part_of_recipient_and_subject(store):
    """Both are parts of what is written, in capitals or not; what a hand made a number or a list breaks nothing."""
    store.put(failed(1, to="Taro YAMADA <taro@example.com>", subject="ご注文 Order 77"))
    store.put(failed(2, to=["taro@example.com"], subject=77))
    store.put(failed(3, to=5, subject=None))
    assert ids(store, "to=yamada <TARO@") == ["m1"]
    assert ids(store, "to=taro") == ids(store, "subject=77") == ["m1", "m2"]
    assert ids(store, "subject=ご注文 ORDER", "to=example.com") == ["m1"]
    assert ids(store, "to=t4@example.co") == ["m4"]
    assert ids(store, "subject=nothing") == []


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("colour=red", "'colour=red' is not KEY=VALUE with one of the keys state, error"),
        ("state", "not KEY=VALUE"),
        ("state=sent", "state: 'sent' is none that waits for a person"),
        ("state=", "state: is empty"),
        ("since=yesterday", "since: must be a date"),
        ("since=2026-13-01", "since: must be a date"),
        ("until=2026-01-01T09:00", "until: '2026-01-01T09:00' is neither"),
        ("day=2026-1-1x", "day: '2026-1-1x' is neither|day: must be a date"),
        ("domain=a@example.com", "domain: 'a@example.com' is no whole domain"),
        ("to=", "to: is empty"),
        ("domain=localhost", "domain: 'localhost' is no whole domain"),
    ],
)
def test_what_cannot_be_read(pair, says):
    """A slip is refused with the key and its rule."""
    with pytest.raises(InvalidRequest, match=says):
        where.of([pair])


def test_what_contradicts_itself():
    """Twice the same, a day and a range, a range that ends before it begins."""
    for pairs in (["tag=a", "tag=b"], ["day=2026-01-01", "since=2026-01-01"], ["since=2026-01-02", "until=2026-01-01"]):
        with pytest.raises(InvalidRequest):
            where.of(pairs)
    with pytest.raises(InvalidRequest):
        Where(Status.WAITING)


def test_it_is_kept_as_plain_values():
    """What was asked comes back from the item of the batch as it was."""
    asked = where.of(
        ["state=held", "error=x", "text=y", "since=2026-01-01", "domain=a.com", "tag=t", "to=b@", "subject=c"]
    )
    assert where.of_json(asked.as_json()) == asked
    assert {name: asked.as_json()[name] for name in ("to", "subject")} == {"to": "b@", "subject": "c"}
    assert where.of_json(Where().as_json()).state is Status.FAILED


@pytest.mark.parametrize("at_once", [1, 7, 250])
def test_a_walk_loses_nothing(at_once, monkeypatch):
    """Rows of one moment, rows that leave while we walk, rows that stay, and what is no moment: each once."""
    monkeypatch.setattr(where, "PAGE", 10)
    store = MemoryStore()
    for number in range(100):
        store.put(failed(number, problem_at=f"2026-01-01T00:00:{number // 40:02}.000Z"))
    store.put(failed(100, problem_at="2026 or so"))
    met, place = [], Place()

    def look(until):
        cursor = None
        while True:
            page = Where().page(store, cursor, until)
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    for number, (items, after) in enumerate(where.walk(look, place, at_once)):
        met += [item["id"] for item in items]
        assert clock.parse(after.until)
        for item in items if number % 2 else []:
            store.remove(item["id"])
    assert len(met) == len(set(met)) >= 100


def test_ids_are_read_one_by_one(store):
    """Ids need no index; those of no row, and of rows in another state, are not among the rows."""
    store.put(failed(1, status="PENDING"))
    assert [row.id for row in where.of([], ["m2", "m1", "nobody", "m2"]).rows(store)] == ["m2"]


def test_corrections():
    """Each correction changes only the rows that need it."""
    some = corrections(["sender-domain=old.jp:new.jp", "reply_to=", "tag+=b", "tag-=c", "subject=Hi"])
    row = {"sender": "Shop <a@OLD.jp>", "reply_to": "r@x.jp", "tags": ["b", "c"], "subject": "Hi"}
    assert changes(some, row) == {"sender": "Shop <a@new.jp>", "reply_to": "", "tags": ["b"]}
    assert changes(some, {"sender": "a@other.jp", "tags": ["b"], "subject": "Hi"}) == {}
    assert changes(corrections(["to-domain=a.jp:b.jp"]), {"to": 5}) == {}


@pytest.mark.parametrize(
    "typed",
    ["to=x@example.com", "subject=", "tag+", "to-domain=a.jp", "to-domain=a@b.jp:c.jp", "subject=a\x00b"],
)
def test_corrections_that_fit_no_mail(typed):
    """A slip is refused before the first row is touched, naming the field."""
    with pytest.raises(InvalidRequest, match=typed[:3]):
        corrections([typed])


def test_addresses_that_are_none():
    """A new sender or domain must be one."""
    for typed in ("sender=nobody", "reply_to=x y@example.com", "to-domain=a.jp:b c.jp"):
        with pytest.raises(InvalidMail):
            corrections([typed])
    for several in ([], ["subject=a", "subject=b"]):
        with pytest.raises(InvalidRequest):
            corrections(several)


def test_a_page_is_bounded():
    """Neither bound widens the other."""
    store = MemoryStore()
    for number in range(3):
        store.put(failed(number))
    asked = Where(until=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC))
    page = asked.page(store, until=datetime(2026, 1, 1, tzinfo=UTC))
    assert [Row(item).id for item in page.items] == ["m0"]

"""History a page at a time: each mail once, nothing read that is not shown, and no token that is not of the list."""

import base64
import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox import InvalidRequest
from outbox.core import clock, places
from outbox.core.bounce import Bounce
from outbox.core.places import BOUNCE
from outbox.core.states import Status
from outbox.flows.history import History, Sought
from outbox.flows.history_pages import Mark, Place
from outbox.testing import MemoryStore, TickingClock

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TARO, BOSS = "taro@example.com", "boss@example.com"


def mail(store, mail_id, moment, **parts):
    """Write a mail into history as the service does."""
    defaults = {"status": "SENT", "to": TARO, "subject": "Hello", "delivery_id": f"d-{mail_id}"}
    row = {"id": mail_id, "finished_at": clock.text(moment), "day": places.day(mail_id, moment), **defaults, **parts}
    row.setdefault("recipient", places.recipient(row["to"]))
    store.keep({name: value for name, value in row.items() if value is not None})


def came_back(store, delivery, moment, email=TARO):
    """Write a bounce into history; give its id."""
    number = sum(item_id.startswith(BOUNCE) for item_id in store.history)
    event = Bounce(f"{BOUNCE}{number:032x}", "HARDERROR", moment, moment, email, "550", delivery_id=delivery)
    store.keep(event.item(400))
    return event.id


class Counted(MemoryStore):
    """A memory store that counts what is asked of it and what it gives."""

    def __init__(self):
        super().__init__()
        self.reset()

    def reset(self):
        self.queries = self.entries_read = self.rows_read = 0

    def entries(self, *arguments, **named):
        found = super().entries(*arguments, **named)
        self.queries += 1
        self.entries_read += len(found)
        return found

    def rows(self, table, ids):
        assert len(ids) == len(set(ids))
        assert len(ids) <= 100
        self.rows_read += len(ids)
        return super().rows(table, ids)


@pytest.fixture
def store():
    return Counted()


@pytest.fixture
def history(store):
    return History(store, TickingClock(NOW))


def ids(mails):
    return [kept.row.id for kept in mails]


def walk(history, sought, size=25, most=200):
    """Go through all pages."""
    pages, after = [], ""
    for _ in range(most):
        found = history.page(sought, size, after)
        pages.append(ids(found.mails))
        after = found.after
        if not after:
            return pages
    return pytest.fail("the pages do not end")


def flat(pages):
    return [each for page in pages for each in page]


def times(store, mail_ids):
    return [store.history[each]["finished_at"] for each in mail_ids]


@pytest.fixture
def three_days(store):
    """Write a mail a day for three days; the middle one has a copy and a tag, and came back."""
    mail(store, "old", NOW - timedelta(days=2), subject="Welcome")
    mid = {"to": "Hanako <hanako@example.com>", "cc": ["Boss@Example.com"], "tags": ["shop"], "delivery_id": "2"}
    mail(store, "mid", NOW - timedelta(days=1), subject="Your ORDER", **mid)
    came_back(store, "2", NOW - timedelta(hours=3), "hanako@example.com")
    mail(store, "new", NOW - timedelta(hours=1), subject="Your order again")
    mail(store, "gone", NOW, subject="Your order again", status="CANCELLED", delivery_id=None)


@pytest.mark.usefixtures("three_days")
@pytest.mark.parametrize("size", [1, 2, 25])
@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ({}, ["gone", "new", "mid"]),
        ({"mail_id": "old"}, ["old"]),
        ({"mail_id": "nobody"}, []),
        ({"mail_id": "outbox:copy:0:mid"}, []),
        ({"to": TARO}, ["gone", "new", "old"]),
        ({"to": "BOSS@example.com"}, ["mid"]),
        ({"to": TARO, "status": Status.SENT}, ["new", "old"]),
        ({"to": TARO, "until": "2026-03-08"}, ["old"]),
        ({"to": TARO, "since": "2026-03-09"}, ["gone", "new"]),
        ({"to": "nobody@example.com"}, []),
        ({"delivery_id": "2"}, ["mid"]),
        ({"delivery_id": "99"}, []),
        ({"since": "2026-03-08", "until": "2026-03-08"}, ["old"]),
        ({"since": "2026-03-08"}, ["gone", "new", "mid", "old"]),
        ({"until": "2026-03-09"}, ["mid", "old"]),
        ({"tag": "shop"}, ["mid"]),
        ({"text": "order"}, ["gone", "new", "mid"]),
        ({"text": "order", "status": Status.CANCELLED}, ["gone"]),
        ({"bounced": True}, ["mid"]),
        ({"bounced": True, "until": "2026-03-08"}, []),
        ({"bounced": True, "to": "hanako@example.com"}, ["mid"]),
        ({"bounced": True, "to": TARO}, []),
        ({"bounced": True, "delivery_id": "2"}, ["mid"]),
        ({"mail_id": "old", "to": "hanako@example.com"}, []),
    ],
)
def test_pages_answer_what_a_list_answers(history, sought, found, size):
    """Each question gets the same mails a page at a time, whatever a page's size, each with what came back."""
    pages = walk(history, Sought(**sought), size)

    assert flat(pages) == found == ids(history.look(Sought(**sought)))
    assert all(len(page) <= size for page in pages)
    assert [len(kept.bounces) for kept in history.page(Sought(**sought)).mails] == [each == "mid" for each in found]


# Few moments for many mails: most have the same time as others, and midnight lies among them.
MOMENTS = [datetime(2026, 3, 9, 23, 59, 59, 999_000, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC), NOW]
MOMENTS += [NOW - timedelta(days=back) for back in (1, 2, 3)]
MAILS = st.lists(st.tuples(st.sampled_from(MOMENTS), st.booleans(), st.booleans(), st.integers(0, 3)), max_size=40)
SPAN = {"since": "2026-03-01"}


def full(rows):
    """Write mails of some moments: some tagged, some to another and a copy to Taro, some that came back, often."""
    store = MemoryStore()
    for number, (moment, tagged, copied, bounces) in enumerate(rows):
        to = {"to": BOSS, "cc": [TARO]} if copied else {}
        mail(store, f"m-{number}", moment, tags=["t"] if tagged else [], **to)
        for again in range(bounces):
            came_back(store, f"d-{number}" if copied else f"d-m-{number}", moment + timedelta(hours=again))
            came_back(store, f"d-m-{number}", NOW)
    return store


@settings(max_examples=60)
@given(
    MAILS, st.integers(1, 9), st.sampled_from([{}, {"tag": "t"}, {"to": TARO}, {"to": TARO, "tag": "t"}, {"to": BOSS}])
)
def test_each_mail_once(rows, size, question):
    """Whatever moments mails share, the pages have each of them once, none twice, in the order of their time."""
    store = full(rows)
    history, sought = History(store, TickingClock(NOW)), Sought(**SPAN, **question)

    pages = walk(history, sought, size)

    wanted = {
        f"m-{number}"
        for number, (_, tagged, copied, _) in enumerate(rows)
        if (tagged or "tag" not in question) and (copied or question.get("to") != BOSS)
    }
    assert (len(flat(pages)), set(flat(pages))) == (len(wanted), wanted)
    assert times(store, flat(pages)) == sorted(times(store, flat(pages)), reverse=True)
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert set(ids(history.look(sought, 1000))) == wanted


@settings(max_examples=60)
@given(MAILS, st.integers(1, 9))
def test_each_mail_that_came_back_once(rows, size):
    """However often and on whatever days something came back of a mail, the pages of bounced mails have it once."""
    store = full(rows)
    history, sought = History(store, TickingClock(NOW)), Sought(bounced=True, **SPAN)

    pages = walk(history, sought, size)

    wanted = {f"m-{number}" for number, (_, _, _, bounces) in enumerate(rows) if bounces}
    assert (len(flat(pages)), set(flat(pages))) == (len(wanted), wanted)


@settings(max_examples=60)
@given(MAILS, st.integers(1, 9), st.booleans(), st.sampled_from(["", TARO]))
def test_each_bounce_once(rows, size, unmatched, to):
    """The pages of what came back have each bounce once, with its mail, or only those without one."""
    history = History(full(rows), TickingClock(NOW))
    question = {"unmatched": unmatched, "to": to, **SPAN}

    found, after = [], ""
    while page := history.bounces_page(**question, size=size, after=after):
        found += page.bounces
        assert len(page.bounces) == size or not page.after
        if not (after := page.after):
            break

    listed = history.bounces(**question, limit=1000)
    assert [each.bounce["finished_at"] for each in found] == [each.bounce["finished_at"] for each in listed]
    assert {(each.bounce["id"], each.mail_id) for each in found} == {
        (each.bounce["id"], each.mail_id) for each in listed
    }
    assert len({each.bounce["id"] for each in found}) == len(found)


def test_a_page_reads_what_it_shows(store, history):
    """Of thousands of mails a page asks each partition for one more than it shows, and reads the rows it shows."""
    for number in range(3_000):
        mail(store, f"m-{number}", NOW - timedelta(seconds=number))

    found = history.page(Sought())

    assert ids(found.mails) == [f"m-{number}" for number in range(25)]
    assert (store.queries, store.entries_read, store.rows_read) == (8, 8 * 26, 25)
    store.reset()
    assert ids(history.page(Sought(), 25, found.after).mails)[0] == "m-25"
    assert (store.queries, store.rows_read) == (8, 25)
    store.reset()
    assert len(history.page(Sought(to=TARO)).mails) == 25
    assert (store.queries, store.rows_read) == (1, 25)


def test_a_needle_is_looked_for_page_by_page(store, history):
    """A page that finds nothing ends after 500 rows, and the next goes on until what is sought is found."""
    for number in range(1_200):
        mail(store, f"m-{number}", NOW - timedelta(seconds=number), subject="needle" if number == 1_100 else "hay")

    first = history.page(Sought(text="needle"))

    assert (first.mails, store.rows_read) == ((), 500)
    assert walk(history, Sought(text="needle")) == [[], [], ["m-1100"]]
    assert walk(history, Sought(text="needle", to=TARO)) == [[], [], ["m-1100"]]


def test_empty_days_end_a_page(store, history):
    """After 40 days without a mail a page ends, and the next looks on; nothing loops for ever."""
    mail(store, "old", NOW - timedelta(days=100))

    first = history.page(Sought(since="2025-06-01"))

    assert (first.mails, store.queries) == ((), 40 * 8)
    assert walk(history, Sought(since="2025-06-01"))[:3] == [[], [], ["old"]]
    assert flat(walk(history, Sought(since="2025-06-01"), most=9)) == ["old"]


def test_no_empty_page_at_the_end(store, history):
    """A full page is told to be the last one where only empty days are left."""
    for number in range(50):
        mail(store, f"m-{number}", NOW - timedelta(seconds=number))

    assert [len(page) for page in walk(history, Sought(since="2026-03-01"))] == [25, 25]


def test_what_is_gone_or_over_is_made_up_for(store, history):
    """Rows the table has deleted, or is about to, leave no gaps in a page."""
    for number in range(120):
        over = {"expires_at": int(NOW.timestamp())} if number < 60 else {}
        mail(store, f"m-{number}", NOW - timedelta(seconds=number), **over)

    assert [len(page) for page in walk(history, Sought())] == [25, 25, 10]


def test_an_address_with_few_bounces_among_many_mails(store, history):
    """Mails are passed by without being read, 5,000 of them for a page."""
    for number in range(6_000):
        mail(store, f"m-{number}", NOW - timedelta(seconds=number))
    event = came_back(store, "d-m-9", NOW - timedelta(seconds=5_500))

    first = history.bounces_page(to=TARO)
    second = history.bounces_page(to=TARO, after=first.after)

    assert (first.bounces, store.rows_read) == ((), 1)
    assert ([each.bounce["id"] for each in second.bounces], second.after) == ([event], "")
    assert [each.mail_id for each in second.bounces] == ["m-9"]


def test_bounces_of_a_delivery(store, history):
    """What came back of a delivery is one page, the latest first."""
    mail(store, "m", NOW)
    events = [came_back(store, "d-m", NOW + timedelta(seconds=number)) for number in range(3)]

    found = history.bounces_page(delivery_id="d-m", size=1)

    assert ([each.bounce["id"] for each in found.bounces], found.after) == (events[::-1], "")


def test_midnight_between_two_pages(store):
    """A walk through today and yesterday goes on through the same days when it is another day."""
    ticking = TickingClock(NOW)
    history = History(store, ticking)
    for number in range(6):
        mail(store, f"m-{number}", NOW - timedelta(hours=7 * number))
        came_back(store, f"d-m-{number}", NOW - timedelta(hours=7 * number))
    mails, bounced = history.page(Sought(), 2), history.page(Sought(bounced=True), 2)
    bounces = history.bounces_page(size=2)

    ticking.forward(days=9)

    assert ids(history.page(Sought(), 9, mails.after).mails) == ["m-2", "m-3", "m-4", "m-5"]
    assert ids(history.page(Sought(bounced=True), 9, bounced.after).mails) == ["m-2", "m-3", "m-4", "m-5"]
    assert [each.mail_id for each in history.bounces_page(size=9, after=bounces.after).bounces] == [
        "m-2",
        "m-3",
        "m-4",
        "m-5",
    ]


def test_what_was_left_over_in_the_index(store, history):
    """Neither another mail's copy, nor an item a hand has made, shows a mail twice or breaks the page."""
    mail(store, "m", NOW)
    mail(store, "n", NOW, recipient=TARO, to=BOSS)
    for item_id in ("outbox:copy:3:m", "outbox:copy:", "outbox:copy:5", "outbox:copy:0:gone", "outbox:delivery:9"):
        store.history[item_id] = {"id": item_id, "recipient": TARO, "finished_at": clock.text(NOW)}
    mail(store, "odd", NOW, finished_at="noon")

    assert sorted(flat(walk(history, Sought(to=TARO), 1))) == ["m", "odd"]
    assert sorted(flat(walk(history, Sought(), 1))) == ["m", "n"]


@pytest.mark.parametrize("size", [0, 101])
def test_refuses_pages_nobody_reads(history, size):
    """The size has limits."""
    with pytest.raises(InvalidRequest):
        history.page(Sought(), size)
    with pytest.raises(InvalidRequest):
        history.bounces_page(size=size)


@pytest.mark.parametrize(
    "bad",
    [
        {"status": Status.FAILED, "mail_id": "m"},
        {"to": "taro"},
        {"until": "2026-02-30"},
        {"since": "2026-01-02", "until": "2026-01-01"},
        {"until": "0001-01-01"},
        {"until": "0001-01-01", "bounced": True},
        {"since": "9999-12-31", "until": "9999-12-31", "bounced": True},
        {"to": TARO, "until": "0001-01-01"},
    ],
)
def test_refuses_questions_that_make_no_sense(history, bad):
    """What nothing can answer is said, be it asked by the page or as a list."""
    with pytest.raises(InvalidRequest):
        history.page(Sought(**bad))
    with pytest.raises(InvalidRequest):
        history.look(Sought(**bad))


def a_token(history, store):
    for number in range(9):
        mail(store, f"m-{number}", NOW)
    return history.page(Sought(), 3).after


def test_a_token_is_for_an_address(history, store):
    """It is short, needs no escaping, and tells nothing of who asked."""
    token = a_token(history, store)

    assert token.replace("-", "").replace("_", "").isalnum()
    assert len(token) < 300


def test_another_question_takes_no_token(history, store):
    """A token leads on in its own list alone, which another size does not make another list."""
    token = a_token(history, store)

    for other in (
        Sought(to=TARO),
        Sought(tag="t"),
        Sought(mail_id="m-1"),
        Sought(delivery_id="d-m-1"),
        Sought(bounced=True),
    ):
        with pytest.raises(InvalidRequest, match=r"^page: "):
            history.page(other, 3, token)
    for question in ({}, {"delivery_id": "d-m-1"}, {"to": TARO}):
        with pytest.raises(InvalidRequest, match=r"^page: "):
            history.bounces_page(**question, after=token)
    assert len(history.page(Sought(), 6, token).mails) == 6


@given(st.one_of(st.text(min_size=1), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode() + "A")))
def test_garbage_is_no_token(garbage):
    """Whatever somebody types into the address is refused in a sentence."""
    with pytest.raises(InvalidRequest, match=r"^page: "):
        History(MemoryStore(), TickingClock(NOW)).page(Sought(), 25, garbage)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=2)),
)


def told(token):
    return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def retold(said):
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


@settings(max_examples=300)
@given(st.integers(0, 4), JSON, st.sampled_from([Sought(), Sought(to=TARO), Sought(bounced=True)]))
def test_a_forged_token_asks_for_nothing_else(part, value, sought):
    """A token with one part replaced by anything is refused, or leads to a place in the same list."""
    store = MemoryStore()
    for number in range(5):
        mail(store, f"m-{number}", NOW)
        came_back(store, f"d-m-{number}", NOW)
    history = History(store, TickingClock(NOW))
    said = told(history.page(sought, 2).after)
    said[part] = value

    try:
        found = history.page(sought, 25, retold(said))
    except InvalidRequest:
        return

    assert set(ids(found.mails)) <= {f"m-{number}" for number in range(5)}


@pytest.mark.parametrize(
    "change",
    [
        {"stretch": -1},
        {"stretch": 2},
        {"stretch": 10**30},
        {"time": "2026-03-08T00:00:00.000Z"},
        {"time": "2026-03-11"},
        {"time": "x" * 1025},
        {"time": ""},
        {"ids": {}},
        {"ids": {8: "m-1"}},
        {"ids": {-1: "m-1"}},
        {"ids": {0: "m" * 2049}},
        {"ids": {0: ""}},
    ],
)
def test_a_place_outside_the_list(history, change):
    """What no walk could have said reaches no query: the table would answer with an error of its own."""
    good = Place(0, "2026-03-10T01:00:00.000Z", {0: "m-1"})
    history.page(Sought(), 25, Mark(NOW.date(), good).token(["mails", asdict(Sought())]))

    with pytest.raises(InvalidRequest, match=r"^page: "):
        history.page(Sought(), 25, Mark(NOW.date(), replace(good, **change)).token(["mails", asdict(Sought())]))


@pytest.mark.parametrize("today", [date.min, date.max])
def test_a_token_from_the_end_of_the_calendar(history, today):
    """A day on which no walk began is refused."""
    with pytest.raises(InvalidRequest):
        history.page(Sought(), 25, Mark(today).token(["mails", asdict(Sought())]))


@pytest.mark.parametrize("raw", [b"[" * 22_000, b'{"":' * 5_000, b"1" * 22_000, b"[" * 90_000])
def test_a_token_that_is_too_much(history, raw):
    """Neither nesting nor length is a way to break the page."""
    with pytest.raises(InvalidRequest, match=r"^page: "):
        history.page(Sought(), 25, base64.urlsafe_b64encode(raw).decode())

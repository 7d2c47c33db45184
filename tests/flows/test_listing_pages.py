"""The pages of the list: how they join, what comes and goes between them, and what strangers send as the next one."""

import base64
import json
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.core.errors import InvalidRequest
from outbox.core.states import DUE, IN_FLIGHT, PROBLEMS
from outbox.flows import listing
from outbox.flows.listing import Filter, Listing
from outbox.testing import MemoryStore
from tests.flows.listing import NOW, at, every_page, ids, problem, waiting

WAITS = Filter(DUE | IN_FLIGHT)


def test_the_next_page_has_nothing_that_came_before_it():
    """What arrives meanwhile is newer than the page and belongs to the first one; what is gone leaves its place."""
    store = MemoryStore()
    for number in range(6):
        store.put(problem(f"m{number}", "FAILED", number))
    first = Listing(store)(Filter(), 3)
    store.put(problem("new", "UNKNOWN", 99))
    store.remove("m3")
    second = Listing(store)(Filter(), 3, first.after)
    assert (ids(second), second.after) == (["m2", "m1", "m0"], "")


def test_a_changed_span_goes_on_where_the_page_ended(store):
    """A token is a place in time: with other bounds it goes on within them."""
    for states in (PROBLEMS, WAITS.states):
        token = Listing(store)(Filter(states), 4).after
        for bound in ("since", "until"):
            for second in range(40):
                wanted = Filter(states, **{bound: NOW + timedelta(seconds=second)})
                rest = ids(Listing(store)(wanted, after=token))
                assert set(rest) <= set(ids(Listing(store)(wanted)))
                assert not set(rest) & set(ids(Listing(store)(Filter(states), 4)))


def test_a_token_fits_into_an_address_bar():
    """It holds a place, however many rows lie there, and only characters that need no escape."""
    store = MemoryStore()
    for number in range(300):
        store.put(waiting(f"01JZ{number:022}", seconds=number))
    token = Listing(store)(WAITS, 100).after
    assert len(token) < 150
    store = MemoryStore()
    for number in range(300):
        store.put(waiting(f"注文-{number:022}"))
    token = Listing(store)(WAITS, 200).after
    assert len(token) < 1500
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(Listing(store)(WAITS, 200, token).rows) == 100


def wrapped(said):
    """Write a token as a stranger does."""
    text = said if isinstance(said, str) else json.dumps(said)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


ALL = "FAILED,HELD,UNKNOWN"
FOREIGN = [
    "x",
    "é",
    "\ud800",
    "a" * 70_000,
    wrapped("[" * 40_000),
    wrapped("1" * 5000),
    wrapped("NaN"),
    wrapped([ALL, at(0)]),
    wrapped([ALL, at(0), {}]),
    wrapped([ALL, at(0), []]),
    wrapped([ALL, "", {"FAILED": "a"}]),
    wrapped([ALL, 5, {"FAILED": "a"}]),
    wrapped([ALL, "x" * 1025, {"FAILED": "a"}]),
    wrapped([ALL, at(0), {"FAILED": ""}]),
    wrapped([ALL, at(0), {"FAILED": "x" * 2049}]),
    wrapped([ALL, at(0), {"FAILED": "\ud800"}]),
    wrapped([ALL, "\udfff", {"FAILED": "a"}]),
    wrapped([ALL, at(0), {"FAILED": ["a"]}]),
    wrapped([ALL, at(0), {"FAILED": "a", "SENT": "a"}]),
    wrapped([ALL, at(0), {"normal-1": "a"}]),
    wrapped([[ALL], at(0), {"FAILED": "a"}]),
    wrapped(["FAILED", at(0), {"FAILED": "a"}]),
    wrapped(["due", at(0), {"normal-1": "a"}]),
    wrapped({"name": ALL}),
    wrapped(json.dumps([ALL, at(0), {"FAILED": "a"}]) + " " * 60_000),
]


@pytest.mark.parametrize("token", FOREIGN)
def test_a_token_of_no_list_or_another(store, token):
    """Garbage, keys no table would take, and places in lists of other states are refused as what they are."""
    with pytest.raises(InvalidRequest, match=r"^page: "):
        Listing(store)(Filter(), after=token)


JUNK = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from([ALL, "due", "FAILED", "normal-1", at(0)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["FAILED"]), inner),
)
PLACE = st.tuples(st.sampled_from([ALL, "due"]), JUNK, st.dictionaries(st.sampled_from(["FAILED", "normal-1"]), JUNK))


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()) | (JUNK | PLACE).map(wrapped))
def test_no_token_does_harm(token):
    """Whatever a stranger sends, it is a place in the list or is refused."""
    store = MemoryStore()
    store.put(problem("a"))
    for wanted in (Filter(), WAITS):
        try:
            assert len(Listing(store)(wanted, after=token).rows) <= 1
        except InvalidRequest as error:
            assert str(error).startswith("page: ")  # noqa: PT017  the other branch is as good


WORDS = st.sampled_from(["", "", "a", "b"])
ROW = st.tuples(
    st.sampled_from(sorted(PROBLEMS | DUE | IN_FLIGHT)), st.integers(0, 3), *[st.sampled_from(["a", "b"])] * 5
)
BOUND = st.none() | st.integers(0, 3)


def row_of(number, spec):
    """Make a row of what hypothesis drew."""
    status, seconds, *words = spec
    make = problem if status in PROBLEMS else waiting
    error, to, subject, tag, reason = words
    parts = {"error": error, "to": f"{to}@x", "subject": subject, "tags": [tag], "reason": reason}
    return make(f"m{number:02}", status, seconds, **parts)


@st.composite
def filters(draw):
    group = draw(st.sampled_from([PROBLEMS, DUE | IN_FLIGHT]))
    states = draw(st.sets(st.sampled_from(sorted(group)), min_size=1))
    first, last = draw(BOUND), draw(BOUND)
    if first is not None and last is not None:
        first, last = sorted((first, last))
    since, until = (None if each is None else NOW + timedelta(seconds=each) for each in (first, last))
    return Filter(frozenset(states), *(draw(WORDS) for _ in range(5)), since, until)


def meant(item, wanted):
    """Say by the plainest means whether a row is meant."""
    moment = item.get("problem_at") or item["due_at"]
    return (
        item["status"] in wanted.states
        and wanted.error in ("", item["error"])
        and (not wanted.to or wanted.to == item["to"][0])
        and (not wanted.tag or item["tags"] == [wanted.tag])
        and (not wanted.subject or wanted.subject == item["subject"])
        and (not wanted.text or wanted.text == item["reason"])
        and (not wanted.since or moment >= at((wanted.since - NOW).seconds))
        and (not wanted.until or moment <= at((wanted.until - NOW).seconds))
    )


@given(st.lists(ROW, max_size=60), filters(), st.integers(1, 12), st.integers(1, 9))
def test_each_row_is_on_one_page(specs, wanted, size, look):
    """While nothing changes no row is shown twice and none is skipped, among equal times too, and they are in order."""
    store = MemoryStore()
    rows = {f"m{number:02}": row_of(number, spec) for number, spec in enumerate(specs)}
    for row in rows.values():
        store.put(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "LOOK", look)
        patch.setattr(listing, "LOOK_WAITING", look)
        patch.setattr(listing, "AT_ONCE", look)
        pages = every_page(store, wanted, size)
    found = [mail_id for page in pages for mail_id in ids(page)]
    assert sorted(found) == [mail_id for mail_id, row in rows.items() if meant(row, wanted)]
    times = [rows[mail_id].get("problem_at") or rows[mail_id]["due_at"] for mail_id in found]
    assert times == sorted(times, reverse=wanted.states <= PROBLEMS)
    assert all(page.full == (len(page.rows) == size) and page.looked <= look for page in pages)
    assert all(page.full or page.looked == look for page in pages[:-1])


@given(st.lists(ROW, max_size=50), filters(), st.integers(1, 9), st.randoms(use_true_random=False))
def test_what_stays_is_on_one_page_whatever_comes_and_goes(specs, wanted, size, chance: random.Random):
    """Rows that nobody touches are shown once, while others are written, removed and moved between the pages."""
    store = MemoryStore()
    rows = {f"m{number:02}": row_of(number, spec) for number, spec in enumerate(specs)}
    for row in rows.values():
        store.put(row)
    moving = {mail_id for mail_id in rows if chance.random() < 0.5}
    fresh = iter(range(100, 10_000))

    def busy():
        for mail_id in moving & store.outbox.keys():
            if chance.random() < 0.3:
                store.remove(mail_id)
            elif chance.random() < 0.5:
                store.edit(mail_id, **{name: at(chance.randrange(4)) for name in ("problem_at", "due_at")})
        if specs and next(fresh) < 150:
            store.put(row_of(next(fresh), chance.choice(specs)))

    pages = every_page(store, wanted, size, busy)
    found = [mail_id for page in pages for mail_id in ids(page) if mail_id in rows.keys() - moving]
    stayed = [mail_id for mail_id, row in rows.items() if mail_id not in moving and meant(row, wanted)]
    assert sorted(found) == stayed

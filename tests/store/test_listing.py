"""The list of the outbox on every store: memory, moto, the embedded AWS."""

import pytest

from outbox.core.change import Expect
from outbox.core.states import DUE, IN_FLIGHT
from outbox.flows.listing import Filter, Listing
from tests.flows.listing import every_page, ids, problem, waiting

LISTS = [(problem, Filter()), (waiting, Filter(DUE | IN_FLIGHT))]


@pytest.mark.parametrize(("row", "wanted"), LISTS)
def test_pages_among_rows_of_one_moment(store, row, wanted):
    """Rows of two moments in all partitions: each on one page, in order, read whole where the index shows little."""
    states = sorted(wanted.states)
    written = [row(f"m{number:02}", states[number % len(states)], number // 30) for number in range(60)]
    for item in written:
        store.add(item, once=False)
    pages = every_page(store, wanted, 7)
    found = [mail_id for page in pages for mail_id in ids(page)]
    assert sorted(found) == [item["id"] for item in written]
    first = {item["id"] for item in (written[30:] if row is problem else written[:30])}
    assert set(found[:30]) == first
    assert [len(page.rows) for page in pages] == [7] * 8 + [4]
    assert ("text" in pages[0].rows[0].item) == (row is waiting)


@pytest.mark.parametrize(("row", "wanted"), LISTS)
def test_a_page_goes_on_when_its_last_row_is_gone(store, row, wanted):
    """What was shown last may have been sent meanwhile: nothing after it is skipped, nothing before it comes again."""
    for number in range(20):
        store.add(row(f"m{number:02}"), once=False)
    first = Listing(store)(wanted, 8)
    last = first.rows[-1].id
    store.drop(last, Expect())
    rest = Listing(store)(wanted, 25, first.after)
    assert sorted([*ids(first), *ids(rest)]) == [f"m{number:02}" for number in range(20)]

"""People read, lift and add to the suppression list; the sender asks it once for all addresses of a mail."""

from datetime import UTC, datetime, timedelta

import pytest

from outbox.core import clock
from outbox.core.errors import InvalidRequest
from outbox.flows.suppression import TRIES, NoSuppression, SuppressionList
from outbox.testing import TickingClock
from outbox.testing.bounces import MemorySuppressions

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Counting(MemorySuppressions):
    """Counts the looks, and lets another writer come between the first reads and their writes."""

    def __init__(self):
        super().__init__()
        self.looked, self.between = [], []

    def look(self, emails):
        self.looked.append(set(emails))
        return super().look(emails)

    def swap(self, email, seen, new):
        if self.between:
            self.put(self.between.pop())
        return super().swap(email, seen, new)


@pytest.fixture
def table():
    return Counting()


@pytest.fixture
def listed(table):
    return SuppressionList(table, TickingClock(NOW))


def test_one_look_tells_of_all_addresses_of_a_mail(table, listed):
    """By address in lower case, with the sentence; those who may get mail are left out."""
    listed.add("Taro@Example.com", "hanako", "asked for it")
    table.put({"email": "jiro@example.com", "errors": {}})
    found = listed.reasons(["TARO@example.com", "Taro <taro@example.com>", "jiro@example.com", "saburo@example.com"])
    assert found == {"taro@example.com": f"since {clock.text(NOW)} without end: asked for it"}
    assert table.looked == [{"taro@example.com", "jiro@example.com", "saburo@example.com"}]


@pytest.mark.parametrize("emails", [[], ["", "nobody", "x" * 3000 + "@example.com"]])
def test_nobody_to_ask_about_is_no_look(table, listed, emails):
    """What is no address is nobody's; the mail's own check speaks of it."""
    assert listed.reasons(emails) == {}
    assert table.looked == []


def test_lifting_lets_an_address_get_mail_again(table, listed):
    """Who lifted it stays on the entry; there is nothing to lift twice."""
    listed.add("taro@example.com", "hanako", "asked for it")
    assert listed.lift("TARO@example.com", "jiro") is True
    assert listed.reasons(["taro@example.com"]) == {}
    assert (listed.show("Taro@example.com")["lifted_by"]) == "jiro"
    assert listed.lift("taro@example.com", "jiro") is False
    assert listed.lift("nobody@example.com", "jiro") is False


def test_lifting_an_address_that_only_had_an_error_does_nothing(table, listed):
    """It is not suppressed."""
    table.put({"email": "taro@example.com", "errors": {"a": clock.text(NOW)}})
    assert listed.lift("taro@example.com", "hanako") is False
    assert "lifted_at" not in table.entries["taro@example.com"]


def test_adding_keeps_what_the_rule_has_counted(table, listed):
    """A person's word may end before the rule would have."""
    table.put({"email": "taro@example.com", "errors": {"a": clock.text(NOW)}})
    entry = listed.add("taro@example.com", "hanako", "holiday", NOW + timedelta(days=1))
    assert entry["suppressed_until"] == clock.text(NOW + timedelta(days=1))
    assert table.entries["taro@example.com"]["errors"] == {"a": clock.text(NOW)}


def test_a_writer_in_between_is_not_overwritten_unseen(table, listed):
    """The change is made anew on what is there then."""
    table.between = [{"email": "taro@example.com", "errors": {"a": clock.text(NOW)}, "nonce": "x"}]
    listed.add("taro@example.com", "hanako", "asked for it")
    assert table.entries["taro@example.com"]["errors"] == {"a": clock.text(NOW)}


def test_an_entry_that_never_holds_still_is_said(table, listed):
    """Nothing is written, and nothing turns in circles."""
    table.between = [{"email": "taro@example.com", "nonce": str(number)} for number in range(TRIES)]
    with pytest.raises(InvalidRequest, match="keeps changing"):
        listed.add("taro@example.com", "hanako", "asked for it")


def test_entries_come_in_pages(listed):
    """All of them, also those not suppressed any more."""
    for number in range(5):
        listed.add(f"user{number}@example.com", "hanako", "")
    listed.lift("user3@example.com", "hanako")
    page = listed.entries(3)
    rest = listed.entries(3, page.cursor)
    assert len({entry["email"] for entry in (*page.items, *rest.items)}) == 5
    assert rest.cursor is None


@pytest.mark.parametrize(
    "email", ["", "nobody", "a b@example.com", "x" * 250 + "@example.com", None, 7, "a@b@c.example"]
)
def test_a_bad_address_is_refused(listed, email):
    """Nothing could ever be found by it."""
    for ask in (listed.show, lambda bad: listed.lift(bad, "x"), lambda bad: listed.add(bad, "x", "")):
        with pytest.raises(InvalidRequest):
            ask(email)


@pytest.mark.parametrize(
    ("who", "reason", "until"),
    [
        ("", "x", None),
        ("a\nb", "x", None),
        ("x" * 101, "x", None),
        (7, "x", None),
        ("x", "a\nb", None),
        ("x", "x" * 501, None),
        ("x", "x", NOW),
        ("x", "x", datetime(2027, 1, 1)),  # noqa: DTZ001  that it has no zone is the point
    ],
)
def test_what_makes_no_sense_is_refused(table, listed, who, reason, until):
    """Who asks, why, and until when; nothing is written."""
    with pytest.raises(InvalidRequest):
        listed.add("taro@example.com", who, reason, until)
    assert table.entries == {}


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_page_has_its_bounds(listed, limit):
    """One to a thousand entries."""
    with pytest.raises(InvalidRequest):
        listed.entries(limit)


def test_without_a_list_nobody_is_suppressed():
    """The setting that turns it off."""
    assert NoSuppression().reasons(["taro@example.com"]) == {}

"""The version of a mail changes with everything a person may have seen of it, and with nothing else."""

from decimal import Decimal

import pytest

from outbox.core.row import Row
from outbox.core.version import VERSIONED, version
from tests.conftest import make_mail

ITEM = {"id": "a", "revision": 3, "status": "FAILED", "send_at": "2027-01-01T00:00:00.000Z", **make_mail().to_item()}
ODD = [None, "", "5", 5, Decimal("5.5"), True, b"5", {"5"}, {5}, ["5"], [5], {"a": "5"}, {"a": [b"5", {1, 2}]}, [], {}]


def test_it_is_sixteen_hexadecimal_digits():
    """Short enough for a form and an address bar, and the same in every process."""
    assert Row(ITEM).version == version(dict(reversed(ITEM.items()))) == "6c7e3b26b49dabd5"


@pytest.mark.parametrize("name", VERSIONED)
def test_every_field_of_the_mail_counts(name):
    """Changed, emptied or taken away, it is another mail; so is another state, or another write of the service."""
    others = [{**ITEM, name: "other"}, {**ITEM, name: ""}, {each: part for each, part in ITEM.items() if each != name}]
    versions = {version(other) for other in others} | {version({**ITEM, name: "one more"})}
    assert len(versions) == 4
    assert name not in ITEM or version(ITEM) not in versions


@pytest.mark.parametrize("name", ["timeline", "reason", "due_at", "lane", "note", "claim", "problem_at"])
def test_what_is_no_part_of_the_mail_does_not_count(name):
    """A note, or what the service keeps for itself, is not what a form shows."""
    assert version({**ITEM, name: "x"}) == version(ITEM)


def test_whatever_a_person_typed_is_told_apart():
    """Text, number, binary, set, list and map of the same look are different values, at any depth."""
    typed = [*ODD, *([[each]] for each in ODD), *({"deep": [{"er": each}]} for each in ODD)]
    assert len({version({"text": each}) for each in typed}) == len(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, Decimal("5.0")),
        (10**30, Decimal("1E+30")),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        ({b"a", b"b"}, frozenset({b"b", b"a"})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (["x"], ("x",)),
    ],
)
def test_what_the_table_takes_for_the_same_is_the_same(one, other):
    """Neither the order of a set or a map nor how a number is written makes another mail."""
    assert version({"insert_code": one}) == version({"insert_code": other})


@pytest.mark.parametrize(
    "odd", ["\ud800", Decimal("1E+120"), 10**37 + 1, object, {"\ud800": b"\xff"}, {"a": {"b": {}}}]
)
def test_nothing_breaks_it(odd):
    """Half a character, a number beyond all use, a thing nobody knows: it gives a word, the same each time."""
    assert version({"text": odd}) == version({"text": odd}) != version(ITEM)


def test_large_numbers_are_not_rounded():
    """Two numbers that differ in their last digit are two."""
    assert version({"text": 10**37 + 1}) != version({"text": 10**37 + 2})

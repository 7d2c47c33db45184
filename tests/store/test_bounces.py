"""Records of bounces and the suppression list, held to one behaviour on memory, moto and the embedded AWS."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from outbox.core.bounce import BOUNCE, Counts
from outbox.core.errors import Lost
from outbox.core.suppression import suppressed
from tests.flows.test_bounce import raw
from tests.store.bounces import EMAIL, NOW, bounce


def bare(item):
    return {name: value for name, value in item.items() if name != "nonce"}


def test_a_bounce_alone_is_written_once(kept):
    """The second time it is known, and nothing changes."""
    assert kept.store.get_finished(f"{BOUNCE}a") is None
    assert kept.records.record([bounce(code="1")], None) == set()
    assert kept.records.record([bounce(code="2")], None) == {f"{BOUNCE}a"}
    assert bare(kept.store.get_finished(f"{BOUNCE}a")) == bounce(code="1")


def test_a_bounce_and_its_entry_are_one_step(kept):
    """Both are there, or neither."""
    assert kept.records.record([bounce()], (None, {"email": EMAIL, "errors": {"a": "x"}})) == set()
    entry = kept.suppressions.get(EMAIL)
    assert bare(entry) == {"email": EMAIL, "errors": {"a": "x"}}
    with pytest.raises(Lost) as lost:
        kept.records.record([bounce("b")], (None, {"email": EMAIL, "errors": {}}))
    assert lost.value.row == entry
    assert kept.store.get_finished(f"{BOUNCE}b") is None
    assert kept.records.record([bounce("b")], (entry, {**entry, "errors": {"a": "x", "b": "y"}})) == set()
    assert kept.suppressions.get(EMAIL)["errors"] == {"a": "x", "b": "y"}


def test_a_known_bounce_writes_no_entry(kept):
    """Neither over one that is as seen, nor does one that is not matter."""
    kept.records.record([bounce()], None)
    assert kept.records.record([bounce()], (None, {"email": EMAIL})) == {f"{BOUNCE}a"}
    assert kept.suppressions.get(EMAIL) is None
    kept.suppressions.swap(EMAIL, None, {"email": EMAIL, "reason": "x"})
    assert kept.records.record([bounce()], (None, {"email": EMAIL})) == {f"{BOUNCE}a"}
    assert kept.suppressions.get(EMAIL)["reason"] == "x"


def test_an_entry_is_swapped_only_as_it_was_seen(kept):
    """Of two that saw the same, one writes."""
    assert kept.suppressions.swap(EMAIL, None, {"email": EMAIL, "reason": "a"})
    assert not kept.suppressions.swap(EMAIL, None, {"email": EMAIL, "reason": "b"})
    seen = kept.suppressions.get(EMAIL)
    assert kept.suppressions.swap(EMAIL, seen, {**seen, "reason": "a"})
    assert not kept.suppressions.swap(EMAIL, seen, {**seen, "reason": "c"})
    assert not kept.suppressions.swap(EMAIL, seen, None)
    assert kept.suppressions.swap(EMAIL, kept.suppressions.get(EMAIL), None)
    assert kept.suppressions.get(EMAIL) is None
    assert kept.suppressions.swap(EMAIL, seen, None)
    assert not kept.suppressions.swap(EMAIL, seen, {**seen})


TYPED = [
    {"reason": "dead"},
    {"errors": {}, "lifted_at": True},
    {"suppressed_until": 7, "errors": "odd", "reason": ["x", {"y": b"z"}]},
    {"suppressed_until": None, "note": {"a", "b"}},
]


def by_hand(kept, entry):
    if kept.client is None:
        kept.suppressions.put(entry)
    else:
        from outbox.adapters.wire import to_wire

        kept.client.put_item(TableName="suppression", Item=to_wire(entry))


@pytest.mark.parametrize("typed", TYPED)
def test_an_entry_typed_by_hand_is_swapped_as_seen(kept, typed):
    """It has no nonce; what it has instead is compared."""
    by_hand(kept, {"email": EMAIL, **typed})
    seen = kept.suppressions.get(EMAIL)
    assert seen == {"email": EMAIL, **typed}
    by_hand(kept, {"email": EMAIL, **typed, "suppressed_until": "2027-01-01"})
    assert not kept.suppressions.swap(EMAIL, seen, {**seen, "errors": {}})
    assert kept.suppressions.swap(EMAIL, kept.suppressions.get(EMAIL), {**seen, "errors": {}})


def test_a_hand_that_leaves_the_nonce_is_noticed(kept):
    """A person corrects one attribute in the DynamoDB console between a read and a write."""
    kept.suppressions.swap(EMAIL, None, {"email": EMAIL, "errors": {"a": "x"}})
    seen = kept.suppressions.get(EMAIL)
    by_hand(kept, {**seen, "reason": "asked for it"})
    assert not kept.suppressions.swap(EMAIL, seen, {**seen, "errors": {"a": "x", "b": "y"}})
    assert kept.suppressions.get(EMAIL)["reason"] == "asked for it"


def test_many_addresses_are_one_look(kept):
    """More than a batch holds, some twice, some without an entry."""
    for number in range(0, 230, 2):
        kept.suppressions.swap(f"user{number}@example.com", None, {"email": f"user{number}@example.com"})
    wanted = [f"user{number}@example.com" for number in range(230)] * 2
    found = kept.suppressions.look(wanted)
    assert set(found) == {f"user{number}@example.com" for number in range(0, 230, 2)}
    assert kept.suppressions.look([]) == {}


def test_all_entries_come_page_by_page(kept):
    """Each once."""
    for number in range(7):
        kept.suppressions.swap(f"user{number}@example.com", None, {"email": f"user{number}@example.com"})
    found, cursor = [], None
    for _ in range(9):
        page = kept.suppressions.page(3, cursor)
        found += [entry["email"] for entry in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(found) == [f"user{number}@example.com" for number in range(7)]


def test_the_flow_does_the_same_on_every_store(kept):
    """Recorded, known, unreadable; suppressed; found by delivery, by address and by day."""
    events = [
        raw(hours=3),
        raw(hours=2, delivery_id="18"),
        raw(hours=3),
        "garbage",
        raw("jiro@example.com", kind="DROP"),
    ]
    assert kept.flow()(events) == Counts(recorded=3, known=1, unreadable=1)
    assert kept.flow()(events) == Counts(known=4, unreadable=1)
    assert suppressed(kept.suppressions.get(EMAIL), NOW)
    assert suppressed(kept.suppressions.get("jiro@example.com"), NOW)
    assert [item["delivery_id"] for item in kept.store.bounces_of(EMAIL, 9).items] == ["18", "17"]
    assert len(kept.store.bounces_on("2026-11-20", 9).items) == 4


def test_calls_at_once_count_each_event_once(kept, request):
    """Four calls with one body, about few addresses."""
    if "moto" in request.node.name:
        pytest.skip("it loses some of what is written at the same moment")
    events = [raw(f"user{number % 3}@example.com", hours=1 + number // 3) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: kept.flow()(events), range(4)))
    assert sum(count.recorded for count in counts) == 12
    assert sum(count.known for count in counts) == 36
    for number in range(3):
        assert len(kept.suppressions.get(f"user{number}@example.com")["errors"]) == 4

"""When an address is suppressed, for how long, and what a person's word does to it."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.core import clock
from outbox.core.bounce import Bounce
from outbox.core.suppression import MOST_ERRORS, Rule, after_bounce, by_hand, lifted, suppressed

START = datetime(2026, 11, 1, tzinfo=UTC)
RULE = Rule()


def day(number):
    return START + timedelta(days=number)


def bounce(at, kind="HARDERROR", name=None, **parts):
    defaults = {"email": "taro@example.com", "code": "550", "delivery_id": "17"}
    return Bounce(name or f"{kind}-{at}", kind, day(at), day(at), **{**defaults, **parts})


def heard(*events, now=None, entry=None, rule=RULE):
    """Give the entry after some bounces, each heard when it happened unless said."""
    for event in events:
        changed = after_bounce(entry, event, rule, now or max(event.happened_at, day(0)))
        entry = entry if changed is None else changed
    return entry


def end(entry, now):
    """Give until when an address is suppressed, None if it is not."""
    return entry["suppressed_until"] if suppressed(entry, now) else None


def test_one_hard_error_suppresses_nobody():
    """It is only remembered, for as long as a second one could follow."""
    entry = heard(bounce(0))
    assert suppressed(entry, day(0)) is None
    assert entry["errors"] == {"HARDERROR-0": clock.text(day(0))}
    assert entry["expires_at"] == int(day(42).timestamp())


def test_two_hard_errors_within_two_weeks_suppress_for_two_weeks():
    """The rule of the mail API's own error stop list; the sentence says since when, until when and why."""
    entry = heard(bounce(0), bounce(14))
    assert suppressed(entry, day(14)) == (
        "since 2026-11-15T00:00:00.000Z until 2026-11-29T00:00:00.000Z: "
        "HARDERROR 550 on 2026-11-15T00:00:00.000Z, delivery 17; 2 hard errors within 14 days"
    )
    assert suppressed(entry, day(28) - timedelta(seconds=1))
    assert suppressed(entry, day(28)) is None
    assert (entry["type"], entry["code"], entry["delivery_id"]) == ("HARDERROR", "550", "17")


def test_two_hard_errors_further_apart_suppress_nobody():
    """A mailbox that is full twice a year is no dead one."""
    assert suppressed(heard(bounce(0), bounce(14.01)), day(14.01)) is None


def test_a_drop_suppresses_at_once():
    """The mail API has the address on its own list."""
    entry = heard(bounce(0, "DROP", code="554(errors)"))
    assert "DROP 554(errors) on 2026-11-01" in suppressed(entry, day(13))
    assert "on its own list" in suppressed(entry, day(13))
    assert suppressed(entry, day(14)) is None


@pytest.mark.parametrize("kind", ["SOFTERROR", "COMPLAINT", "", "UNREADABLE"])
def test_nothing_else_suppresses(kind):
    """Soft errors are tried again by the mail API itself; what nobody knows has no effect."""
    assert heard(*(bounce(number, kind) for number in range(9))) is None


def test_the_same_bounce_never_counts_twice():
    """A duplicate changes nothing."""
    entry = heard(bounce(0))
    assert after_bounce(entry, bounce(0), RULE, day(1)) is None


def test_a_hard_error_while_suppressed_makes_it_longer():
    """The two weeks begin with the latest one."""
    entry = heard(bounce(0), bounce(1), bounce(10))
    assert entry["suppressed_since"] == clock.text(day(1))
    assert entry["suppressed_until"] == clock.text(day(24))


def test_a_late_old_event_finds_its_partner():
    """The window is counted around the event's own time, not around its receipt."""
    assert suppressed(heard(bounce(10), bounce(5), now=day(12)), day(12))
    assert suppressed(heard(bounce(0), bounce(20), bounce(10), now=day(21)), day(21))


@pytest.mark.parametrize("kinds", list(itertools.product(["HARDERROR", "DROP"], repeat=3)))
def test_the_order_of_events_does_not_matter(kinds):
    """Until when is the same for every order in which three events arrive."""
    events = [bounce(at, kind) for at, kind in zip((0, 9, 20), kinds, strict=True)]
    ends = {end(heard(*order, now=day(21)), day(21)) for order in itertools.permutations(events)}
    assert len(ends) == 1


@given(
    st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["HARDERROR", "DROP"])), max_size=9),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=400)
def test_the_order_of_any_events_does_not_matter(marks, after, random):
    """Heard in order or shuffled, the address is suppressed until the same moment."""
    events = [bounce(at / 20, kind, name=str(number)) for number, (at, kind) in enumerate(marks)]
    now, rule = day(30), Rule(after)
    in_order = heard(*sorted(events, key=lambda event: event.happened_at), now=now, rule=rule)
    random.shuffle(events)
    shuffled = heard(*events, now=now, rule=rule)
    assert end(in_order, now) == end(shuffled, now)


def test_a_bounce_of_the_future_does_not_suppress_for_years():
    """Its moment is capped to now."""
    event = Bounce("x", "DROP", day(3650), day(3650), email="taro@example.com")
    assert after_bounce(None, event, RULE, day(0))["suppressed_until"] == clock.text(day(14))


def test_an_entry_stays_small():
    """Of many errors the latest twenty are kept."""
    entry = heard(*(bounce(number / 100) for number in range(100)))
    assert list(entry["errors"]) == [f"HARDERROR-{number / 100}" for number in range(100 - MOST_ERRORS, 100)]
    assert entry["suppressed_until"] == clock.text(day(14.99))


def test_errors_that_can_no_longer_matter_are_forgotten():
    """An entry holds what the rule still needs."""
    entry = heard(bounce(0), bounce(50))
    assert list(entry["errors"]) == ["HARDERROR-50"]


def test_an_event_too_old_to_matter_changes_nothing():
    """It is a fact in history and no more."""
    assert after_bounce(None, bounce(0), RULE, day(60)) is None
    assert after_bounce(None, bounce(0, "DROP"), RULE, day(60)) is None


def test_what_happened_before_a_lift_never_counts_again():
    """Neither the errors before, nor those that are told of afterwards."""
    entry = lifted(heard(bounce(0), bounce(1)), "hanako", day(2))
    assert suppressed(entry, day(2)) is None
    assert (entry["lifted_at"], entry["lifted_by"]) == (clock.text(day(2)), "hanako")
    assert after_bounce(entry, bounce(1.5), RULE, day(3)) is None
    assert after_bounce(entry, bounce(1.5, "DROP"), RULE, day(3)) is None


def test_after_a_lift_counting_begins_anew():
    """Two new hard errors suppress again; who had lifted it stays to be seen."""
    entry = lifted(heard(bounce(0), bounce(1)), "hanako", day(2))
    entry = heard(bounce(3), entry=entry)
    assert suppressed(entry, day(3)) is None
    entry = heard(bounce(4), entry=entry)
    assert suppressed(entry, day(4))
    assert entry["lifted_by"] == "hanako"


def test_a_person_suppresses_without_end():
    """No bounce puts an end to it."""
    entry = by_hand("taro@example.com", "hanako", "asked to be left alone", day(0))
    assert suppressed(entry, day(9999)) == "since 2026-11-01T00:00:00.000Z without end: asked to be left alone"
    assert heard(bounce(1), bounce(2), bounce(3, "DROP"), entry=entry) == entry


def test_a_person_suppresses_until_a_day():
    """A bounce meanwhile makes it longer, never shorter, and then tells why."""
    entry = by_hand("taro@example.com", "hanako", "holiday", day(0), day(5))
    assert suppressed(entry, day(4.9))
    assert not suppressed(entry, day(5))
    entry = heard(bounce(4), entry=entry)
    assert entry["suppressed_until"] == clock.text(day(18))
    assert "a hard error while it was suppressed" in entry["reason"]
    long = by_hand("taro@example.com", "hanako", "holiday", day(0), day(300))
    assert heard(bounce(4), entry=long)["reason"] == "holiday"


BY_HAND = [
    ({}, "without end: no reason was given"),
    ({"reason": "dead"}, "without end: dead"),
    ({"reason": 7}, "without end: 7"),
    ({"reason": "dead", "errors": {}}, "without end: dead"),
    ({"suppressed_until": ""}, "without end: no reason was given"),
    ({"suppressed_until": "for ever"}, "without end: no reason was given"),
    ({"suppressed_until": True}, "without end: no reason was given"),
    ({"suppressed_until": "9999-12-31T23:59:59Z"}, "without end: no reason was given"),
    ({"suppressed_until": "9999-12-31T23:59:59-12:00"}, "without end: no reason was given"),
    ({"suppressed_until": "2026-12-24"}, "until 2026-12-24T00:00:00.000Z: no reason was given"),
    ({"suppressed_until": "2026-12-24T09:00:00+09:00"}, "until 2026-12-24T00:00:00.000Z: no reason was given"),
    ({"suppressed_until": "2026-10-24"}, None),
    ({"suppressed_until": "0001-01-01"}, None),
    ({"suppressed_since": "2026-10-01"}, "since 2026-10-01T00:00:00.000Z without end: no reason was given"),
    ({"suppressed_since": 7}, "without end: no reason was given"),
    ({"errors": {}}, None),
    ({"errors": "odd"}, None),
    ({"errors": {"a": 7, "b": "x", "c": "9999-12-31T23:59:59Z"}}, None),
    ({"lifted_at": "2026-10-01T00:00:00.000Z"}, None),
    ({"lifted_at": "2026-10-01"}, None),
    # What a person writes on a lifted entry is newer than the lifting, which took all such words away.
    ({"lifted_at": "2026-10-01", "reason": "dead"}, "without end: dead"),
    ({"lifted_at": True, "reason": "dead"}, "without end: dead"),
    ({"lifted_at": "2026-10-01", "suppressed_since": "2026-10-02"}, "since 2026-10-02T00:00:00.000Z without end"),
    ({"nonce": 1, "expires_at": "x", "type": 1, "code": [], "note": {"a": b"x"}}, "without end"),
]


@pytest.mark.parametrize(("typed", "sentence"), BY_HAND)
def test_an_entry_typed_by_hand_works(typed, sentence):
    """Whatever a person types: it reads as they would, and no bounce, lift or look fails on it."""
    entry = {"email": "taro@example.com", **typed}
    said = suppressed(entry, day(0))
    assert said is None if sentence is None else said.startswith(sentence)
    after = heard(bounce(0), bounce(1), bounce(2, "DROP"), entry=entry)
    assert suppressed(after, day(2))
    assert suppressed(lifted(after, "hanako", day(3)), day(3)) is None


@pytest.mark.parametrize(
    "parts", [{"after": 0}, {"after": 21}, {"within": timedelta(-1)}, {"for_": timedelta(0)}, {"for_": timedelta(999)}]
)
def test_a_rule_that_could_never_hold_is_refused(parts):
    """A slip in a setting is said at once."""
    with pytest.raises(ValueError, match="a rule takes"):
        Rule(**parts)

"""What comes of one event of the webhook, however it is spelled or broken."""

from datetime import UTC, datetime, timedelta

import pytest

from outbox.core import bounce as bounces
from outbox.core.bounce import BOUNCE

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT = "2026-11-20T20:00:00+09:00"


def raw(kind="HARDERROR", at=AT, **detail):
    """Make an event in which only what a test cares about is said; None leaves a member out."""
    defaults = {
        "mailaddress": "taro@example.com",
        "subject": "Hello",
        "error_code": "550",
        "error_message": "宛先が存在しません",
        "delivery_id": 17,
    }
    members = {name: value for name, value in {**defaults, **detail}.items() if value is not None}
    return {"event": {"type": kind, "datetime": at, "detail": members}}


def read(event, number=0):
    return bounces.read(event, number, NOW)


def test_an_event_becomes_an_item_that_the_indexes_of_history_find():
    """The delivery, the address and the day are keys; the moment is the one of the event, in UTC."""
    item = read(raw()).item(400)
    assert item.pop("id").startswith(BOUNCE)
    assert item == {
        "type": "HARDERROR",
        "finished_at": "2026-11-20T11:00:00.000Z",
        "day": "bounces-2026-11-20",
        "received_at": "2026-11-20T12:00:00.000Z",
        "expires_at": int((NOW + timedelta(days=400)).timestamp()),
        "recipient": "taro@example.com",
        "code": "550",
        "message": "宛先が存在しません",
        "subject": "Hello",
        "delivery_id": "17",
    }


def test_an_id_is_as_long_as_promised():
    """32 hexadecimal digits follow the name."""
    assert len(read(raw()).id) == len(BOUNCE) + 32


@pytest.mark.parametrize(
    "other",
    [
        raw(delivery_id="17"),
        raw(delivery_id=17.0),
        raw(delivery_id=" 17 "),
        raw(mailaddress=" Taro@Example.COM "),
        raw(error_code=550),
        raw(kind="harderror "),
        raw(at="2026-11-20T11:00:00Z"),
        raw(at="2026-11-20T11:00:00.000+00:00"),
        raw(subject="other", error_message=None, insert_codes=[{"key": "__x__", "value": "1"}]),
    ],
)
def test_two_spellings_of_one_event_are_one(other):
    """What is not part of the identity, and how it is written, does not make another bounce."""
    assert read(other, 7).id == read(raw()).id


@pytest.mark.parametrize(
    "other",
    [
        raw(delivery_id=18),
        raw(delivery_id=None),
        raw(mailaddress="jiro@example.com"),
        raw(error_code="551"),
        raw(kind="SOFTERROR"),
        raw(at="2026-11-20T11:00:01Z"),
        raw(at=None),
    ],
)
def test_two_events_are_two(other):
    """Each part of the identity tells events apart."""
    assert read(other).id != read(raw()).id


def test_parts_of_the_identity_cannot_run_into_each_other():
    """A character of one part is never taken for the end of it."""
    assert read(raw(kind="A|B", error_code="C")).id != read(raw(kind="A", error_code="B|C")).id


@pytest.mark.parametrize("at", [None, "", "yesterday", 1763636400, "0001-01-01T00:00:00+09:00", ["x"], "\ud800"])
def test_an_event_without_a_readable_moment_is_kept_as_of_its_receipt(at):
    """Nobody knows when it was; the same text is the same event all the same."""
    first, later = read(raw(at=at)), bounces.read(raw(at=at), 0, NOW + timedelta(hours=1))
    assert first.happened_at == NOW
    assert first.id == later.id


def test_a_moment_without_an_offset_is_that_of_the_mail_api():
    """It writes +09:00; without it the same event is meant."""
    bare, full = read(raw(at="2026-11-20T20:00:00")), read(raw(at="2026-11-20T20:00:00+09:00"))
    assert bare.happened_at == full.happened_at
    assert bare.id == full.id


def test_insert_codes_that_come_back_are_kept_in_bounds():
    """They may be all that ties a bounce to a mail; what is odd or too much is left out."""
    event = raw()
    event["event"]["detail"]["insert_codes"] = [{"key": "__job__", "value": "x" * 500}, 5, {"value": 1}] + [
        {"key": f"__{n}__", "value": n} for n in range(20)
    ]
    codes = read(event).item(400)["insert_code"]
    assert codes["__job__"] == "x" * 99 + "…"
    assert len(codes) <= 10


def test_a_moment_still_to_come_counts_as_now():
    """A clock years ahead must not suppress anybody for years."""
    assert read(raw(at="2036-01-01T00:00:00Z")).happened_at == NOW


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("554(errors)", "554(errors)"),
        (550, "550"),
        (5.5, "5.5"),
        (True, "true"),
        (None, None),
        ("4\x0050", "4\ufffd50"),
    ],
)
def test_a_code_is_text_whatever_it_comes_as(written, kept):
    """Nobody parses it: it may be decorated."""
    assert read(raw(error_code=written)).item(1).get("code") == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [(17, "17"), ("abc", "abc"), ("", None), ({"a": 1}, '{"a":1}'), ("1\x00", None), ("9" * 51, None), ("１７", None)],
)
def test_a_delivery_id_is_text_an_index_can_hold(written, kept):
    """What no key can be is left out; the bounce stays."""
    assert read(raw(delivery_id=written)).item(1).get("delivery_id") == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("COMPLAINT", "COMPLAINT"),
        ("softerror", "SOFTERROR"),
        ("a\x00b", "a\ufffdb"),
        (7, "7"),
        (None, "UNNAMED"),
        (" ", "UNNAMED"),
    ],
)
def test_an_unknown_type_is_kept_as_it_is_said(said, kept):
    """A type of tomorrow is a fact already today."""
    assert read(raw(kind=said)).type == kept


def test_long_texts_are_shortened_and_lines_joined():
    """An event cannot fill a table."""
    item = read(raw(error_message="a\n" * 9000, subject="x" * 9000, kind="y" * 9000, error_code="z" * 9000)).item(1)
    assert [len(item[name]) for name in ("message", "subject", "type", "code")] == [500, 256, 50, 50]
    assert item["message"].startswith("a a a")


BROKEN = [
    ("x", "events[3]: must be an object"),
    (None, "events[3]: must be an object"),
    ({}, "events[3].event: is missing"),
    ({"event": []}, "events[3].event: must be an object"),
    ({"event": {"type": "HARDERROR"}}, "events[3].event.detail: is missing"),
    ({"event": {"detail": "x"}}, "events[3].event.detail: must be an object"),
    (raw(mailaddress=None), "events[3].event.detail.mailaddress: is missing"),
    (raw(mailaddress=7), "events[3].event.detail.mailaddress: must be text"),
    (raw(mailaddress="secret-name"), "events[3].event.detail.mailaddress: is not one address of the form name@domain"),
    (raw(mailaddress="secret\x00@example.com"), "events[3].event.detail.mailaddress: the address holds the control"),
    (raw(mailaddress="secret" * 50 + "@example.com"), "events[3].event.detail.mailaddress: the address has 312"),
    (raw(mailaddress="secret@example.com, b@example.com"), "events[3].event.detail.mailaddress: is not one address"),
]


@pytest.mark.parametrize(("event", "problem"), BROKEN)
def test_an_event_nobody_can_match_is_kept_as_it_came(event, problem):
    """It says which field breaks which rule, never with the value, and belongs to no address."""
    item = read(event, 3).item(400)
    assert item["type"] == "UNREADABLE"
    assert item["problem"].startswith(problem)
    assert "secret" not in item["problem"]
    assert item["said"]
    assert "recipient" not in item
    assert (item["finished_at"], item["day"]) == ("2026-11-20T12:00:00.000Z", "bounces-2026-11-20")


def test_an_unreadable_event_is_found_by_its_delivery_and_known_when_it_comes_again():
    """Its place in the body and the order of its members make no other event."""
    event = raw(mailaddress=None)
    turned = {"event": dict(reversed(event["event"].items()))}
    assert read(event, 3).item(1)["delivery_id"] == "17"
    assert read(event, 3).id == read(turned, 4).id

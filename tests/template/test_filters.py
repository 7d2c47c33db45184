"""Which stream records wake a function: those that ask for something, and no others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from outbox.core import places
from outbox.local.filters import matches
from tests.template.conftest import filters

WORDS = ["PENDING", "SENDING", "WAITING", "CHECKING", "FAILED", "UNKNOWN", "HELD"]


def image(status: object = None, **more: object) -> dict[str, Any]:
    """Make a row's image; a plain word is a string attribute, None leaves an attribute out."""
    typed = {"S": status} if isinstance(status, str) else status
    index = {"lane": {"S": "normal-1"}, "due_at": {"S": "2030-01-01T00:00:00.000Z"}}
    attributes = {"id": {"S": "01"}, "status": typed} | index | more
    return {name: value for name, value in attributes.items() if value is not None}


def record(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """Make the stream record of a write that turned one image into the other."""
    name = "MODIFY" if old and new else "INSERT" if new else "REMOVE"
    images = {"OldImage": old, "NewImage": new}
    change = {"Keys": {"id": {"S": "01"}}, "SequenceNumber": "1", "StreamViewType": "NEW_AND_OLD_IMAGES"}
    return {
        "eventID": "1",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": change | {key: value for key, value in images.items() if value},
    }


def rings(patterns: list[str], event: dict[str, Any]) -> bool:
    """Say whether the stream mapping hands the record to its function."""
    return any(matches(event, json.loads(pattern)) for pattern in patterns)


def leaves(pattern: object) -> Iterator[object]:
    """Give what a pattern ends in."""
    if isinstance(pattern, dict):
        for inner in pattern.values():
            yield from leaves(inner)
    else:
        yield pattern


def test_patterns_are_json_and_few_enough(resources: dict[str, Any]) -> None:
    """AWS takes five patterns a mapping, each a JSON object whose leaves are lists; the linter sees none of it."""
    mappings = [name for name, each in resources.items() if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    assert sorted(mappings) == ["CleanupExpired", "DeliverDoorbell", "KeepCommitted"]
    for mapping in mappings:
        texts = filters(resources, mapping)
        assert 1 <= len(texts) <= 5
        assert all(isinstance(json.loads(text), dict) for text in texts)
        assert all(isinstance(leaf, list) and leaf for text in texts for leaf in leaves(json.loads(text)))


HEARD = {
    "a new mail": (None, image("PENDING")),
    "a repair": (image("FAILED"), image("PENDING")),
    "send again": (image("PENDING", revision={"N": "1"}), image("PENDING", revision={"N": "2"})),
    "raw edit of a failed row": (image("FAILED"), image("FAILED", subject={"S": "better"})),
    "raw edit of an unknown row": (image("UNKNOWN"), image("UNKNOWN", subject={"S": "better"})),
    "raw insert of a failed row": (None, image("FAILED")),
    "a misspelt word": (image("FAILED"), image("pending")),
    "an empty word": (image("FAILED"), image("")),
    "a new row with a misspelt word": (None, image("PENDNG")),
    "a new row without a status": (None, image()),
    "status taken away": (image("WAITING"), image()),
    "status a number": (image("WAITING"), image({"N": "1"})),
    "status null": (image("FAILED"), image({"NULL": True})),
    "status a map": (None, image({"M": {"S": {"S": "PENDING"}}})),
    "status a list": (None, image({"L": [{"S": "PENDING"}]})),
    "due_at of a scheduled row taken away": (image("WAITING"), image("WAITING", due_at=None)),
    "a scheduled row written by hand without due_at": (None, image("WAITING", due_at=None)),
    "a scheduled row written by hand without lane": (None, image("WAITING", lane=None)),
    "a lane nobody looks into": (image("WAITING"), image("WAITING", lane={"S": "express"})),
    "a new row in a lane nobody looks into": (None, image("WAITING", lane={"S": "express"})),
    "a row written by hand as SENDING": (None, image("SENDING", due_at=None, lane=None)),
    "a person holds a failed row": (image("FAILED"), image("HELD")),
    "a restored or hand-written held row": (None, image("HELD")),
    "edit of a held row": (image("HELD"), image("HELD", subject={"S": "better"})),
    "release of a held row": (image("HELD"), image("PENDING")),
    "status of a row in flight overwritten": (image("SENDING"), image("WAITING")),
    "look-up says resend": (image("CHECKING"), image("PENDING")),
}

IGNORED = {
    "a scheduled mail": (None, image("WAITING")),
    "claim of a new mail": (image("PENDING"), image("SENDING")),
    "claim of a scheduled mail": (image("WAITING"), image("SENDING")),
    "claim of a checked mail": (image("CHECKING"), image("SENDING")),
    "lease of a row in flight renewed": (image("SENDING"), image("SENDING", due_at={"S": "2030"})),
    "sent": (image("SENDING"), None),
    "cancelled": (image("WAITING"), None),
    "a failed row removed": (image("FAILED"), None),
    "a broken row removed": (image(), None),
}


@pytest.mark.parametrize("case", HEARD)
def test_heard(patterns: list[str], case: str) -> None:
    """A write that may want a mail sent, or leaves a row nobody would look at, rings."""
    assert rings(patterns, record(*HEARD[case]))


@pytest.mark.parametrize("case", IGNORED)
def test_ignored(patterns: list[str], case: str) -> None:
    """The everyday writes of the service and the end of a row cost no invocation."""
    assert not rings(patterns, record(*IGNORED[case]))


def test_removal_by_ttl_is_ignored(patterns: list[str]) -> None:
    """A row taken by TTL does not ring, should somebody turn it on for the outbox."""
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert not rings(patterns, record(image("FAILED"), None) | {"userIdentity": service})


@pytest.mark.parametrize("old", WORDS)
@pytest.mark.parametrize("new", ["SENDING"])
def test_claims_never_ring(patterns: list[str], old: str, new: str) -> None:
    """Whatever a row was before, the claim itself is silent."""
    assert not rings(patterns, record(image(old), image(new)))


FILES = {"files": {"N": "2"}}
# As DynamoDB writes it: the record of a row taken by TTL, and that of one deleted by a person.
EXPIRY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
PERSON = {"type": "AssumedRole", "principalId": "AROAEXAMPLE:taro"}

KEPT = {
    "a new mail with files": (None, image("PENDING", **FILES)),
    "a scheduled mail with files": (None, image("WAITING", **FILES)),
    "a row with files written by hand without a status": (None, image(**FILES)),
}

NOT_KEPT = {
    "a new mail without files": (None, image("PENDING")),
    "a new mail whose files are no number": (None, image("PENDING", files={"S": "2"})),
    "the claim of a mail with files": (image("PENDING", **FILES), image("SENDING", **FILES)),
    "the end of a mail with files": (image("SENDING", **FILES), None),
}


@pytest.mark.parametrize("case", KEPT)
def test_keep_hears_of_new_mails_with_files(committed: list[str], case: str) -> None:
    """Whoever commits a mail with files, whatever its state, its files stay."""
    assert rings(committed, record(*KEPT[case]))


@pytest.mark.parametrize("case", NOT_KEPT)
def test_keep_hears_of_nothing_else(committed: list[str], case: str) -> None:
    """A mail without files and everything that happens to a mail later cost no invocation."""
    assert not rings(committed, record(*NOT_KEPT[case]))


def test_cleanup_hears_of_expired_mails_with_files(expired: list[str]) -> None:
    """A row that TTL took from history takes its files along."""
    assert rings(expired, record(image("SENT", **FILES), None) | {"userIdentity": EXPIRY})


@pytest.mark.parametrize(
    ("old", "new", "by"),
    [
        (image("SENT"), None, {"userIdentity": EXPIRY}),
        (image("SENT", **FILES), None, {}),
        (image("SENT", **FILES), None, {"userIdentity": None}),
        (image("SENT", **FILES), None, {"userIdentity": PERSON}),
        (image("SENT", **FILES), None, {"userIdentity": EXPIRY | {"principalId": "elsewhere.amazonaws.com"}}),
        (None, image("SENT", **FILES), {}),
        (image("SENT", **FILES), image("SENT", delivery={"S": "1"}, **FILES), {}),
    ],
    ids=["no files", "deleted", "deleted, null", "deleted by a person", "another service", "written", "changed"],
)
def test_cleanup_hears_of_nothing_else(
    expired: list[str], old: dict[str, Any] | None, new: dict[str, Any] | None, by: dict[str, Any]
) -> None:
    """What was deleted by hand, and what goes without files, deletes no file."""
    assert not rings(expired, record(old, new) | by)


@pytest.mark.parametrize(
    ("value", "rule", "allowed"),
    [
        ("abc", "abc", True),
        ("abc", "ab", False),
        ("abc", {"prefix": "ab"}, True),
        ("abc", {"prefix": "bc"}, False),
        ("abc", {"suffix": "bc"}, True),
        ("abc", {"anything-but": ["abc", "x"]}, False),
        ("abc", {"anything-but": "x"}, True),
        ("abc", {"exists": True}, True),
        ("abc", {"exists": False}, False),
        (True, 1, False),
        (True, True, True),
        ({"deeper": "abc"}, {"exists": True}, False),
    ],
)
def test_matcher_follows_the_rules_of_lambda(value: object, rule: object, *, allowed: bool) -> None:
    """Each operator does what Lambda's guide to event filtering says."""
    assert matches({"field": value}, {"field": [rule]}) is allowed


@pytest.mark.parametrize("event", [{}, {"a": "text"}, {"a": {}}, {"a": {"c": "1"}}])
def test_matcher_takes_a_broken_path_for_missing(event: dict[str, Any]) -> None:
    """Below a missing map everything is missing: that exists=false finds, anything-but does not."""
    assert matches(event, {"a": {"b": [{"exists": False}]}})
    assert not matches(event, {"a": {"b": [{"anything-but": ["x"]}]}})


def test_matcher_refuses_what_it_does_not_know() -> None:
    """An operator it was never taught is an error, not a guess."""
    with pytest.raises(ValueError, match="numeric"):
        matches({"a": "1"}, {"a": [{"numeric": [">", 0]}]})
    with pytest.raises(TypeError, match="list of allowed values"):
        matches({"a": "1"}, {"a": "1"})


def test_the_lanes_of_the_filter_are_those_of_the_code(patterns: list[str]) -> None:
    """A lane the filter knows and dispatch does not, or the other way round, would hide rows."""
    (rule,) = [found for pattern in patterns if (found := json.loads(pattern)["dynamodb"]["NewImage"].get("lane"))]
    named = next(each["anything-but"] for each in rule["S"] if "anything-but" in each)
    assert set(named) == {*places.lanes(urgent=True), *places.lanes(urgent=False)}

"""A message is a code with parameters: kept on rows, read back, and written out in any language, whatever is there."""

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.core.catalogue import SENTENCES
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.errors import InvalidMail, NeedsConfirmation, Problem, RowBroken, WrongState
from outbox.core.message import (
    DEEPEST,
    HOLE,
    LONGEST,
    LONGEST_PARAMETER,
    Message,
    event,
    event_reason,
    message_of,
    read_back,
    reason,
    render,
    stored,
)
from tests.unit import pathological

CODES = sorted(SENTENCES)


def sample(code: str) -> Message:
    """Make a message with each of its parameters."""
    return Message(code, **{name: f"<{name}>" for name, _ in HOLE.findall(SENTENCES[code][0])})


def test_a_message_comes_back_as_it_was() -> None:
    """From a row, from another process and from a copy; it says the same in each language."""
    for message in map(sample, CODES):
        for again in (read_back(stored(message)), pickle.loads(pickle.dumps(message)), copy.deepcopy(message)):
            assert isinstance(again, Message)
            assert (again, again.code, again.params) == (message, message.code, message.params)
            assert render(again, "ja") == render(message, "ja")


def test_a_message_is_an_english_text() -> None:
    """Whoever does not translate prints it, logs it and finds what it names in it."""
    message = Message("not-found", id="'m-1'")

    assert message == "No mail with the id 'm-1', neither in the outbox nor in history."
    assert render(message, "ja") == "ID 'm-1' のメールは、送信箱にも履歴にもありません。"


def test_a_code_that_is_none_is_refused() -> None:
    """A slip in a code is found by the first test that runs over it."""
    with pytest.raises(KeyError):
        Message("no-such-code")


def test_numbers_and_messages_in_messages() -> None:
    """Thousands are separated where the sentence says so; a message in a message speaks its language."""
    assert Message("request.limit", most=10_000) == "limit must be from 1 to 10,000"
    why = Message("no-answer", seconds=30, kind="ReadTimeout")
    nested = Message("reconcile.not-answered", why=why, due_at="2026-01-01T00:00:00.000Z")

    assert "メールAPIから30秒以内に応答がありませんでした(ReadTimeout)。" in render(nested, "ja")
    assert "メールAPIから30秒以内に" in render(stored(nested), "ja")


def test_the_longest_chain_of_the_service_is_kept_whole() -> None:
    """Why a mail was not sent names since when its address is suppressed, why, and the delivery that came back."""
    cause = Message(
        "suppression.errors",
        kind="HARDERROR 550",
        at="2026-01-01T00:00:00.000Z",
        delivery=Message("suppression.delivery", id="4711"),
        count=2,
        days="14",
    )
    since = Message("suppressed-since-ever", since="2026-01-01T00:00:00.000Z", why=cause)
    details = {"why": Message("suppressed", address="taro@example.com", why=since)}

    for language in ("en", "ja"):
        assert "4711" in reason({"error": "suppressed", "details": stored(details)}, language)


def test_what_a_row_keeps_is_short() -> None:
    """The words of others are quoted, not kept whole."""
    kept = stored(Message("answer-said", said="x" * 100_000, status=400))

    assert len(kept["said"]) == LONGEST_PARAMETER
    assert len(stored(list(range(1000)))) == 20


def test_problems_name_the_part_in_the_readers_language() -> None:
    """The part of a mail, its number in a list and the rule; what is no part stays as it is."""
    error = InvalidMail([Problem("subject", Message("rule.missing")), Problem("cc[2]", Message("rule.no-address"))])
    other = RowBroken("memo", Message("rule.missing"))

    assert str(error) == "subject: is missing; cc[2]: is not one address of the form name@domain"
    told = "件名: ありません、CC[2]: name@domainの形のメールアドレスを1つだけ入力してください"
    assert render(message_of(error), "ja") == told
    assert render(message_of(other), "ja") == "memo: ありません"


def test_what_cannot_be_done_says_what_and_why() -> None:
    """Both are codes: «cannot be held» is one word of its own in Japanese."""
    wrong = WrongState("m 1", "SENT", Message("cannot.held"), Message("why.left-outbox"))

    assert str(wrong) == "Mail m 1 is SENT and cannot be held: it has left the outbox."
    assert render(message_of(wrong), "ja") == "メール m 1 は SENT のため、保留できません: すでに送信箱を出ています。"
    assert "状態なし" in render(message_of(WrongState("m", "", Message("cannot.held"))), "ja")


def test_an_error_without_a_message_is_told_as_it_is() -> None:
    """An error of somebody else has only its text."""
    assert message_of(ValueError("a, b")) == "a, b"
    assert message_of(NeedsConfirmation(["One.", "Two."])) == "One. Two."


@pytest.mark.parametrize("error", ErrorCode)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_row_says_why_in_the_readers_language(error: ErrorCode, language: Any) -> None:
    """The sentence that stands on the row is that of the stack; the reader gets their own."""
    details = stored(sample(f"error.{error}").params)
    item = {"status": "FAILED", "error": str(error), "details": details, "reason": "whatever stands there"}

    assert reason(item, language) == render(sample(f"error.{error}"), language)
    assert event_reason({"what": "failed", "error": str(error), "details": details}, language) == reason(item, language)


@pytest.mark.parametrize(
    "item",
    [
        {"error": "refused", "reason": "as it stands"},
        {"error": "refused", "details": {"answers": "x"}, "reason": "as it stands"},
        {"error": "refused", "details": "no map", "reason": "as it stands"},
        {"error": "teleported", "details": {}, "reason": "as it stands"},
        {"error": ["refused"], "details": {"answer": "x"}, "reason": "as it stands"},
        {"reason": "as it stands"},
    ],
)
def test_a_row_that_a_person_broke_says_what_stands_there(item: Mapping[str, Any]) -> None:
    """Where the code or a parameter is gone, the sentence on the row is the next best."""
    assert reason(item, "ja") == "as it stands"


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"status": "SENT"}, "メールAPIが受け付けました。"),
        ({"status": "SENT", "confirmed_by": "records"}, "メールAPIが受け付けていました(送信記録で確認)。"),
        ({"status": "SENT", "confirmed_by": "bob"}, "bobが送信済みと確認しました。"),
        ({"status": "CANCELLED", "details": {"who": "bob"}}, "bobが取り消しました。"),
        ({"status": "CANCELLED", "details": {"who": "bob", "batch": "B"}}, "bobが取り消しました(一括処理 B)。"),
        ({"status": "CANCELLED", "reason": "as it stands"}, "as it stands"),
        ({"status": "SENT", "forgotten_at": "2026-01-01"}, "依頼により、内容と宛先を消去しました。"),
    ],
)
def test_a_mail_in_history_says_how_it_got_there(item: Mapping[str, Any], told: str) -> None:
    """It has no error; its state and who acted say enough."""
    assert reason(item, "ja") == told


@pytest.mark.parametrize("what", EventCode)
def test_an_event_is_told_in_the_readers_language(what: EventCode) -> None:
    """Its word comes from the catalogue."""
    assert (event(str(what), "en"), event(str(what), "ja")) == SENTENCES[f"event.{what}"]


@pytest.mark.parametrize("what", ["teleported", "", 7, None, ["sent"], {"a": 1}])
def test_an_unknown_event_is_shown_as_it_is(what: object) -> None:
    """What another version wrote, or a person typed, is not hidden."""
    assert event(what, "ja") == str(what)


KEYS = st.sampled_from(["code", "field", "rule", "why", "note", "problems", "who", "due_at", "answer", "x", ""])
WORDS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.binary(max_size=20), st.text(max_size=20), st.sampled_from(CODES)
)
TYPED = st.recursive(
    WORDS,
    lambda parts: st.one_of(st.lists(parts, max_size=4), st.dictionaries(KEYS, parts, max_size=5)),
    max_leaves=40,
)


@settings(max_examples=300, deadline=None)
@given(TYPED, st.sampled_from([*map(str, ErrorCode), "teleported"]), st.sampled_from(["en", "ja"]))
def test_whatever_a_person_typed_is_told(details: Any, error: str, language: Any) -> None:
    """Nothing raises, and what is told of a row is short."""
    read_back(details) if isinstance(details, Mapping) else None
    stored(details)
    render(details, language)
    for item in ({"error": error, "details": details}, {"details": details, "error": details, "status": details}):
        assert len(reason({**item, "reason": details}, language)) <= LONGEST
        event_reason(item, language)


def nested(depth: int, code: str = "suppressed") -> dict[str, Any]:
    """Make a message in a message in a message."""
    value: dict[str, Any] = {"code": code, "address": "x", "why": "the end"}
    for _ in range(depth):
        value = {"code": code, "address": "x", "why": value}
    return value


@pytest.mark.parametrize("depth", [DEEPEST + 1, 100, 5000])
def test_what_is_nested_deeper_than_any_message_is_left_out(depth: int) -> None:
    """The rest is told; nobody waits for the depths, and nobody falls into them."""
    told = reason({"error": "file-lost", "details": {"why": nested(depth)}}, "ja")

    assert "…" in told
    assert "the end" not in told


WIDE = {
    "a long text": lambda size: {"why": "x" * size},
    "a long list": lambda size: {"why": ["xxxxxxxx"] * (size // 10)},
    "a list of messages": lambda size: {"why": [{"code": "file-lost", "why": "xxxx"}] * (size // 40)},
    "a list of problems": lambda size: {"why": [{"field": "to", "rule": {"code": "rule.missing"}}] * (size // 40)},
    "a wide map": lambda size: {"why": {f"name{number}": "x" for number in range(size // 12)}},
    "messages in messages": lambda size: {"why": [nested(5)] * (size // 400)},
    "full stops": lambda size: {"why": ["." * (size // 10)] * 10},
    "brackets": lambda size: {"why": [{"field": "[" * (size // 2), "rule": "{why}" * (size // 10)}]},
}


@pytest.mark.parametrize("make", WIDE.values(), ids=WIDE)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_largest_row_is_told_in_linear_time(make, language: Any) -> None:
    """A row that a person has filled with anything holds nobody up."""

    def told(details: Any) -> object:
        return reason({"error": "file-lost", "details": details}, language), stored(details), read_back(details)

    pathological.check(told, pathological.Sizes(make), "a reason")

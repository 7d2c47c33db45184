"""What happened to a mail is told in order, whatever a person has made of it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from outbox.console import timeline as told
from outbox.console.timeline import Entry, Timeline, moving
from outbox.console.words import words
from outbox.core.codes import EventCode
from outbox.core.message import Message, stored
from outbox.core.row import Row
from outbox.flows.history import Kept
from tests.console.conftest import Browser

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def timeline(row: Row | dict[str, Any], *bounces: dict[str, Any], code: str = "en") -> Timeline:
    ask: Any = SimpleNamespace(words=words(code), now=NOW)
    return told.timeline(Kept(row if isinstance(row, Row) else Row(row), bounces), ask)


def at(minute: int) -> str:
    return f"2026-01-01T00:{minute:02d}:00.000Z"


def said(found: Timeline) -> list[str]:
    return [entry.said for entry in found.entries]


def facts(entry: Entry) -> dict[str, str]:
    return {fact.label: fact.value for fact in entry.facts}


def test_a_mail_from_its_writing_to_its_bounce(browser: Browser) -> None:
    """Written, taken, refused, corrected by whom from what to what, sent, and come back: each where it belongs."""
    browser.write_failed("m")
    browser.service.clock.forward(minutes=1)
    browser.service.support.edit("m", {"to": "jiro@example.com"}, "bob", send=True)
    browser.service.deliver()
    browser.service.clock.forward(minutes=1)
    browser.came_back("m", "jiro@example.com")

    found = timeline(browser.row("m"), *browser.desk.history.show("m").bounces)

    assert said(found) == [
        "enqueued", "taken to be sent", "failed", "edited", "sent again", "taken to be sent", "sent", "came back",
    ]  # fmt: skip
    edited, again, sent, bounce = (found.entries[number] for number in (3, 4, 6, 7))
    assert (edited.who, edited.mark) == ("bob", "person")
    (change,) = edited.facts
    assert (change.label, change.before, change.value) == ("To", "taro@example.com", "jiro@example.com")
    why = "The mail API refused it: to: invalid format. (400)"
    assert facts(again) == {"why": why, "state before": "FAILED", "kind of reason": "refused"}
    assert facts(sent)["delivery id"] == browser.row("m").delivery_id
    assert facts(bounce) == {"from whom": "jiro@example.com", "kind of bounce": "HARDERROR 550", "why": "user unknown"}
    assert bounce.mark == "bad"


def test_a_mail_that_was_deferred_often_has_one_entry() -> None:
    """Folded deferrals tell how often, and since when."""
    event = {"at": at(9), "who": "dispatch", "what": "deferred", "times": 3, "since": at(1), "reason": "429"}

    (entry,) = timeline({"timeline": [event]}).entries

    assert (entry.times, entry.since, entry.at) == (3, at(1), at(9))


def test_a_bounce_goes_where_it_happened() -> None:
    """What came back before a person acted stands before that."""
    row = {"timeline": [{"at": at(1), "what": "sent"}, {"at": at(9), "what": "copied-to", "resent_as": "new"}]}

    found = timeline(row, {"finished_at": at(5), "recipient": "a@example.com"})

    assert [entry.what for entry in found.entries] == ["sent", "came-back", "copied-to"]
    assert [(fact.kind, fact.value) for fact in found.entries[2].facts] == [("mail", "new")]


def test_events_stay_in_the_order_they_were_written() -> None:
    """A clock that is behind does not turn cause and effect around."""
    row = {"timeline": [{"at": at(5), "what": "edited"}, {"at": at(3), "what": "resent"}]}

    assert [entry.what for entry in timeline(row).entries] == ["edited", "resent"]


def test_a_mail_that_is_being_sent_says_since_when() -> None:
    """The claim stands at the end as long as nothing has come of it."""
    row = {"status": "SENDING", "claimed_at": at(2), "timeline": [{"at": at(1), "what": "enqueued"}]}

    assert said(timeline(row)) == ["enqueued", "taken to be sent"]
    assert said(timeline(row | {"status": "FAILED"})) == ["enqueued"]


def test_a_batch_and_a_mail_it_was_made_of_are_links() -> None:
    """Ids lead on; what is no id does not."""
    event = {"at": at(1), "what": "resent", "batch": "B1", "of": "old", "resent_as": 7}

    kinds = {fact.label: fact.kind for fact in timeline({"timeline": [event]}).entries[0].facts}

    assert kinds == {"batch": "batch", "made of": "mail", "new mail": "text"}


BROKEN: list[Any] = [
    None, "text", 7, b"bytes", {"a": 1}, [], [None, 7, "x", [], {}], [{"at": 7, "who": ["x"], "what": {"a": 1}}],
    [{"at": "yesterday", "what": "sent"}], [{"at": "9999-12-31T23:59:59.999Z", "what": "sent"}, {"what": "failed"}],
    [{"at": "0001-01-01T00:00:00.000Z", "what": "sent"}],
    [{"changes": "no map"}], [{"changes": {"to": "no pair"}}, {"changes": {"to": ["a"], "cc": [1, 2], "": [None, {}]}}],
    [{"changes": {f"f{n}": ["a", "b"] for n in range(999)}}], [{f"k{n}": n for n in range(999)}],
    [{"times": "many", "since": 7, "what": "deferred"}], [{"times": True, "claimed_at": 9}], [{"claimed_at": "soon"}],
    [{"what": "x" * 100_000, "who": "y" * 100_000, "reason": "z" * 100_000}],
    [{"what": "<script>alert(1)</script>", "who": "</li></ol>", "reason": "\u202e<b>"}],
]  # fmt: skip


@pytest.mark.parametrize("events", BROKEN)
@pytest.mark.parametrize("code", ["en", "ja"])
def test_a_timeline_that_a_person_broke_is_shown_as_far_as_it_goes(browser: Browser, events: Any, code: str) -> None:
    """Nothing a person types there breaks the page of the mail, nor becomes a part of it."""
    browser.write_failed("m")
    browser.service.store.edit("m", timeline=events)
    browser.client.headers["accept-language"] = code
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")

    page = browser.get("/mail", id="m")

    assert page.status == 200
    assert not page.soup.select("#timeline script, #timeline b")
    assert len(str(page.soup.select_one("#timeline"))) < 100_000


@pytest.mark.parametrize("bounce", [{}, {"finished_at": 7}, {"finished_at": "x", "recipient": ["a"], "message": {}}])
def test_a_bounce_that_says_little_breaks_nothing(bounce: dict[str, Any]) -> None:
    """What cannot be read of it is left out."""
    assert said(timeline({"timeline": [{"at": at(1), "what": "sent"}]}, bounce)) == ["sent", "came back"]


def test_only_the_latest_events_are_drawn() -> None:
    """A row of ten thousand events is a page of two hundred, and says so."""
    found = timeline({"timeline": [{"at": at(1), "what": f"e{number}"} for number in range(10_000)]})

    assert (len(found.entries), found.earlier) == (200, 9800)
    assert found.entries[-1].what == "e9999"


def test_it_speaks_japanese() -> None:
    """The words of the service, the labels and the names of fields are all translated."""
    events = [{"at": at(1), "what": what} for what in EventCode]
    change = {"at": at(2), "what": "edited", "changes": {"subject": ["a", "b"]}, "reason": "x"}

    found = timeline({"timeline": [*events, change]}, code="ja")

    assert not [entry.said for entry in found.entries if entry.said.isascii()]
    assert [fact.label for fact in found.entries[-1].facts] == ["理由", "件名"]


def test_why_a_mail_is_in_doubt_is_told_in_the_readers_language() -> None:
    """Its event holds the cause as a code."""
    event = {"at": at(1), "what": "in-doubt", "why": stored(Message("answer-says-nothing", status=500))}

    (entry,) = timeline({"timeline": [event]}, code="ja").entries

    assert facts(entry) == {"理由": "メールAPIの応答(500)からは、このメールの結果が分かりません。"}


def test_what_a_hand_changed_is_named() -> None:
    """The names of attributes are no ids of mails."""
    event = {"at": at(1), "who": "by hand", "what": "changed-by-hand", "of": ["memo", "tags"]}

    (entry,) = timeline({"timeline": [event]}, code="ja").entries

    assert (entry.said, entry.who, entry.mark) == ("手動で変更", "手動", "person")
    assert facts(entry) == {"変更された項目": "memo, tags"}


def test_an_unknown_code_is_shown_as_it_is() -> None:
    """What another version of the service wrote is no reason to hide it."""
    event = {"at": at(1), "what": "teleported", "error": "gone-west", "details": {"why": "x"}, "reason": "It is gone."}

    (entry,) = timeline({"timeline": [event]}, code="ja").entries

    assert (entry.said, facts(entry)["理由"]) == ("teleported", "It is gone.")


def test_every_event_has_a_mark_of_its_own_or_none() -> None:
    """No event is both good and bad."""
    marked = [code for _, codes in told.MARKS for code in codes]

    assert len(marked) == len(set(marked))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "PENDING"}, True),
        ({"status": "SENDING"}, True),
        ({"status": "CHECKING"}, True),
        ({"status": "WAITING", "due_at": at(5)}, True),
        ({"status": "WAITING", "due_at": "2026-01-01T01:00:00.000Z"}, False),
        ({"status": "WAITING", "due_at": "soon"}, False),
        ({"status": "FAILED"}, False),
        ({"status": "SENT"}, False),
        ({"status": "odd"}, False),
    ],
)
def test_what_moves_is_looked_at_again(row: dict[str, Any], expected: bool) -> None:  # noqa: FBT001  a table
    """A page looks again by itself only while the service is about to act."""
    assert moving(Row(row), NOW, 600) is expected

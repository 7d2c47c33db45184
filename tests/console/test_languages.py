"""A Japanese reader of the console is told in Japanese why a mail is where it is, whatever the row itself says."""

import pytest

from outbox.console import filters
from outbox.core.catalogue import SENTENCES
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.message import HOLE, Message, reason, stored
from tests.console.conftest import Browser


@pytest.mark.parametrize("error", ErrorCode)
def test_every_reason_is_told_in_japanese(browser: Browser, error: ErrorCode) -> None:
    """On the list and on the page of the mail."""
    details = {name: f"<{name}>" for name, _ in HOLE.findall(SENTENCES[f"error.{error}"][0])}
    browser.write_failed("m")
    browser.service.store.edit("m", error=str(error), details=details, reason="as the stack has it")
    browser.client.headers["accept-language"] = "ja"

    told = reason({"error": str(error), "details": details}, "ja")
    row, state = browser.get("/").soup.select_one("td.reason"), browser.get("/mail", id="m").soup.select_one("#state")

    for part in (row, state):
        assert part is not None
        assert told[:200] in " ".join(part.get_text().split())
        assert "as the stack has it" not in part.get_text()


def test_every_event_is_told_in_japanese(browser: Browser) -> None:
    """With why it happened."""
    browser.write_failed("m")
    events = [{"at": "2026-01-01T00:00:00.000Z", "who": "x", "what": str(what)} for what in EventCode]
    events[0] |= {"error": "file-lost", "details": stored({"why": Message("file-gone", name="'a.pdf'")})}
    browser.service.store.edit("m", timeline=events)
    browser.client.headers["accept-language"] = "ja"

    page = browser.get("/mail", id="m")
    told = [" ".join(entry.get_text().split()) for entry in page.soup.select("#timeline li > p:first-child strong")]

    assert told == [SENTENCES[f"event.{what}"][1] for what in EventCode]
    assert "ファイル'a.pdf'が保存場所にありません。" in page.text


def test_every_error_can_be_filtered_by() -> None:
    """A new code is offered in the list of what to look for, once."""
    offered = [*filters.ERRORS, *filters.ERRORS_WAITING]

    assert sorted(offered) == sorted(ErrorCode)


def test_moments_in_a_reason_are_in_the_zone_of_the_reader(browser: Browser) -> None:
    """The row has them in UTC."""
    browser.write("m")
    why = {"due_at": "2026-01-01T00:00:00.000Z", "why": Message("rate-used-up")}
    browser.service.store.edit("m", status="WAITING", error="retry-later", details=stored(why))
    browser.client.headers["accept-language"] = "ja"
    browser.client.cookies.set("outbox-zone", "Asia/Tokyo")

    assert "2026-01-01 09:00:00 +09:00に再試行します: メールAPIの送信レートの上限" in browser.get("/mail", id="m").text


def test_copies_that_were_left_out_say_why_in_japanese(browser: Browser) -> None:
    """Also one that a person, or an older version, has written as a text."""
    browser.write_failed("m")
    why = stored(Message("suppressed-ever", why=Message("suppressed-without-reason")))
    parts = [
        {"address": "a@example.com", "reason": "x", "details": why},
        {"address": "b@example.com", "reason": "by hand"},
    ]
    browser.service.store.edit("m", left_out=parts)
    browser.client.headers["accept-language"] = "ja"

    text = browser.get("/mail", id="m").text

    assert "a@example.com: 無期限: 理由の記載なし" in text
    assert "b@example.com: by hand" in text


def test_a_bounce_nobody_could_read_says_why_in_japanese(browser: Browser) -> None:
    """What the webhook was sent stands beside it."""
    from outbox.core.bounce import read

    now = browser.service.clock()
    item = read({"event": {"detail": {}}}, 0, now).item(400)
    browser.service.store.history[item["id"]] = item
    browser.client.headers["accept-language"] = "ja"

    assert "events[0].event.detail.mailaddress: ありません" in browser.get("/bounces").text

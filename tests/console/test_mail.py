"""One mail: all that is known of it, why it is where it is, and what can be done; hostile mails included."""

from decimal import Decimal
from typing import Any

import pytest

from outbox import Attachment
from outbox.core.message import Message
from outbox.core.states import Status
from outbox.flows.outlook import CODES
from tests.console.conftest import Browser, Seen

ODD_ID = " 注文 1/2?a=b&c#d\"'<b> "
HOSTILE = "<script>alert(1)</script></textarea></pre>\u202e\u0000"
# What of a row a person may have typed over.
ANYTHING: list[Any] = [
    None, 7, Decimal("1.5"), True, "", "\ud800", b"\xff", [], [7, None], {"a": [1]}, {"x", "y"}, HOSTILE,
]  # fmt: skip
FIELDS = (
    "sender", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "tags", "encoding", "insert_code", "urgent",
    "list_unsubscribe", "attachments", "body", "status", "reason", "error", "due_at", "send_at", "created_at",
    "left_out", "resent_as", "resend_of", "expires_at", "revision", "attempts", "looks", "on_unknown", "delivery_id",
    "confirmed_by", "forgotten_at", "odd <b>",
)  # fmt: skip


def buttons(seen: Seen) -> list[str]:
    """Name what can be done: buttons, links that look like them, and questions."""
    found = seen.soup.select("#state .toolbar > a, #state summary, #state .inline button")
    return [" ".join(part.get_text().split()) for part in found]


def test_why_and_what_next(browser: Browser) -> None:
    """The reason and what comes next stand at the top, in plain words."""
    browser.write_failed("m", subject="Your order")

    page = browser.get("/mail", id="m")

    assert page.soup.h1 is not None
    assert page.soup.h1.text == "Your order"
    why = " ".join(page.soup.select_one("#state").text.split())  # type: ignore[union-attr]
    assert "FAILED The mail API refused it: to: invalid format. (400)" in why
    assert "It waits for a person; it never goes by itself." in why


def test_each_state_says_what_can_be_done(browser: Browser) -> None:
    """Buttons are what can be done now, and no more; what may do harm is a question."""
    browser.write_failed("failed")
    browser.write_unknown("unknown")
    browser.write_held("held")
    browser.write_sent("sent")
    browser.write_later("later")
    browser.write("pending")

    assert buttons(browser.get("/mail", id="failed")) == ["Edit", "Send again", "Hold…", "Cancel…"]
    assert buttons(browser.get("/mail", id="unknown")) == ["It was sent…", "Send again…", "Hold…", "Cancel…"]
    assert buttons(browser.get("/mail", id="held")) == ["Edit", "Release", "Cancel…"]
    assert buttons(browser.get("/mail", id="sent")) == ["Send as a new mail"]
    assert buttons(browser.get("/mail", id="later")) == ["Edit", "Send now", "Hold…", "Cancel…"]
    assert buttons(browser.get("/mail", id="pending")) == ["Edit", "Hold…", "Cancel…"]


def test_a_suppressed_mail_can_be_sent_anyway(browser: Browser) -> None:
    """Where the recipient is suppressed, that is a question of its own."""
    browser.write_failed("m")
    browser.service.store.edit("m", error="suppressed")

    page = browser.get("/mail", id="m")

    assert "Send anyway…" in buttons(page)
    assert page.form("/mail/resend", anyway="yes")["id"] == "m"


def test_who_may_only_look_sees_no_button(browser: Browser, viewer: Browser) -> None:
    """Everything can be read, nothing pressed."""
    for mail_id, write in (("f", browser.write_failed), ("u", browser.write_unknown), ("s", browser.write_sent)):
        write(mail_id)
        page = viewer.get("/mail", id=mail_id)
        assert page.status == 200
        assert buttons(page) == []
        assert not [form for form in page.soup.select("main form") if form.get("method") == "post"]


@pytest.mark.parametrize("status", [*Status, None])
@pytest.mark.parametrize("code", ["en", "ja"])
def test_every_state_is_told(browser: Browser, status: Status | None, code: str) -> None:
    """Each state has its sentence, in each language."""
    browser.write("m")
    browser.service.store.edit("m", status=str(status or "SNED"), check_until="2026-01-01T00:15:00.000Z")
    browser.client.headers["accept-language"] = code

    page = browser.get("/mail", id="m")

    assert page.status == 200
    assert (Message(CODES[status])[:20] in page.text) is (code == "en")


def test_all_that_is_known_is_shown(browser: Browser) -> None:
    """People, tags, times, ids and what a person added by hand."""
    parts: dict[str, Any] = {
        "cc": ["Cc <cc@example.com>"], "bcc": ["bcc@example.com"], "reply_to": "re@example.com",
        "tags": ["spring", "a,b"], "urgent": True,
        "insert_code": {"name": "Taro"}, "text": "Hello __name__", "subject": "Hi __name__",
    }  # fmt: skip
    browser.write_failed("m", **parts)
    browser.service.store.edit("m", note_of_the_shop="ask Jiro")

    text = browser.get("/mail", id="m").text

    for told in (
        "Shop <shop@example.com>", "taro@example.com", "Cc <cc@example.com>", "bcc@example.com", "re@example.com",
        "spring", "a,b", "overtakes other mail", "name = Taro", "Hello Taro", "Hello __name__",
        "Subject as it goes Hi Taro", "UTF-8", "note_of_the_shop ask Jiro",
        "Calls of the mail API 1", "2026-01-01 00:00:00 +00:00",
    ):  # fmt: skip
        assert told in text


def test_links_between_mails_and_who_was_left_out(browser: Browser) -> None:
    """The mail it was made of, those made of it and the copies it went without."""
    browser.write_sent("old")
    new = browser.desk.again("old", "bob", confirmed=True).id
    browser.service.store.edit(new, left_out=[{"address": "cc@example.com", "reason": "it bounced"}])

    assert browser.get("/mail", id="old").soup.select(f'a[href="/mail?id={new}"]')
    page = browser.get("/mail", id=new)
    assert page.soup.select('a[href="/mail?id=old"]')
    assert "Left out cc@example.com: it bounced" in page.text


def test_a_bounce_is_told_at_the_top(browser: Browser) -> None:
    """What came back is the first thing one reads of a sent mail."""
    browser.write_sent("m")
    browser.came_back("m", "taro@example.com", message="user unknown")

    page = browser.get("/mail", id="m")

    assert "It came back from taro@example.com: user unknown" in page.notes


def test_a_stop_of_all_sending_is_told(browser: Browser) -> None:
    """A mail that only waits for the switch says so."""
    browser.write("m")
    browser.desk.switch.pause("bob", "new templates")

    assert "All sending is stopped: new templates To the switch" in browser.get("/mail", id="m").notes
    browser.desk.switch.resume("bob")
    assert not browser.get("/mail", id="m").notes


def test_ids_may_be_anything(browser: Browser) -> None:
    """Blanks, slashes, quotes and Japanese in an id lead to the same mail on every page."""
    browser.write_failed(ODD_ID, html="<p>x</p>", attachments=[Attachment("a.txt", b"a")])
    page = browser.get("/mail", id=ODD_ID)

    assert page.status == 200
    found = [str(part[name]) for name in ("href", "src") for part in page.soup.select(f"main [{name}]")]
    for address in found:
        if not address.startswith("#"):
            assert browser.get(address).status == 200, address
    assert len(found) == 5
    assert page.form("/mail/cancel")["id"] == ODD_ID


def test_a_mail_that_is_not_there(browser: Browser) -> None:
    """A page says so and helps on; an id no table could have is no error either."""
    for mail_id in ("nowhere", "x" * 1999, "あ" * 1999, "", "outbox:copy:0:m", HOSTILE):
        page = browser.get("/mail", id=mail_id)
        assert page.status == 404
        assert "No such mail" in page.text
        assert page.soup.select('form[action="/mail"] input[name="id"]')
        assert not page.soup.select("main script")


def test_items_of_the_service_are_no_mails(browser: Browser) -> None:
    """What history keeps beside mails is not shown as one."""
    browser.write_sent("m", cc=["cc@example.com"])
    browser.came_back("m", "taro@example.com")
    others = [mail_id for mail_id in browser.service.store.history if mail_id.startswith("outbox:")]

    assert others
    assert {browser.get("/mail", id=mail_id).status for mail_id in others} == {404}


@pytest.mark.parametrize("name", FIELDS)
def test_a_row_of_anything_is_shown(browser: Browser, name: str) -> None:
    """Whatever a person typed into an attribute, the page, the state, the source and the form come; nothing is lost."""
    browser.write_failed("m", html="<p>x</p>")
    for number, value in enumerate(ANYTHING):
        mail_id = f"m{number}"
        browser.service.store.put({**browser.service.store.get("m"), "id": mail_id, name: value})
        for path in ("/mail", "/mail/state", "/mail/html", "/mail/source", "/mail/edit"):
            page = browser.get(path, id=mail_id)
            other = {("/mail/edit", "status"): 409, ("/mail/html", "body"): 400}.get((path, name), 200)
            assert page.status in {200, other}, (path, name, value, page.text)
            if path not in ("/mail/html", "/mail/source"):
                assert "<script>alert" not in page.html, (path, name)


def test_a_hostile_mail_is_only_text(browser: Browser) -> None:
    """Nothing in a mail becomes a part of the page, and no character turns its words around."""
    texts: dict[str, Any] = dict.fromkeys(("subject", "text", "html", "reason", "odd", "to", "error"), HOSTILE)
    browser.write_failed("m")
    browser.service.store.edit("m", cc=[HOSTILE], tags=[HOSTILE], insert_code={HOSTILE: HOSTILE}, **texts)

    page = browser.get("/mail", id="m")

    assert [str(script.get("src")) for script in page.soup.select("script")] == [
        "/static/htmx.min.js",
        "/static/console.js",
    ]
    assert "\u202e" not in page.html
    assert "style=" not in page.html


def test_the_state_refreshes_itself_into_history(browser: Browser) -> None:
    """While the service is at it the part looks again; it says nothing new until there is something, then moves on."""
    browser.write_failed("m")
    browser.service.support.resend("m", "alice")
    page = browser.get("/mail", id="m")
    part = page.soup.select_one("#state")
    assert part is not None
    address = str(part["hx-get"])
    assert part["hx-trigger"] == "tick from:body"
    assert "Look again" in part.text

    assert browser.get(address).status == 204
    browser.service.deliver()
    fresh = browser.get(address)

    assert "SENT" in fresh.text
    assert not fresh.soup.select("[hx-get]")
    timeline = fresh.soup.select_one("#timeline")
    assert timeline is not None
    assert timeline["hx-swap-oob"] == "true"
    assert "sent · deliver" in " ".join(timeline.text.split())
    assert not page.soup.select("[hx-swap-oob]")


def test_the_state_of_no_mail(browser: Browser) -> None:
    """A part of a mail that is gone is an error, not a page in a page."""
    assert browser.get("/mail/state", id="nowhere").status == 404


def test_looking_writes_nothing(browser: Browser) -> None:
    """No page of a mail changes it."""
    browser.write_failed("m", attachments=[Attachment("a.txt", b"a")], html="<p>x</p>")
    before = len(browser.service.store.changes)

    for path in ("/mail", "/mail/state", "/mail/html", "/mail/source", "/mail/edit"):
        browser.get(path, id="m")
    browser.get("/mail/file", id="m", n="0")

    assert len(browser.service.store.changes) == before


def test_it_speaks_japanese(browser: Browser) -> None:
    """A page of a failed mail has no English but what the mail says and the glossary's words."""
    browser.write_failed("m", tags=["a"])
    browser.client.headers["accept-language"] = "ja"
    page = browser.get("/mail", id="m")
    for part in page.soup.select("pre, code, dd, .who"):
        part.decompose()

    words = " ".join(page.soup.select_one("main").get_text(" ").split())  # type: ignore[union-attr]

    assert "担当者の対応を待っています" in words
    for english in ("Hold", "Cancel", "Edit", "Facts", "What happened", "Text", "ago", "Encoding", "taken"):
        assert english not in words


def test_a_moment_at_the_end_of_the_calendar(browser: Browser) -> None:
    """A time that a person typed far away is shown in any zone."""
    browser.write_failed("m")
    for moment in ("9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z"):
        browser.service.store.edit("m", send_at=moment, due_at=moment, status="WAITING")
        for zone in ("Asia/Tokyo", "America/Los_Angeles"):
            browser.client.cookies.set("outbox-zone", zone)
            assert {browser.get(path, id="m").status for path in ("/mail", "/mail/edit")} == {200}

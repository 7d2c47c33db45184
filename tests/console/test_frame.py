"""What stands around every page: who may do what, what a browser remembers, what is said once."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from outbox.console.access import Everybody, Person
from outbox.console.app import create_app
from outbox.console.ask import Ask, Page
from outbox.console.pages import PAGES
from outbox.console.session import COOKIE
from outbox.core.errors import InvalidRequest
from outbox.wiring.desk import Desk
from tests.console.conftest import ADDRESS, Browser, Seen

GETS = [page for page in PAGES if page.method == "GET"]
ACTS = [page for page in PAGES if page.method == "POST" and not page.own]
OWN = [page for page in PAGES if page.method == "POST" and page.own]
path_of = lambda page: page.path  # noqa: E731
# A form that would do something on each of the pages that do.
FORM = {"id": "failed", "action": "hold", "ids": "failed", "seen_at": "2030-01-01T00:00:00Z", "reason": "x"}
FORM |= {"email": "taro@example.com", "to": "jiro@example.com", "send": "yes", "version": "1", "anyway": "yes"}


def fill(browser: Browser) -> None:
    """Put a mail into every state, something into every list."""
    browser.write_failed("failed")
    browser.write_unknown("unknown")
    browser.write_held("held")
    browser.write_later("later")
    browser.write_sent("sent")
    browser.came_back("sent", "taro@example.com")
    browser.write("cancelled")
    browser.service.support.cancel("cancelled", "bob")
    browser.desk.suppression.add("gone@example.com", "bob", "asked for it")


def held(browser: Browser) -> str:
    """Give all that is stored."""
    places = (browser.service.store, browser.service.register, browser.suppressions, browser.service.files)
    return repr([{name: repr(value) for name, value in vars(place).items() if "lock" not in name} for place in places])


# Who may do what.


@pytest.mark.parametrize("page", ACTS, ids=path_of)
def test_who_may_look_cannot_act(viewer: Browser, page: Page) -> None:
    """No form that changes anything is taken from them, whatever it says; nothing is changed."""
    fill(viewer)
    before = held(viewer)

    seen = viewer.post(page.path, via="/help", **FORM)

    assert seen.status == 403
    assert seen.notes == ["You may look, not act. Nothing was done."]
    assert held(viewer) == before


def test_every_page_that_acts_is_known_here() -> None:
    """The list above is not empty by mistake; what is a browser's own is named one by one."""
    assert len(ACTS) >= 12
    assert {page.path for page in OWN} == {"/mail/preview", "/sign-in", "/sign-out", "/language", "/settings"}


def test_nothing_to_press_for_who_may_look(viewer: Browser) -> None:
    """No page shows them a form that they could not send."""
    fill(viewer)
    acts = {page.path for page in ACTS}
    for page in GETS:
        for mail_id in ("failed", "unknown", "held", "later", "sent", "cancelled"):
            forms = {
                str(form.get("action")) for form in viewer.get(page.path, id=mail_id).soup.select("form[method=post]")
            }
            assert not forms & acts, page.path


class Reading:
    """A place of which nothing may be written: what is not known to read only fails the test."""

    READS = re.compile(
        r"get|get_finished|present|due|never_due|by_\w+|has_delivery|entries|rows|bounces\w*|copies|every|look|page|source"
    )

    def __init__(self, place: Any, wrote: list[str]) -> None:
        self._place, self._wrote = place, wrote

    def __getattr__(self, name: str) -> Any:
        if not self.READS.fullmatch(name):
            self._wrote.append(name)
            raise AssertionError(f"a GET called {name}")
        return getattr(self._place, name)


def reading(browser: Browser) -> tuple[Browser, list[str]]:
    """Give a browser on the same service, on which nothing can be written."""
    wrote: list[str] = []
    service = replace(
        browser.service,
        **{name: Reading(getattr(browser.service, name), wrote) for name in ("store", "register", "files")},
    )
    suppressions: Any = Reading(browser.suppressions, wrote)
    return Browser(service, suppressions=suppressions), wrote


@pytest.mark.parametrize("page", GETS, ids=path_of)
def test_looking_writes_nothing(browser: Browser, page: Page) -> None:
    """However a page is asked for, the tables stay as they are: links are followed by programs, too."""
    fill(browser)
    safe, wrote = reading(browser)
    before = held(browser)

    for mail_id in ("failed", "unknown", "held", "later", "sent", "cancelled", "nowhere", ""):
        for query in (
            {},
            {"n": "text"},
            {"seen": "x"},
            {"q": "taro@example.com"},
            FORM,
            {"all": "1", "state": "failed", "action": "resend"},
        ):
            assert safe.get(page.path, **{**query, "id": mail_id}).status < 500
    assert wrote == []
    assert held(browser) == before


@pytest.mark.parametrize("page", OWN, ids=path_of)
def test_what_is_ones_own_writes_nothing(browser: Browser, page: Page) -> None:
    """A form that anybody may send changes nothing but cookies."""
    fill(browser)
    safe, wrote = reading(browser)
    before = held(browser)

    assert safe.post(page.path, via="/help", **FORM).status < 500
    assert wrote == []
    assert held(browser) == before


def test_an_unknown_page_is_not_found(browser: Browser) -> None:
    """A path that is no page is told, with the way back."""
    seen = browser.get("/nowhere")

    assert seen.status == 404
    assert "There is no such page." in seen.text
    assert seen.soup.select_one('a[href="/"]')


def test_nothing_on_a_page_needs_more_than_its_policy(browser: Browser) -> None:
    """No inline script or style, no event attribute, and nothing from elsewhere, on any page."""
    fill(browser)
    for page in GETS:
        for mail_id in ("failed", "sent"):
            seen = browser.get(page.path, id=mail_id)
            if (
                "frame-ancestors 'self'" in seen.headers["content-security-policy"]
                or "html" not in seen.headers["content-type"]
            ):
                continue
            for tag in seen.soup.find_all(True):
                names = set(tag.attrs)
                assert not {name for name in names if name.startswith(("on", "hx-on"))} | names & {"style"}, page.path
                assert tag.name != "style"
                assert tag.name != "script" or (not tag.text and str(tag["src"]).startswith("/static/"))
                where = str(tag.get("src") or tag.get("href") or tag.get("action") or "/")
                assert re.match(r"#|/(?!/)", where), (page.path, where)


# What a browser remembers.


@pytest.mark.parametrize(
    ("header", "cookie", "code"),
    [
        ("ja", "", "ja"),
        ("en", "", "en"),
        ("fr", "", "en"),
        ("ja", "en", "en"),
        ("en", "ja", "ja"),
        ("ja", "<xx>", "ja"),
    ],
)
def test_language_of_a_page(browser: Browser, header: str, cookie: str, code: str) -> None:
    """What the person has chosen, else what their browser asks for, else English."""
    if cookie:
        browser.client.cookies.set("outbox-language", cookie)

    page = browser.client.get("/help", headers={"accept-language": header}).text

    assert f'<html lang="{code}"' in page
    assert ("メールの状態" in page) is (code == "ja")


def test_switching_the_language(browser: Browser) -> None:
    """The switch leads back to the page it was pressed on, and is remembered for a year."""
    page = browser.get("/history", to="taro@example.com")
    switched = browser.submit(page, "/language", button=("code", "ja"))

    assert switched.url == f"{ADDRESS}/history?to=taro%40example.com"
    assert switched.soup.html["lang"] == "ja"  # type: ignore[index]
    assert browser.get("/").soup.html["lang"] == "ja"  # type: ignore[index]
    response = browser.client.post(
        "/language", data=browser.get("/help").form("/language") | {"code": "en"}, follow_redirects=False
    )
    said = response.headers["set-cookie"].lower()
    assert "outbox-language=en" in said
    assert "max-age=31536000" in said
    assert "samesite=lax" in said


def test_no_other_language(browser: Browser) -> None:
    """A language we do not speak is refused in words, and nothing is remembered."""
    seen = browser.post("/language", via="/help", code="xx<script>")

    assert seen.status == 400
    assert "set-cookie" not in seen.headers or "outbox-language" not in seen.headers["set-cookie"]


def test_choosing_a_zone(browser: Browser) -> None:
    """All zones are offered, the chosen one is chosen, moments are in it; and the browser's own can come back."""
    page = browser.get("/settings")
    assert len(page.soup.select("#zone option")) > 400
    assert page.form("/settings")["zone"] == ""

    seen = browser.submit(page, "/settings", zone="Asia/Kolkata")

    assert "Moments are shown in the time zone Asia/Kolkata now." in seen.text
    assert seen.form("/settings")["zone"] == "Asia/Kolkata"
    assert "+05:30 (Asia/Kolkata)" in seen.text
    assert browser.client.cookies.get("outbox-zone-chosen") == "1"
    back = browser.submit(seen, "/settings", zone="")
    assert "of this browser" in back.notes[0]
    assert browser.client.cookies.get("outbox-zone-chosen") is None
    assert "UTC" not in browser.client.cookies.get("outbox-zone", domain="127.0.0.1", default="")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "UTC\x00", "x" * 3000])
def test_no_other_zone(browser: Browser, zone: str) -> None:
    """What is no zone is refused; a cookie that names none is left aside."""
    assert browser.post("/settings", via="/help", zone=zone).status == 400
    browser.client.cookies.set("outbox-zone", "Mars/Olympus")
    assert browser.get("/settings").status == 200


def test_moments_in_sentences_are_in_the_viewers_zone(browser: Browser) -> None:
    """What the service wrote with a moment in it is read with the moment as on any clock here."""
    from types import SimpleNamespace

    from outbox.console import render, times, words

    ask = SimpleNamespace(words=words.words("en"), zone=times.zone("Asia/Tokyo"))
    context: Any = {"ask": ask}
    sentence = "Suppressed since 2026-11-21T14:27:43.000Z until 2026-12-05T14:27:43.000Z; not 2026-99-99T14:27:43.000Z."

    said = render.said(context, sentence)

    assert "2026-11-21 23:27:43 +09:00 until 2026-12-05 23:27:43 +09:00" in said
    assert "2026-99-99T14:27:43.000Z" in said


def test_help_explains_every_state(browser: Browser) -> None:
    """Each word that can stand on a mail, and each key."""
    seen = browser.get("/help")
    for word in ("PENDING", "SENDING", "WAITING", "CHECKING", "FAILED", "UNKNOWN", "HELD", "SENT", "CANCELLED"):
        assert seen.soup.select_one(f".state-{word.lower()}")
    assert [key.text for key in seen.soup.select("kbd")] == ["j", "k", "o", "Enter", "x", "e", "r", "/", "?"]


# What is said once.


def telling(browser: Browser) -> Browser:
    def tell(ask: Ask, _desk: Desk) -> Response:
        ask.tell("Done: %(what)s", what="<b>it</b>")
        ask.offer("Undo", "/line/resume")
        return ask.to("/help")

    def part(ask: Ask, _desk: Desk) -> Response:
        return ask.part("trouble.html", sentences=[])

    def wrong(_ask: Ask, _desk: Desk) -> Response:
        raise InvalidRequest("no")

    pages = [Page("/tell", tell, "POST"), Page("/part", part), Page("/wrong", wrong)]
    browser.app = create_app(browser.desk, Everybody(lambda: Person("alice", browser.role)), pages=pages)
    browser.client = TestClient(browser.app, base_url=ADDRESS, headers=browser.headers)
    return browser


def test_a_note_is_said_once(browser: Browser) -> None:
    """The page after says what was done, with the way back; the one after that does not."""
    seen = telling(browser).post("/tell", via="/help")

    assert seen.notes == ["Done: <b>it</b> Undo"]
    assert seen.has_form("/line/resume")
    assert browser.get("/help").notes == []


def test_what_is_fetched_meanwhile_takes_nothing_away(browser: Browser) -> None:
    """A part of a page, in order or in trouble, neither says what was to be said nor sets a cookie."""
    telling(browser)
    token = browser.get("/help").form("/language")["csrf"]
    browser.client.post("/tell", data={"csrf": token}, follow_redirects=False)

    for path, headers in (
        ("/part", {}),
        ("/wrong", {"hx-request": "true"}),
        ("/wrong", {"sec-fetch-dest": "iframe"}),
        ("/static/console.css", {}),
    ):
        response = browser.client.get(path, headers=headers)
        assert "set-cookie" not in response.headers, path
        assert "Done:" not in response.text
    assert browser.get("/help").notes == ["Done: <b>it</b> Undo"]


def test_a_part_does_not_begin_a_session(browser: Browser) -> None:
    """Only a whole page gives the cookie that its forms need; then it stays the same."""
    telling(browser)

    assert "set-cookie" not in browser.client.get("/part").headers
    first = browser.client.get("/help").headers["set-cookie"]
    assert first.startswith(COOKIE)
    assert "set-cookie" not in browser.client.get("/help").headers


def test_trouble_in_a_frame_can_be_seen_there(browser: Browser) -> None:
    """A preview that fails says so in its frame, in plain text that can do nothing."""
    response = telling(browser).client.get("/wrong", headers={"sec-fetch-dest": "iframe"})

    assert (response.status_code, response.text) == (400, "no")
    assert response.headers["content-type"].startswith("text/plain")
    assert "frame-ancestors 'self'" in response.headers["content-security-policy"]
    assert "sandbox" in response.headers["content-security-policy"]


def pages_of(browser: Browser) -> Iterator[tuple[str, Seen]]:
    for page in GETS:
        for mail_id in ("failed", "sent"):
            seen = browser.get(page.path, id=mail_id)
            if "<!doctype html>" in seen.html and "main" in seen.html:
                yield page.path, seen


def test_every_page_can_be_listened_to(browser: Browser) -> None:
    """One main heading, headings in order, a label for each field, a caption and scopes for each table."""
    fill(browser)
    for path, seen in pages_of(browser):
        levels = [int(tag.name[1]) for tag in seen.soup.find_all(re.compile(r"^h[1-6]$"))]
        assert levels.count(1) == 1, path
        assert all(after - before <= 1 for before, after in pairwise(levels)), (path, levels)
        for field in seen.soup.select("input:not([type=hidden]), select, textarea"):
            labelled = seen.soup.find("label", attrs={"for": field.get("id")}) if field.get("id") else None
            assert labelled or field.get("aria-label") or field.find_parent("label"), (path, str(field))
        for table in seen.soup.find_all("table"):
            assert table.caption, path
            assert all(head.get("scope") for head in table.find_all("th")), path
        ids = [tag["id"] for tag in seen.soup.select("[id]")]
        assert len(ids) == len(set(ids)), (path, ids)

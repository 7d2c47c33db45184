"""Who is kept out: forged requests, foreign names and pages, bodies without end; and the headers of every answer."""

import re
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from outbox.console import body
from outbox.console.access import Everybody, Person, Role
from outbox.console.app import STATIC, Front, create_app
from outbox.console.ask import LONGEST_FORM, Ask, Page
from outbox.console.guard import LONGEST_BODY
from outbox.console.session import Sessions
from outbox.core.errors import InvalidRequest
from outbox.wiring.desk import Desk
from tests.console.conftest import ADDRESS, Browser
from tests.console.test_frame import ACTS, FORM, OWN, fill, held, path_of


@pytest.mark.parametrize("page", [*ACTS, *OWN], ids=path_of)
def test_no_form_without_its_token(browser: Browser, page: Page) -> None:
    """Without a token, with a wrong one, and with that of another session nothing is done, and it is said."""
    fill(browser)
    other = Browser(browser.service).get("/help").form("/language")["csrf"]
    browser.get("/help")
    before = held(browser)

    for token in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": other}, {"csrf": "\u3042" * 5000}):
        seen = browser.send(page.path, {**FORM, **token})
        assert seen.status == 403
        assert "Nothing was done" in seen.text
    own = browser.get("/help").form("/language")["csrf"]
    # In the address bar it is no token: addresses are written down in many places.
    assert browser.client.post(f"{page.path}?csrf={own}", data=FORM, headers={"origin": ADDRESS}).status_code == 403
    assert held(browser) == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "127.0.0.1@evil.example"}, 421),
        ({"host": "x@127.0.0.1"}, 421),
        ({"host": "127.0.0.1/x"}, 421),
        ({"host": "127.0.0.1?x"}, 421),
        ({"host": ""}, 421),
        ({"host": "[::1"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-length": "16000001"}, 413),
        ({"content-length": "-1"}, 413),
        ({"content-length": "1e9"}, 413),
        ({"content-length": "9" * 5000}, 413),
        ({"content-length": "\u0661"}, 413),
    ],
)
def test_strangers_pages_are_kept_out(browser: Browser, headers: dict[str, str], status: int) -> None:
    """A form of ours that a foreign page sends, or that comes to a foreign name, is not even read."""
    token = browser.get("/help").form("/language")["csrf"]
    sent = {name: value.encode() for name, value in headers.items()}

    response = browser.client.post("/line/pause", data={"csrf": token, "reason": "x"}, headers=sent)

    assert response.status_code == status
    assert not browser.desk.switch.state().stopped
    check_headers(response.headers)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", ""])
def test_foreign_names_see_nothing(browser: Browser, host: str) -> None:
    """A name of a stranger that leads to this machine would make its page ours: it gets none."""
    assert browser.client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8025", "localhost", "[::1]:8025", "LOCALHOST:1"])
def test_this_machine_has_several_names(browser: Browser, host: str) -> None:
    """Whichever of them stands in the address bar."""
    assert browser.client.get("/help", headers={"host": host}).status_code == 200


def test_other_names_are_answered_when_told(browser: Browser) -> None:
    """The names it was started with, and no others."""
    app = create_app(browser.desk, Everybody(lambda: Person("alice", Role.ACT)), hosts=("console.example.com",))
    client = TestClient(app, base_url="https://console.example.com")

    assert client.get("/help").status_code == 200
    assert client.get("/help", headers={"host": "127.0.0.1"}).status_code == 421


def test_own_pages_in_a_browser(browser: Browser) -> None:
    """What a browser says of a form of our own page is fine."""
    headers = {"origin": ADDRESS, "sec-fetch-site": "same-origin", "referer": f"{ADDRESS}/help"}
    token = browser.get("/help").form("/language")["csrf"]

    assert browser.client.post("/language", data={"csrf": token, "code": "ja"}, headers=headers).status_code == 200


def test_a_body_without_end_is_not_read(browser: Browser) -> None:
    """Whoever does not say how long a body is gets as far as the longest form."""
    token = browser.get("/help").form("/language")["csrf"]
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield f"csrf={token}&reason=".encode()
        while sent < 4 * LONGEST_BODY:
            sent += 1_000_000
            yield b"x" * 1_000_000

    headers = {"origin": ADDRESS, "content-type": "application/x-www-form-urlencoded"}
    response = browser.client.post("/line/pause", content=endless(), headers=headers)

    assert response.status_code == 413
    assert not browser.desk.switch.state().stopped
    check_headers(response.headers)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"a&" * 6000),
        ("application/x-www-form-urlencoded", b"%ff=%ff&csrf=%00%zz&=&&;"),
        ("multipart/form-data; boundary=x", b"--x\r\nno form"),
        ("multipart/form-data", b"--x"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n--x--',
        ),
        (
            "multipart/form-data; boundary=x; charset=unicode_escape",
            b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--x--',
        ),
        ("application/json", b"{}"),
        ("text/plain", b"csrf=x"),
        ("x", b"\xff"),
    ],
)
def test_no_body_is_more_than_refused(browser: Browser, kind: str, body: bytes) -> None:
    """Whatever is sent in place of a form, the answer is a page that says no."""
    response = browser.client.post("/line/pause", content=body, headers={"origin": ADDRESS, "content-type": kind})

    assert response.status_code in (400, 403)
    assert not browser.desk.switch.state().stopped


def test_long_texts_are_read(browser: Browser) -> None:
    """A form with the longest text of a mail is no more than a form."""
    text = "あ" * 1_200_000

    def echo(ask: Ask, _desk: Desk) -> Response:
        return Response(str(len(ask.text("text") or "")))

    app = create_app(
        browser.desk,
        Everybody(lambda: Person("alice", Role.ACT)),
        pages=[Page("/echo", echo, "POST", longest=LONGEST_BODY)],
    )
    client = TestClient(app, base_url=ADDRESS)
    token = re.findall(r'name="csrf" value="([^"]+)"', client.get("/help").text)[0]

    assert client.post("/echo", data={"csrf": token, "text": text}).text == "1200000"


@pytest.mark.parametrize("given", ["its length", ""])
def test_a_form_is_as_long_as_its_page_takes(browser: Browser, given: str) -> None:
    """A page that takes a reason does not read megabytes, whether or not it is said how many there are."""
    token = browser.get("/help").form("/language")["csrf"]
    sent = f"csrf={token}&reason=".encode() + b"x" * LONGEST_FORM
    headers = {"origin": ADDRESS, "content-type": "application/x-www-form-urlencoded"}

    response = browser.client.post("/line/pause", content=sent if given else iter([sent]), headers=headers)

    assert response.status_code == 413
    assert not browser.desk.switch.state().stopped


@pytest.mark.parametrize("text", ["あ%+& =;\r\n" * 30_000, "%41" * 70_000, "\U0001f363" * 50_000, "x" * 200_000])
def test_a_form_is_read_as_it_was_sent(text: str) -> None:
    """However long it is and wherever it is cut on the way, each letter arrives."""
    for before in range(14):
        read = body._parsed(urlencode([("a" * before, "1"), ("text", text), ("text", "")]).encode())
        assert read.getlist("text") == [text, ""]


def test_a_form_of_most_fields_takes_little(browser: Browser) -> None:
    """Sixteen megabytes of nothing but fields are refused without being taken apart; of percents, take little room."""
    app = create_app(
        browser.desk,
        Everybody(lambda: Person("alice", Role.ACT)),
        pages=[Page("/long", lambda _ask, _desk: Response(), "POST", longest=LONGEST_BODY)],
    )
    client, headers = TestClient(app, base_url=ADDRESS), {"content-type": body.FORM}
    tracemalloc.start()
    try:
        assert client.post("/long", content=b"a=&" * (LONGEST_BODY // 3), headers=headers).status_code == 400
        assert (
            client.post("/long", content=b"a=" + b"%41" * (LONGEST_BODY // 3 - 1), headers=headers).status_code == 403
        )
        assert tracemalloc.get_traced_memory()[1] < 8 * LONGEST_BODY
    finally:
        tracemalloc.stop()


def test_two_hundred_ticked_mails_fit(browser: Browser) -> None:
    """Ids as long as they may be, all of it in percents, are no more than the page for many takes."""
    ids = [("あ" * 85)[: 85 - len(str(n))] + str(n) for n in range(200)]
    token = browser.get("/help").form("/language")["csrf"]

    seen = browser.send("/many", {"csrf": token, "action": "resend", "ids": ids, "seen_at": "2030-01-01T00:00:00Z"})

    assert seen.status != 413


# Headers.


def check_headers(headers: Any, kept: str = "no-store") -> None:
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == kept


def broken(browser: Browser) -> Browser:
    """Give a console with pages that fail, by a mistake of ours and by somebody else's."""

    def mistake(_ask: Ask, _desk: Desk) -> Response:
        raise ZeroDivisionError("secret")

    def wrong(_ask: Ask, _desk: Desk) -> Response:
        raise InvalidRequest("limit: <b>no</b>")

    pages = [Page("/mistake", mistake), Page("/wrong", wrong)]
    browser.app = create_app(browser.desk, Everybody(lambda: Person("alice", Role.ACT)), pages=pages)
    browser.client = TestClient(browser.app, base_url=ADDRESS, headers=browser.headers, raise_server_exceptions=False)
    return browser


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/help", 200), ("/nowhere", 404), ("/static/console.css", 200), ("/static/nowhere", 404), ("/wrong", 400)),
        *(
            ("/mistake", 500),
            ("/line/pause", 405),
            ("/static/..%2fapp.py", 404),
            ("/static/", 404),
            ("/mail?id=nowhere", 404),
        ),
    ],
)
def test_every_answer_has_the_headers(browser: Browser, path: str, status: int) -> None:
    """Pages, files, errors and mistakes alike."""
    response = broken(browser).client.get(path)

    assert response.status_code == status
    check_headers(response.headers, "no-cache" if path.startswith("/static/") and status == 200 else "no-store")


def test_a_redirection_has_the_headers(browser: Browser) -> None:
    """So does an answer that nobody sees."""
    response = browser.client.get("/sign-in", follow_redirects=False)

    assert response.status_code == 303
    check_headers(response.headers)


def test_nobody_is_sent_on_over_plain_http(browser: Browser) -> None:
    """There is no page with a slash at the end, and none leads to an address with a name in it."""
    for path in ("/mail/?id=1", "/history/", "/static"):
        response = browser.client.get(path, follow_redirects=False)
        assert (response.status_code, response.headers.get("location")) == (404, None)


def test_https_is_asked_for_where_it_is_spoken(browser: Browser) -> None:
    """By a name of its own, and never for this machine, where other programs speak plainly."""
    app = create_app(
        browser.desk,
        Everybody(lambda: Person("alice", Role.ACT)),
        Sessions(secure=True),
        ("console.example.com", "localhost"),
    )
    for host, told in (("console.example.com", True), ("localhost", False)):
        response = TestClient(app, base_url=f"https://{host}").get("/help")
        assert ("strict-transport-security" in response.headers) is told
    assert "strict-transport-security" not in browser.get("/help").headers


def test_a_mistake_of_ours_is_told_without_its_words(browser: Browser) -> None:
    """A page in the viewer's language, with the way back; what went wrong is for the log."""
    seen = broken(browser).get("/mistake")

    assert "The console has made a mistake" in seen.text
    assert "look at the mail before you try again" in seen.text
    assert "secret" not in seen.html


def test_even_a_broken_template_is_answered(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no page can be drawn at all, plain words are left."""
    monkeypatch.setattr(Front, "_ask", lambda *_: 1 / 0)
    response = broken(browser).client.get("/help")

    assert (response.status_code, response.text) == (500, "Internal Server Error")
    check_headers(response.headers)


def test_an_error_is_text_not_markup(browser: Browser) -> None:
    """What an error quotes is shown as it is."""
    seen = broken(browser).get("/wrong")

    assert "limit: <b>no</b>" in seen.text
    assert "<b>" not in seen.html


def test_static_files_are_those_of_the_package(browser: Browser) -> None:
    """Style, script and icon are there, each as what it is."""
    kinds = {
        "console.css": "text/css",
        "console.js": "javascript",
        "htmx.min.js": "javascript",
        "icon.svg": "image/svg",
    }
    for name, kind in kinds.items():
        response = browser.client.get(f"/static/{name}")
        assert response.content == (STATIC / name).read_bytes()
        assert kind in response.headers["content-type"]
        again = browser.client.get(f"/static/{name}", headers={"if-none-match": response.headers["etag"]})
        assert again.status_code == 304
        check_headers(again.headers, "no-cache")

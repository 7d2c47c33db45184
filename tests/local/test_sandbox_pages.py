"""The sandbox's inbox in the browser."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, token

NASTY = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(rate_per_minute=100_000)) as running:
        yield running


@pytest.fixture(scope="module")
def web(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty(web: httpx.Client) -> None:
    web.post("/_sandbox/reset")


def send(web: httpx.Client, *files: tuple[str, bytes, str], **fields: Any) -> int:
    plain = {
        "from": {"email": "shop@example.com"},
        "to": "a@example.com",
        "subject": "hello",
        "text_part": "text",
    }
    parts = [("file", file) for file in files]
    answer = web.post(
        "/api/v1/deliveries/transaction",
        files=[("data", (None, json.dumps(plain | fields), "application/json")), *parts],
        headers={"Authorization": f"Bearer {token('sandbox', 'sandbox-key')}"},
    )
    assert answer.status_code == 201, answer.text
    delivery_id: int = answer.json()["delivery_id"]
    return delivery_id


def test_inbox(web: httpx.Client) -> None:
    """The inbox lists what arrived, newest first, and refreshes itself unless paused."""
    assert "Nothing has arrived yet" in web.get("/").text
    ids = [send(web, subject=f"mail {number}") for number in range(2)]
    page = web.get("/").text
    assert page.index(f"/mails/{ids[1]}") < page.index(f"/mails/{ids[0]}")
    assert 'http-equiv="refresh"' in page
    assert 'http-equiv="refresh"' not in web.get("/?paused=1").text


def test_search(web: httpx.Client) -> None:
    """The inbox can be narrowed by address, subject or id."""
    send(web, subject="first")
    send(web, to="b@example.org", subject="second")
    page = web.get("/", params={"q": "B@EXAMPLE"}).text
    assert "second" in page
    assert "first" not in page


def test_mail_page(web: httpx.Client) -> None:
    """A mail's page shows its headers, its text as read, and its HTML in a frame that can do nothing."""
    codes = [{"key": "__name__", "value": "Taro"}]
    delivery_id = send(web, subject="Dear __name__", bcc=["b@example.com"], html_part="<p>x</p>", insert_code=codes)
    page = web.get(f"/mails/{delivery_id}").text
    for shown in ("Dear Taro", "b@example.com", "shop@example.com"):
        assert shown in page
    assert f'<iframe sandbox="" src="/mails/{delivery_id}/html"' in page


def test_nothing_runs(web: httpx.Client) -> None:
    """What a mail brings along is shown as text, and its HTML part may neither run nor load anything."""
    delivery_id = send(web, subject=NASTY, text_part=NASTY, html_part=NASTY)
    for path in ("/", f"/mails/{delivery_id}", f"/?q={NASTY}"):
        page = web.get(path)
        assert NASTY not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    html = web.get(f"/mails/{delivery_id}/html")
    assert html.text == NASTY
    assert html.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")


def test_attachment(web: httpx.Client) -> None:
    """An attachment is downloaded under its name and never shown as what it claims to be."""
    delivery_id = send(web, ('帳票"\n.html', b"<script>", "text/html"))
    answer = web.get(f"/mails/{delivery_id}/attachments/0")
    assert answer.content == b"<script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%E5%B8%B3%E7%A5%A8")
    assert web.get(f"/mails/{delivery_id}/attachments/1").status_code == 404


def test_style(web: httpx.Client) -> None:
    """The style sheet is the page's own."""
    assert web.get("/style.css").headers["Content-Type"].startswith("text/css")
    assert "http" not in web.get("/style.css").text


def test_missing_page(web: httpx.Client) -> None:
    """A mail that is not there is 404."""
    assert web.get("/mails/999999").status_code == 404


def test_switch_on_and_off(web: httpx.Client) -> None:
    """Faults are switched on with a form, shown in the inbox, and switched off with a button."""
    form = {"mode": "server_error", "times": "", "every": "2", "match_to": "*@example.com", "status": "503"}
    assert web.post("/faults", data=form).headers["Location"] == "/"
    [rule] = web.get("/_sandbox/faults").json()["faults"]
    assert (rule["every"], rule["times"], rule["status"], rule["headers"]) == (2, None, 503, True)
    assert rule["match"] == {"to": "*@example.com", "subject": None}
    assert f'action="/faults/{rule["id"]}/off"' in web.get("/").text
    web.post(f"/faults/{rule['id']}/off")
    assert web.get("/_sandbox/faults").json() == {"faults": []}


def test_rate_limit_form(web: httpx.Client) -> None:
    """The box for a 429 without headers, and the button that switches everything off, work."""
    web.post("/faults", data={"mode": "rate_limited", "retry_after": "soon", "without_headers": "1"})
    [rule] = web.get("/_sandbox/faults").json()["faults"]
    assert (rule["retry_after"], rule["headers"]) == ("soon", False)
    web.post("/faults/off")
    assert web.get("/_sandbox/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("path", "form", "problem"),
    [
        ("/faults", {"mode": "hang", "times": "many"}, "times: must be a whole number"),
        ("/faults", {"mode": "explode"}, "mode: must be one of"),
        ("/settings", {"rate_per_minute": "-3"}, "rate_per_minute: must be a whole number"),
    ],
)
def test_wrong_form(web: httpx.Client, path: str, form: dict[str, str], problem: str) -> None:
    """A wrong value comes back as a page that says which one and why."""
    answer = web.post(path, data=form)
    assert answer.status_code == 400
    assert problem in answer.text


def test_settings_form(web: httpx.Client) -> None:
    """Settings are changed with a form, and forgotten together with everything else."""
    web.post("/settings", data={"rate_per_minute": "60", "rate_header": "joined", "visibility_delay": "1.5"})
    settings = web.get("/_sandbox/settings").json()
    assert (settings["rate_per_minute"], settings["rate_header"]) == (60, "joined")
    assert settings["visibility_delay"] == 1.5
    web.post("/forget")
    assert web.get("/_sandbox/settings").json()["rate_per_minute"] == 100_000

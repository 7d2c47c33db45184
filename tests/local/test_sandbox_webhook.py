"""What the sandbox tells the webhook of bounces, how often, and whom it never tells."""

import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, webhooks
from tests.local.bouncing import Bouncing, bouncing
from tests.waiting import SECONDS, wait_for

SECRETS = {"webhook_user": "hook-user", "webhook_password": "hook-pässword"}


@pytest.fixture(scope="module")
def running() -> Iterator[Bouncing]:
    with bouncing() as started:
        yield started


@pytest.fixture
def sandbox(running: Bouncing) -> Bouncing:
    running.begin()
    return running


def test_body(sandbox: Bouncing) -> None:
    """The webhook gets the event of the published shape: a decorated code, a number as id, Japanese time."""
    codes = [{"key": "__name__", "value": "Taro"}]
    delivery_id = sandbox.send(subject="Dear __name__", insert_code=codes)
    told = sandbox.bounce(delivery_id=delivery_id, type="DROP", message="stopped")
    sandbox.calls()
    [(headers, body)] = sandbox.receiver.heard
    assert told == {"webhook": "on", "calls": 1, "body": body}
    [event] = body["events"]
    moment = event["event"].pop("datetime")
    assert datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S%z").utcoffset() == timedelta(hours=9)
    assert event == {
        "event": {
            "type": "DROP",
            "detail": {
                "mailaddress": "a@example.com",
                "subject": "Dear Taro",
                "error_code": "554(errors)",
                "error_message": "stopped",
                "delivery_id": delivery_id,
                "insert_codes": codes,
            },
        }
    }
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers


def test_credentials(sandbox: Bouncing) -> None:
    """User and password go along as Basic auth."""
    sandbox.set(**SECRETS)
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="SOFTERROR")
    sandbox.calls()
    [(headers, _)] = sandbox.receiver.heard
    assert headers["authorization"] == "Basic " + b64encode("hook-user:hook-pässword".encode()).decode()


def test_credentials_are_never_shown(sandbox: Bouncing) -> None:
    """No page and no endpoint shows user or password, not even the refusal of a wrong one."""
    changed = sandbox.admin.post("/settings", json=SECRETS)
    refused = sandbox.admin.post("/settings", json={"webhook_password": "hook-pässword\n"})
    assert (changed.status_code, refused.status_code) == (200, 400)
    sandbox.receiver.statuses = [500, 500, 500]
    delivery_id = sandbox.send()
    sandbox.bounce(delivery_id=delivery_id, type="HARDERROR")
    sandbox.calls()
    home = str(sandbox.admin.base_url).removesuffix("/_sandbox/")
    pages = [httpx.get(f"{home}{path}") for path in ("/", "/faults", f"/mails/{delivery_id}")]
    shown = [sandbox.admin.get(path) for path in ("/settings", "/bounces", "/faults", "/stats", "/mails")]
    for answer in (changed, refused, *pages, *shown):
        assert "hook-" not in answer.text
    assert "hook-" not in repr(SandboxSettings(**SECRETS))  # type: ignore[arg-type]


def test_insert_codes_can_be_left_out(sandbox: Bouncing) -> None:
    """Where the console names no insert codes, the event has no field for them."""
    sandbox.set(webhook_insert_codes="none")
    sandbox.send(insert_code=[{"key": "__name__", "value": "Taro"}])
    told = sandbox.bounce(to="a@example.com", type="DROP")
    assert "insert_codes" not in told["body"]["events"][0]["event"]["detail"]


def test_duplicates(sandbox: Bouncing) -> None:
    """The same event comes again in calls of its own, the same to the last letter."""
    sandbox.send()
    told = sandbox.bounce(to="a@example.com", type="HARDERROR", times=30)
    assert len(sandbox.calls()) == told["calls"] == 30
    assert sandbox.receiver.bodies == [told["body"]] * 30
    assert len(sandbox.admin.get("/mails").json()["mails"][0]["bounces"]) == 1


def test_duplicates_together(sandbox: Bouncing) -> None:
    """The same event comes several times in one body."""
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="HARDERROR", times=3, together=True)
    sandbox.calls()
    [body] = sandbox.receiver.bodies
    assert len(body["events"]) == 3
    assert body["events"][0] == body["events"][1] == body["events"][2]


def test_several_events_in_one_body(sandbox: Bouncing) -> None:
    """Bounces of several deliveries come in one body, in the order they were asked for."""
    ids = [sandbox.send(to=f"{name}@example.com") for name in "ab"]
    events: list[dict[str, Any]] = [
        {"delivery_id": ids[1], "type": "SOFTERROR"},
        {"to": "a@example.com", "type": "OPENED", "raw": True},
        {"delivery_id": 10**15, "email": "x@example.com", "type": "DROP", "unknown": True},
    ]
    sandbox.bounce(events=events)
    sandbox.calls()
    [body] = sandbox.receiver.bodies
    assert [event["event"]["type"] for event in body["events"]] == ["SOFTERROR", "OPENED", "DROP"]
    assert [detail["delivery_id"] for detail in sandbox.receiver.details] == [ids[1], ids[0], 10**15]


def test_unknown_delivery(sandbox: Bouncing) -> None:
    """A bounce of an id that was never given out reaches the webhook, and no record."""
    sandbox.bounce(delivery_id=10**15, email="x@example.com", type="HARDERROR", unknown=True)
    sandbox.calls()
    [detail] = sandbox.receiver.details
    assert (detail["delivery_id"], detail["mailaddress"], detail["subject"]) == (10**15, "x@example.com", "")
    assert sandbox.logs() == []


def test_latest_delivery_of_a_recipient(sandbox: Bouncing) -> None:
    """A recipient's latest delivery bounces for that recipient, whether it came as to, cc or bcc."""
    sandbox.send(to="b@example.com")
    latest = sandbox.send(bcc=["b@example.com"])
    sandbox.bounce(to="B@example.com", type="SOFTERROR")
    sandbox.calls()
    [detail] = sandbox.receiver.details
    assert (detail["delivery_id"], detail["mailaddress"]) == (latest, "B@example.com")


@pytest.mark.parametrize(
    ("statuses", "tries", "delivered"),
    [([204], 1, True), ([500, 200], 2, True), ([302, 404, 201], 3, True), ([500] * 9, 3, False)],
)
def test_tries(sandbox: Bouncing, statuses: list[int], tries: int, *, delivered: bool) -> None:
    """Only 2xx ends a call before its third try; after that it is given up."""
    sandbox.receiver.statuses = list(statuses)
    sandbox.send()
    told = sandbox.bounce(to="a@example.com", type="HARDERROR")
    [call] = sandbox.calls()
    assert call == {
        "id": 1,
        "body": told["body"],
        "tries": tries,
        "status": statuses[tries - 1],
        "error": None,
        "done": True,
        "delivered": delivered,
    }
    assert len(sandbox.receiver.heard) == tries
    counted = sandbox.admin.get("/stats").json()["webhooks"]
    assert counted == {"sent": int(delivered), "failed": int(not delivered), "pending": 0}


def test_nobody_listens(sandbox: Bouncing) -> None:
    """A webhook that cannot be reached is given up after three tries, with the error."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        sandbox.set(webhook_url=f"http://127.0.0.1:{closed.getsockname()[1]}/")
        sandbox.send()
        sandbox.bounce(to="a@example.com", type="HARDERROR")
        [call] = sandbox.calls()
    assert (call["tries"], call["status"], call["delivered"]) == (3, None, False)
    assert call["error"]


def test_silent_webhook(sandbox: Bouncing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook that does not answer in time is tried again."""
    monkeypatch.setattr(webhooks, "ANSWER_SECONDS", 0.2)
    go_on = threading.Event()
    sandbox.receiver.first = lambda: go_on.wait(10)
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="HARDERROR")
    [call] = sandbox.calls()
    go_on.set()
    assert (call["tries"], call["error"]) == (3, "no answer within 0.2 s")


def test_without_a_webhook(sandbox: Bouncing) -> None:
    """Without a webhook a bounce is in the records, and nobody is told."""
    sandbox.set(webhook_url="")
    delivery_id = sandbox.send()
    assert sandbox.bounce(delivery_id=delivery_id, type="HARDERROR")["webhook"] == "off"
    assert sandbox.calls() == []
    assert [row["status"] for row in sandbox.logs(delivery_id=delivery_id)] == ["HARDERROR"]


def test_reset_stops_calls(sandbox: Bouncing) -> None:
    """A reset forgets bounces, and calls that wait for another try are not made any more."""
    sandbox.set(webhook_retry_seconds=1)
    sandbox.receiver.statuses = [500] * 9
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="HARDERROR")
    wait_for(lambda: sandbox.receiver.heard, pause=0.01)
    sandbox.admin.post("/reset")
    time.sleep(1.2)
    assert len(sandbox.receiver.heard) == 1
    assert sandbox.admin.get("/bounces").json() == {"calls": []}


def test_stopping_while_the_webhook_hangs() -> None:
    """Neither a hanging webhook nor a bounce still to come keeps the sandbox from stopping."""
    go_on = threading.Event()
    with bouncing() as sandbox:
        sandbox.begin()
        sandbox.receiver.first = lambda: go_on.wait(SECONDS)
        sandbox.rule(match={"to": "later@example.com"}, delay=3600)
        sandbox.send(to="later@example.com")
        sandbox.send()
        sandbox.bounce(to="a@example.com", type="HARDERROR", times=50)
        began = time.monotonic()
        # The receiver waits for its own requests when it ends.
        threading.Timer(1.5, go_on.set).start()
    assert time.monotonic() - began < SECONDS / 2


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "http://127.0.0.2/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://127.0.0.1:80@example.com/",
        "http://hook-user:hook-pass@127.0.0.1/",
        "http://localhost.:1/",
        "http://127.0.0.1:65536/",
        "http://[::1/",
        "http://0.0.0.0/",
        "//127.0.0.1/",
        "http://127.0.0.1\n/",
        None,
        7,
    ],
)
def test_webhook_elsewhere(sandbox: Bouncing, url: object) -> None:
    """A webhook that is not on this machine's loopback is refused, however it is disguised, and not repeated."""
    answer = sandbox.admin.post("/settings", json={"webhook_url": url})
    assert (answer.status_code, answer.json()["field"]) == (400, "webhook_url")
    assert "hook-" not in answer.text
    assert sandbox.admin.get("/settings").json()["webhook_url"] == sandbox.receiver.url
    with pytest.raises(ValueError, match="webhook_url"):
        Sandbox(SandboxSettings(webhook_url=url))  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["http://localhost:1/x", "http://[::1]:1", "http://127.0.0.1", ""])
def test_webhook_here(sandbox: Bouncing, url: str) -> None:
    """The names of the loopback are accepted, and so is no webhook at all."""
    sandbox.set(webhook_url=url)


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ([], "body"),
        ({"to": "a@example.com"}, "type"),
        ({"to": "a@example.com", "type": "OPENED"}, "type"),
        ({"to": "a@example.com", "type": "harderror"}, "type"),
        ({"to": "a@example.com", "type": ""}, "type"),
        ({"to": "a@example.com", "type": 5, "raw": True}, "type"),
        ({"type": "DROP"}, "delivery_id"),
        ({"type": "DROP", "delivery_id": "1"}, "delivery_id"),
        ({"type": "DROP", "delivery_id": 10**15}, "delivery_id"),
        ({"type": "DROP", "delivery_id": ..., "unknown": True, "email": "x@example.com"}, "delivery_id"),
        ({"type": "DROP", "delivery_id": 10**15, "unknown": True}, "email"),
        ({"type": "DROP", "to": "a@example.com", "unknown": True}, "to"),
        ({"type": "DROP", "to": "nobody@example.com"}, "to"),
        ({"type": "DROP", "to": "a@example.com", "delivery_id": ...}, "to"),
        ({"type": "DROP", "to": "a@example.com", "email": "x@example.com"}, "email"),
        ({"type": "DROP", "to": "a@example.com", "code": 554}, "code"),
        ({"type": "DROP", "to": "a@example.com", "message": None}, "message"),
        ({"type": "DROP", "to": "a@example.com", "times": 0}, "times"),
        ({"type": "DROP", "to": "a@example.com", "times": 1001}, "times"),
        ({"type": "DROP", "to": "a@example.com", "together": 1}, "together"),
        ({"type": "DROP", "to": "a@example.com", "message": "\ud800"}, "body"),
        ({"type": "DROP", "to": "a@example.com", "tines": 1}, "tines"),
        ({"events": []}, "events"),
        ({"events": {}}, "events"),
        ({"events": [{"type": "DROP"}]}, "events.0.delivery_id"),
        ({"events": [{"to": "a@example.com", "type": "DROP"}, 5]}, "events.1.body"),
        ({"events": [{"to": "a@example.com", "type": "DROP", "times": 2}]}, "events.0.times"),
        ({"events": [{"to": "a@example.com", "type": "DROP"}], "type": "DROP"}, "type"),
        ({"events": [{"to": "a@example.com", "type": "DROP"}] * 11, "times": 1000, "together": True}, "times"),
    ],
)
def test_wrong_order(sandbox: Bouncing, order: Any, field: str) -> None:
    """A wrong order is refused with the name of the field, and nothing bounces."""
    delivery_id = sandbox.send()
    if isinstance(order, dict):
        order = {name: delivery_id if value is ... else value for name, value in order.items()}
    answer = sandbox.admin.post("/bounces", content=json.dumps(order))
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert answer.json()["error"].startswith(f"{field}: ")
    assert sandbox.calls() == []
    assert sandbox.admin.get(f"/mails/{delivery_id}").json()["bounces"] == []

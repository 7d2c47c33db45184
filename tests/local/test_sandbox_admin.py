"""The sandbox's own endpoints and its life as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, token
from tests.waiting import SECONDS

MAIL = {"from": {"email": "shop@example.com"}, "to": "a@example.com", "subject": "s", "text_part": "t"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(rate_per_minute=1_000)) as running:
        yield running


@pytest.fixture
def admin(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox") as client:
        client.post("/reset")
        yield client


def send(url: str, key: str = "sandbox-key", **fields: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token('sandbox', key)}"}
    return httpx.post(f"{url}/api/v1/deliveries/transaction", json=MAIL | fields, headers=headers)


def test_mails(sandbox: Sandbox, admin: httpx.Client) -> None:
    """Mails are listed in the order they came, and narrowed by recipient or a part of the subject."""
    ids = [send(sandbox.url, to=f"{name}@example.com", subject=f"to {name}").json()["delivery_id"] for name in "ab"]
    assert [mail["delivery_id"] for mail in admin.get("/mails").json()["mails"]] == ids
    [second] = admin.get("/mails", params={"to": "b@example.com"}).json()["mails"]
    assert second == admin.get(f"/mails/{ids[1]}").json()
    assert admin.get("/mails", params={"subject": "to a"}).json()["mails"][0]["delivery_id"] == ids[0]
    assert admin.get("/mails/999999").status_code == 404


def test_reset(sandbox: Sandbox, admin: httpx.Client) -> None:
    """A reset forgets mails, faults, counts and settings; an id is not given out again."""
    first = send(sandbox.url).json()["delivery_id"]
    admin.post("/faults", json={"mode": "locked"})
    admin.post("/settings", json={"rate_per_minute": 7})
    assert admin.post("/reset").json() == {"reset": True}
    assert admin.get("/mails").json() == {"mails": []}
    assert admin.get("/faults").json() == {"faults": []}
    assert admin.get("/stats").json()["sends"]["accepted"] == 0
    assert admin.get("/settings").json()["rate_per_minute"] == 1_000
    assert send(sandbox.url).json()["delivery_id"] > first


def test_settings(sandbox: Sandbox, admin: httpx.Client) -> None:
    """Settings change at once, the API key too: the old token is worth nothing then."""
    changed = admin.post("/settings", json={"api_key": "reissued", "rate_header": "both"})
    assert changed.json() == admin.get("/settings").json()
    assert send(sandbox.url).status_code == 401
    answer = send(sandbox.url, "reissued")
    assert answer.headers["X-RateLimit-Remaining"] == answer.headers["X-Rate-Limit-Remaining"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("[]", "body"),
        ("{", "body"),
        ('{"rate": 1}', "rate"),
        ('{"rate_per_minute": 0}', "rate_per_minute"),
        ('{"rate_per_minute": "500"}', "rate_per_minute"),
        ('{"rate_header": "X-Rate"}', "rate_header"),
        ('{"visibility_delay": -1}', "visibility_delay"),
        ('{"visibility_delay": NaN}', "visibility_delay"),
        ('{"api_key": null}', "api_key"),
        ('{"success_status": 204}', "success_status"),
    ],
)
def test_wrong_setting(admin: httpx.Client, change: str, field: str) -> None:
    """A wrong setting is refused with the name of the field, and nothing changes."""
    before = admin.get("/settings").json()
    answer = admin.post("/settings", content=change)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert admin.get("/settings").json() == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": "["}],
)
def test_strangers_pages_are_kept_out(admin: httpx.Client, headers: dict[str, str]) -> None:
    """A web page of another origin, open in the same browser, cannot change anything."""
    assert admin.post("/faults", json={"mode": "locked"}, headers=headers).status_code == 403
    assert admin.get("/faults").json() == {"faults": []}


def test_loopback_only(sandbox: Sandbox) -> None:
    """Nothing listens on the other addresses of the computer."""
    port = int(sandbox.url.rpartition(":")[2])
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_port_taken(sandbox: Sandbox) -> None:
    """A taken port is an OSError at the start."""
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=int(sandbox.url.rpartition(":")[2])).start()


def start(*options: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = [sys.executable, "-m", "outbox.local.sandbox", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_ends_by_signal(number: int) -> None:
    """The process says where it is in one line, serves, and ends cleanly when told to."""
    process, ready = start("--login-id", "me", "--api-key", "secret", "--rate-per-minute", "9")
    assert ready["mail_api_url"] == ready["url"] + "/api/v1"
    assert (ready["login_id"], ready["api_key"]) == ("me", "secret")
    assert httpx.get(f"{ready['url']}/_sandbox/settings").json()["rate_per_minute"] == 9
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, "", "")


def test_process_ends_with_its_stdin() -> None:
    """The process does not outlive the one that started it and holds its stdin, if asked for."""
    process, _ = start("--until-stdin-closes")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [(["--rate-per-minute", "0"], 2, "rate_per_minute"), (["--rate-header", "x"], 2, "rate-header")],
)
def test_wrong_option(options: list[str], status: int, message: str) -> None:
    """A wrong option ends the process with a message that names it."""
    command = [sys.executable, "-m", "outbox.local.sandbox", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == status
    assert message in ended.stderr


def test_process_on_a_taken_port(sandbox: Sandbox) -> None:
    """A taken port ends the process with a message, not with a traceback."""
    command = [sys.executable, "-m", "outbox.local.sandbox", "--port", sandbox.url.rpartition(":")[2]]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("cannot listen on port")
    assert "Traceback" not in ended.stderr

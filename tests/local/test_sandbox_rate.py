"""The sandbox's limit per minute: what passes, what the headers say, what is counted."""

import time
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, token
from outbox.local.sandbox.rate import Bucket, Window
from tests.waiting import wait_for

HEADERS = {"Authorization": f"Bearer {token('sandbox', 'sandbox-key')}"}
MAIL = {"from": {"email": "shop@example.com"}, "to": "a@example.com", "subject": "s", "text_part": "t"}


def send(sandbox: Sandbox) -> httpx.Response:
    return httpx.post(f"{sandbox.mail_api_url}/deliveries/transaction", json=MAIL, headers=HEADERS)


def read(sandbox: Sandbox) -> httpx.Response:
    return httpx.get(f"{sandbox.mail_api_url}/usages/latest", headers=HEADERS)


def stats(sandbox: Sandbox) -> dict[str, Any]:
    numbers: dict[str, Any] = httpx.get(f"{sandbox.url}/_sandbox/stats").json()
    return numbers


def test_over_the_limit() -> None:
    """The limit spans sends and reads; beyond it nothing is stored and the headers say for how long."""
    with Sandbox(SandboxSettings(rate_per_minute=2)) as sandbox:
        assert send(sandbox).headers["X-Rate-Limit-Remaining"] == "1"
        assert read(sandbox).headers["X-Rate-Limit-Remaining"] == "0"
        refused = send(sandbox)
        assert refused.status_code == 429
        assert refused.headers["X-Rate-Limit-Remaining"] == "0"
        assert 1 <= int(refused.headers["X-Rate-Limit-Retry-After-Seconds"]) <= 60
        numbers = stats(sandbox)
        assert numbers["requests"] == {"allowed": 2, "refused": 1}
        assert numbers["answers"] == {"200": 1, "201": 1, "429": 1}
        assert numbers["sends"]["accepted"] == 1


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("hyphenated", {"x-rate-limit-remaining", "x-rate-limit-retry-after-seconds"}),
        ("joined", {"x-ratelimit-remaining", "x-rate-limit-retry-after-seconds"}),
        ("both", {"x-rate-limit-remaining", "x-ratelimit-remaining", "x-rate-limit-retry-after-seconds"}),
        ("none", set()),
    ],
)
def test_header_spelling(spelling: Any, expected: set[str]) -> None:
    """Both spellings that are told of can be played, and so can none."""
    with Sandbox(SandboxSettings(rate_per_minute=1, rate_header=spelling)) as sandbox:
        send(sandbox)
        refused = send(sandbox)
    assert refused.status_code == 429
    assert {name for name in refused.headers if name.startswith("x-rate")} == expected


def test_next_minute() -> None:
    """When the minute is over the next request passes."""
    with Sandbox(SandboxSettings(rate_per_minute=1, minute_seconds=3)) as sandbox:
        assert [send(sandbox).status_code, send(sandbox).status_code] == [201, 429]
        wait_for(lambda: send(sandbox).status_code == 201, pause=0.2)


def test_scope_of_sends() -> None:
    """When only sends are limited, a read passes after the last send did."""
    with Sandbox(SandboxSettings(rate_per_minute=1, rate_scope="sends")) as sandbox:
        assert [send(sandbox).status_code, send(sandbox).status_code] == [201, 429]
        assert read(sandbox).status_code == 200


def test_unauthorized_spends_nothing() -> None:
    """A request without the right token takes nothing from the account's limit."""
    with Sandbox(SandboxSettings(rate_per_minute=1)) as sandbox:
        assert httpx.get(f"{sandbox.mail_api_url}/usages/latest").status_code == 401
        assert send(sandbox).status_code == 201


def test_histogram() -> None:
    """Accepted mails are counted second by second, and the busiest stretches are given."""
    with Sandbox() as sandbox:
        for _ in range(3):
            send(sandbox)
        sends = stats(sandbox)["sends"]
    assert sum(sends["per_second"].values()) == sends["accepted"] == sends["busiest_minute"] == 3
    assert all(abs(int(second) - time.time()) < 10 for second in sends["per_second"])
    assert sends["first"] <= sends["last"]


def test_window() -> None:
    """A window lets its whole limit pass at once, then nothing until it is over."""
    window = Window()
    assert [window.take(100, 2, 60).allowed for _ in range(3)] == [True, True, False]
    assert window.take(159.5, 2, 60).retry_after == 1
    assert window.take(160, 2, 60).remaining == 1


def test_bucket() -> None:
    """A bucket refills evenly and never holds more than a minute's worth."""
    bucket = Bucket()
    assert [bucket.take(100, 2, 60).allowed for _ in range(3)] == [True, True, False]
    assert bucket.take(110, 2, 60).retry_after == 20
    assert bucket.take(131, 2, 60).allowed
    assert bucket.take(1_000, 2, 60).remaining == 1

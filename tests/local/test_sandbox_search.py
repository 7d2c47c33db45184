"""What can be found in the sandbox's deliveries and mail logs, and how."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, token


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(rate_per_minute=100_000)) as running:
        yield running


@pytest.fixture(scope="module")
def admin(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox") as client:
        yield client


@pytest.fixture(scope="module")
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    bearer = f"Bearer {token('sandbox', 'sandbox-key')}"
    with httpx.Client(base_url=sandbox.mail_api_url, headers={"Authorization": bearer}) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty(admin: httpx.Client) -> None:
    admin.post("/reset")


def plain(**fields: Any) -> dict[str, Any]:
    least = {
        "from": {"email": "shop@example.com"},
        "to": "a@example.com",
        "subject": "hello",
        "text_part": "text",
    }
    return least | fields


def send(api: httpx.Client, **fields: Any) -> int:
    return delivery_id_of(api.post("/deliveries/transaction", json=plain(**fields)))


def send_with_file(api: httpx.Client, **fields: Any) -> int:
    files: dict[str, tuple[str | None, bytes | str, str]] = {
        "data": (None, json.dumps(plain(**fields)), "application/json"),
        "file": ("a.txt", b"abc", "text/plain"),
    }
    return delivery_id_of(api.post("/deliveries/transaction", files=files))


def delivery_id_of(answer: httpx.Response) -> int:
    assert answer.status_code == 201, answer.text
    delivery_id: int = answer.json()["delivery_id"]
    return delivery_id


def found(api: httpx.Client, path: str = "/deliveries", **params: Any) -> list[int]:
    answer = api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [row["delivery_id"] for row in answer.json()["data"]]


def logs(api: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    answer = api.get("/logs/mails/results", params=params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def hours(shift: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=shift)).isoformat(timespec="seconds")


def test_delivery_row(api: httpx.Client) -> None:
    """A row shows no recipient, and times in whole seconds with the Japanese offset."""
    send(api, cc=["c@example.com"])
    [row] = api.get("/deliveries").json()["data"]
    assert set(row) == {
        "delivery_id", "from", "status", "delivery_time", "reservation_time", "created_time", "updated_time",
        "delivery_type", "subject",
    }  # fmt: skip
    assert (row["status"], row["delivery_type"]) == ("SENT", "TRANSACTION")
    assert datetime.strptime(row["delivery_time"], "%Y-%m-%dT%H:%M:%S%z").utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("subject", "oken-1"),
        ("text_part", "oken-1"),
        ("html_part", "oken-1"),
        ("from", "oken-1"),
        ("list_unsubscribe_url", "oken-1"),
        ("list_unsubscribe_mailto", "oken-1"),
    ],
)
def test_partial_match(api: httpx.Client, param: str, value: str) -> None:
    """Every text filter matches a part of its own field only."""
    token_in: dict[str, dict[str, Any]] = {
        "subject": {"subject": "a token-1 b"},
        "text_part": {"text_part": "a token-1 b"},
        "html_part": {"html_part": "a token-1 b"},
        "from": {"from": {"email": "token-1@example.com"}},
        "list_unsubscribe_url": {"list_unsubscribe": {"url": "https://example.com/token-1/x"}},
        "list_unsubscribe_mailto": {"list_unsubscribe": {"mailto": "mailto:token-1@example.com"}},
    }
    ids = {name: send(api, **fields) for name, fields in token_in.items()}
    assert found(api, **{param: value}) == [ids[param]]
    assert found(api, path="/deliveries/all", **{param: value}) == [ids[param]]


def test_insert_codes_are_not_searched(api: httpx.Client) -> None:
    """A search sees the template as posted, not the values filled into it."""
    fields = {"text_part": "for __name__", "insert_code": [{"key": "__name__", "value": "token-2"}]}
    delivery_id = send(api, **fields)
    assert found(api, text_part="token-2") == []
    assert found(api, text_part="__name__") == [delivery_id]


def test_no_recipient_filter(api: httpx.Client) -> None:
    """A recipient cannot be searched for among deliveries: an unknown parameter is ignored."""
    delivery_id = send(api)
    assert found(api, to="somebody@else.example", email="x") == [delivery_id]


@pytest.mark.parametrize(
    ("params", "hit"),
    [
        ({"status[]": ["SENT", "FAILED"]}, True),
        ({"status[]": "WAIT"}, False),
        ({"status": "WAIT"}, True),
        ({"delivery_type[]": "TRANSACTION"}, True),
        ({"delivery_type[]": "BULK"}, False),
        ({"delivery_type[]": ["BULK", "ALL"]}, True),
        ({"delivery_start": hours(-1), "delivery_end": hours(1)}, True),
        ({"delivery_start": hours(1)}, False),
        ({"delivery_end": hours(-1)}, False),
    ],
)
def test_filters(api: httpx.Client, params: dict[str, Any], *, hit: bool) -> None:
    """Lists are repeated with brackets; a period has both ends included."""
    delivery_id = send(api)
    assert found(api, **params) == ([delivery_id] if hit else [])


def test_period_includes_its_ends(api: httpx.Client) -> None:
    """A delivery at the very second of start and end is found."""
    delivery_id = send(api)
    second = api.get(f"/deliveries/{delivery_id}").json()["delivery_time"]
    assert found(api, delivery_start=second, delivery_end=second) == [delivery_id]
    [row] = logs(api, delivery_start=second, delivery_end=second)
    assert row["delivery_id"] == delivery_id


def test_pages_and_sort(api: httpx.Client) -> None:
    """Deliveries come newest first, in pages; sorting turns that around."""
    ids = [send(api, subject=str(number)) for number in range(5)]
    assert found(api, size=2) == [ids[4], ids[3]]
    assert found(api, size=2, page=3) == [ids[0]]
    assert found(api, size=2, page=4) == []
    assert set(found(api, sort="delivery_time:asc,updated_time:desc")) == set(ids)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/deliveries", {"size": 0}),
        ("/deliveries", {"size": 1001}),
        ("/deliveries", {"page": "two"}),
        ("/deliveries", {"page": 1001}),
        ("/deliveries", {"subject": "x" * 31}),
        ("/deliveries", {"text_part": "x" * 301}),
        ("/deliveries", {"list_unsubscribe_url": "x" * 451}),
        ("/deliveries", {"status": "x", "status[]": ["SENT"] * 11}),
        ("/deliveries", {"delivery_type[]": "SMTP"}),
        ("/deliveries", {"delivery_start": "2026-01-01"}),
        ("/deliveries", {"delivery_start": "2026-01-01T00:00:00"}),
        ("/deliveries", {"sort": "subject:asc"}),
        ("/logs/mails/results", {"anchor": 0}),
        ("/logs/mails/results", {"count": 1001}),
        ("/logs/mails/results", {"email": "x" * 255}),
        ("/logs/mails/results", {"delivery_id": "x"}),
        ("/logs/mails/results", {"status[]": "LOST"}),
        ("/logs/mails/results", {"response_code[]": ["250"] * 31}),
    ],
)
def test_wrong_query(api: httpx.Client, path: str, params: dict[str, Any]) -> None:
    """A parameter outside its rules is refused under its name."""
    answer = api.get(path, params=params)
    assert answer.status_code == 400
    assert set(answer.json()["error_messages"]) <= {name.removesuffix("[]") for name in params}


def test_unencoded_plus_in_a_time(api: httpx.Client) -> None:
    """A plus sign that was not encoded is a space, and the time is refused."""
    assert api.get("/deliveries?delivery_start=2026-01-01T00:00:00+09:00").status_code == 400


def test_detail(api: httpx.Client) -> None:
    """One delivery shows its templates, its files and its counts, and no recipient."""
    fields = {"to": "a@example.com", "cc": ["c@example.com"], "html_part": "<p>h</p>"}
    delivery_id = send_with_file(api, **fields)
    detail = api.get(f"/deliveries/{delivery_id}").json()
    assert (detail["text_part"], detail["html_part"]) == ("text", "<p>h</p>")
    assert (detail["total_count"], detail["sent_count"], detail["drop_count"]) == (2, 2, 0)
    [file] = detail["attaches"]
    assert (file["file_name"], file["mime"], file["size"]) == ("a.txt", "text/plain", 3)
    assert "to" not in detail


@pytest.mark.parametrize("path", ["/deliveries/999999", "/logs/mails/999999"])
def test_nothing_of_that_id(api: httpx.Client, path: str) -> None:
    """An id that does not exist is 404 in the API's own shape."""
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error_messages": {"main": ["no data found."]}}


def test_log_rows(api: httpx.Client) -> None:
    """Every recipient has a row under the one delivery id; the first row is not the main recipient's."""
    delivery_id = send(api, cc=["c@example.com"], bcc=["b@example.com"])
    rows = logs(api, delivery_id=delivery_id)
    assert [row["email"] for row in rows] == ["b@example.com", "c@example.com", "a@example.com"]
    assert {row["delivery_id"] for row in rows} == {delivery_id}
    assert set(rows[0]) == {
        "maillog_id", "delivery_id", "delivery_type", "email", "status", "last_response_code",
        "last_response_message", "delivery_time", "open_time", "created_time", "updated_time",
    }  # fmt: skip
    assert (rows[0]["status"], rows[0]["last_response_code"]) == ("SENT", "250")
    assert api.get(f"/logs/mails/{rows[0]['maillog_id']}").json()["email"] == "b@example.com"


@pytest.mark.parametrize(
    ("params", "hit"),
    [
        ({"email": "a@example.com"}, True),
        ({"email": "example.com"}, False),
        ({"status[]": "SENT"}, True),
        ({"status[]": "ALL"}, True),
        ({"status[]": ["DROP", "HARDERROR"]}, False),
        ({"response_code[]": ["421", "250"]}, True),
        ({"response_code[]": "550"}, False),
        ({"delivery_type[]": "SMTP"}, False),
        ({"delivery_start": hours(1)}, False),
        ({"size": 0, "page": "x", "subject": "x" * 1000}, True),
    ],
)
def test_log_filters(api: httpx.Client, params: dict[str, Any], *, hit: bool) -> None:
    """An address matches exactly; parameters of other searches are ignored."""
    send(api)
    assert bool(logs(api, **params)) is hit


def test_log_anchor(api: httpx.Client) -> None:
    """Each page begins strictly below the last id of the one before, until nothing is left."""
    for number in range(5):
        send(api, to=f"{number}@example.com")
    seen: list[str] = []
    anchor: dict[str, int] = {}
    while page := logs(api, count=2, **anchor):
        seen += [row["email"] for row in page]
        anchor = {"anchor": page[-1]["maillog_id"]}
    assert seen == [f"{number}@example.com" for number in (4, 3, 2, 1, 0)]


def test_visibility_delay(api: httpx.Client, admin: httpx.Client) -> None:
    """An accepted mail cannot be found anywhere until the delay is over."""
    admin.post("/settings", json={"visibility_delay": 3600})
    delivery_id = send(api)
    assert (found(api), logs(api)) == ([], [])
    assert api.get(f"/deliveries/{delivery_id}").status_code == 404
    admin.post("/settings", json={"visibility_delay": 0})
    assert found(api) == [delivery_id]
    assert len(logs(api)) == 1


def test_delivery_delay(api: httpx.Client, admin: httpx.Client) -> None:
    """A mail that has not left yet is WAIT, without a time, without a log, outside every period."""
    admin.post("/settings", json={"delivery_delay": 3600})
    delivery_id = send(api)
    detail = api.get(f"/deliveries/{delivery_id}").json()
    assert (detail["status"], detail["delivery_time"], detail["sent_count"]) == ("WAIT", None, 0)
    assert (found(api, delivery_end=hours(9)), logs(api)) == ([], [])
    assert found(api, **{"status[]": "WAIT"}) == [delivery_id]

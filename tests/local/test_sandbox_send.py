"""What the sandbox accepts and refuses on POST /deliveries/transaction."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, token

SEND = "/deliveries/transaction"

Part = tuple[str, tuple[str | None, bytes | str, str | None]]


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


def mail(**fields: Any) -> dict[str, Any]:
    plain = {
        "from": {"email": "shop@example.com"},
        "to": "a@example.com",
        "subject": "hello",
        "text_part": "text",
    }
    return {name: value for name, value in (plain | fields).items() if value is not ...}


def refusal(api: httpx.Client, **fields: Any) -> Any:
    answer = api.post(SEND, json=mail(**fields))
    assert answer.status_code == 400, answer.text
    return answer.json()["error_messages"]


@pytest.mark.parametrize(
    ("login_id", "api_key", "expected"),
    [
        (
            "testUserId",
            "testApiKey",
            "NGY4YjlhNzE0OWYzMTFiNDE5OTJhMmJlYTQxMDlkMmE4MmY1MTNhZWVjNWVhZDRiOGFkNzgxYzZmZmY3MTZjNg==",
        ),
        (
            "blastengine",
            "ABCDEFG",
            "MWYwZWVlOGZjMTIwNjc2ZmM1ODk0OTJmMTUyMjhlZmIzZDAyMWYwYWVlNGIwMDZlZmIyN2M3ZWUzM2Y1ZDZjOQ==",
        ),
    ],
)
def test_token_vectors(login_id: str, api_key: str, expected: str) -> None:
    """The token is the one that the vendor's own clients compute."""
    assert token(login_id, api_key) == expected


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}])
def test_wrong_token(sandbox: Sandbox, admin: httpx.Client, header: dict[str, str]) -> None:
    """Without the right token every path answers 401, and nothing is stored."""
    for path in (SEND, "/nowhere"):
        answer = httpx.post(sandbox.mail_api_url + path, json=mail(), headers=header)
        assert answer.status_code == 401
    assert admin.get("/mails").json() == {"mails": []}


def test_plain_mail(api: httpx.Client, admin: httpx.Client) -> None:
    """A mail is answered with 201 and nothing but an integer delivery id, and can be read back."""
    answer = api.post(SEND, json=mail(subject="件名"))
    assert answer.status_code == 201
    assert list(answer.json()) == ["delivery_id"]
    assert isinstance(answer.json()["delivery_id"], int)
    stored = admin.get(f"/mails/{answer.json()['delivery_id']}").json()
    assert (stored["subject"], stored["to"], stored["text_part"]) == ("件名", "a@example.com", "text")


def test_every_field(api: httpx.Client, admin: httpx.Client) -> None:
    """All fields of a mail arrive, and insert codes are filled in for the reader only."""
    sent = mail(
        cc=["c@example.com"],
        bcc=["b@example.com"],
        reply_to={"email": "reply@example.com", "name": "Reply"},
        subject="Dear __name__",
        html_part="<p>__name__</p>",
        encode="iso-2022-jp",
        insert_code=[{"key": "__name__", "value": "Taro"}],
        list_unsubscribe={"mailto": "mailto:stop@example.com", "url": "https://example.com/stop"},
        **{"from": {"email": "shop@example.com", "name": "Shop"}},
    )
    api.post(SEND, json=sent)
    [stored] = admin.get("/mails").json()["mails"]
    for name in ("from", "to", "cc", "bcc", "reply_to", "subject", "insert_code", "list_unsubscribe"):
        assert stored[name] == sent[name]
    assert stored["encode"] == "ISO-2022-JP"
    assert stored["rendered"] == {"subject": "Dear Taro", "text_part": "text", "html_part": "<p>Taro</p>"}


@pytest.mark.parametrize("data_name", [None, "data.json"])
@pytest.mark.parametrize("files_first", [True, False])
def test_multipart(api: httpx.Client, admin: httpx.Client, data_name: str | None, *, files_first: bool) -> None:
    """Attachments arrive byte for byte, whatever the order of parts and with or without a name for `data`."""
    data: Part = ("data", (data_name, json.dumps(mail()), "application/json"))
    files: list[Part] = [
        ("file", ("請求書.pdf", b"\x00\xff%PDF", "application/pdf")),
        ("file", ("b", b"two", None)),
    ]
    answer = api.post(SEND, files=[*files, data] if files_first else [data, *files])
    assert answer.status_code == 201, answer.text
    [stored] = admin.get("/mails").json()["mails"]
    assert stored["attachments"] == [
        {"name": "請求書.pdf", "mime": "application/pdf", "size": 6, "sha256": sha256(b"\x00\xff%PDF")},
        {"name": "b", "mime": "application/octet-stream", "size": 3, "sha256": sha256(b"two")},
    ]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def attach(api: httpx.Client, *files: tuple[str, bytes]) -> httpx.Response:
    parts = [("file", (name, content)) for name, content in files]
    return api.post(SEND, files=[("data", (None, json.dumps(mail()), "application/json")), *parts])


def test_attachments_too_large(api: httpx.Client, admin: httpx.Client) -> None:
    """The million bytes are for all files together."""
    assert attach(api, ("a", b"x" * 600_000), ("b", b"x" * 400_000)).status_code == 201
    assert attach(api, ("a", b"x" * 600_000), ("b", b"x" * 400_001)).status_code == 400
    assert len(admin.get("/mails").json()["mails"]) == 1


@pytest.mark.parametrize("most", [100, 10])
def test_too_many_attachments(api: httpx.Client, admin: httpx.Client, most: int) -> None:
    """A hundred files pass by default; the other number that is told of can be chosen."""
    admin.post("/settings", json={"attachment_count": most})
    assert attach(api, *[("a", b"")] * most).status_code == 201
    assert attach(api, *[("a", b"")] * (most + 1)).status_code == 400


@pytest.mark.parametrize("name", ["run.exe", "a.b.ZIP", "mail.ex_"])
def test_forbidden_extension(api: httpx.Client, name: str) -> None:
    """A forbidden extension is refused in any case, with the position of the file."""
    answer = attach(api, ("fine.txt", b""), (name, b""))
    assert answer.status_code == 400
    assert list(answer.json()["error_messages"]["file"]) == ["1"]


def test_multipart_without_data(api: httpx.Client) -> None:
    """Files without the `data` part are refused."""
    assert api.post(SEND, files=[("file", ("a", b""))]).status_code == 400


def test_nested_errors(api: httpx.Client) -> None:
    """Errors nest by field and by list position as a string, down to arrays of texts."""
    codes = [{"key": "__fine__", "value": ""}, {"key": "name", "value": "x"}, {"key": "number", "value": "x"}]
    errors = refusal(api, insert_code=codes, cc=["c@example.com", "nobody@nowhere"], **{"from": {"email": "x"}})
    assert errors["insert_code"] == {
        "1": {
            "key": ["name: invalid format.", "the character length is not in the range 5 through 20."],
        },
        "2": {"key": ["number: invalid format."]},
    }
    assert errors["cc"] == {"1": ["nobody@nowhere: invalid format."]}
    assert list(errors["from"]) == ["email"]


def test_bare_mailto(api: httpx.Client) -> None:
    """A mailto without its scheme brings out the message key that the real one leaves unresolved."""
    errors = refusal(api, list_unsubscribe={"mailto": "stop@example.com"})
    assert errors == {"list_unsubscribe": {"mailto": ["{validation.pattern.error}"]}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from", ...),
        ("from", "shop@example.com"),
        ("to", ...),
        ("to", ["a@example.com"]),
        ("to", "a@b.c"),
        ("to", "a@example.com,b@example.com"),
        ("to", f"{'a' * 243}@example.com"),
        ("cc", "c@example.com"),
        ("cc", ["c@example.com"] * 11),
        ("bcc", ["c@example.com"] * 11),
        ("bcc", [1]),
        ("reply_to", {"name": "nobody"}),
        ("reply_to", {"email": "r@example.com", "name": "x" * 51}),
        ("subject", ...),
        ("subject", ""),
        ("subject", "x" * 257),
        ("text_part", ...),
        ("text_part", ""),
        ("text_part", "x" * 30_721),
        ("text_part", "あ" * 10_241),
        ("html_part", "x" * 71_681),
        ("encode", "EUC-JP"),
        ("insert_code", [{"key": "__key__", "value": "x"}] * 51),
        ("insert_code", [{"key": "__key__", "value": 1}]),
        ("insert_code", [{"key": "__key%%", "value": "x"}]),
        ("insert_code", [{"key": "__0123456789abcdefg__", "value": "x"}]),
        ("insert_code", {"__key__": "x"}),
        ("insert_code", ["__key__"]),
        ("list_unsubscribe", {"url": "example.com/stop"}),
        ("list_unsubscribe", {"url": f"https://example.com/{'x' * 450}"}),
        ("list_unsubscribe", "https://example.com"),
    ],
)
def test_refused_value(api: httpx.Client, admin: httpx.Client, field: str, value: object) -> None:
    """A value outside the rules is refused under its own field's name, and nothing is stored."""
    assert list(refusal(api, **{field: value})) == [field]
    assert admin.get("/mails").json() == {"mails": []}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", "a..b.@docomo.ne.jp"),
        ("from", {"email": "shop@example.com", "name": ""}),
        ("cc", ["c@example.com"] * 10),
        ("cc", None),
        ("subject", "x" * 256),
        ("text_part", "あ" * 10_240),
        ("html_part", "x" * 71_680),
        ("encode", "utf-8"),
        ("insert_code", [{"key": "%%a%%", "value": "x"}, {"key": "__0123456789abcdef__", "value": ""}]),
        ("list_unsubscribe", {}),
        ("custom_headers", {"X-A": "b"}),
    ],
)
def test_accepted_value(api: httpx.Client, field: str, value: object) -> None:
    """A value at the edge of the rules is accepted."""
    assert api.post(SEND, json=mail(**{field: value})).status_code == 201


@pytest.mark.parametrize(
    ("setting", "field", "value", "status"),
    [
        ({"text_part": "lenient"}, "text_part", "", 201),
        ({"text_part": "lenient"}, "text_part", ..., 201),
        ({"unknown_fields": "refused"}, "custom_headers", {}, 400),
        ({"body_unit": "characters"}, "text_part", "あ" * 30_720, 201),
        ({"success_status": 200}, "subject", "x", 200),
    ],
)
def test_where_sources_disagree(
    api: httpx.Client, admin: httpx.Client, setting: dict[str, Any], field: str, value: object, status: int
) -> None:
    """Where it is not known what the real one does, either can be chosen."""
    assert admin.post("/settings", json=setting).status_code == 200
    assert api.post(SEND, json=mail(**{field: value})).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status"),
    [
        ("GET", "/deliveries/transaction", {}, b"", 405),
        ("DELETE", "/logs/mails/results", {}, b"", 405),
        ("GET", "/nowhere", {}, b"", 404),
        ("GET", "/deliveries/", {}, b"", 404),
        ("POST", SEND, {"Content-Type": "text/plain"}, b"{}", 415),
        ("POST", SEND, {}, b"", 415),
        ("POST", SEND, {"Content-Type": "application/json"}, b"{", 400),
        ("POST", SEND, {"Content-Type": "application/json"}, b"[]", 400),
        ("POST", SEND, {"Content-Type": "application/json"}, b"\xff", 400),
        ("POST", SEND, {"Content-Type": "application/json"}, b'{"to": "\\ud800"}', 400),
        ("POST", SEND, {"Content-Type": "application/json"}, b"[" * 100_000, 400),
        ("POST", SEND, {"Content-Type": "multipart/form-data"}, b"x", 400),
        ("POST", SEND, {"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\nx", 400),
    ],
)
def test_framework_error(
    api: httpx.Client, method: str, path: str, headers: dict[str, str], content: bytes, status: int
) -> None:
    """What fails before the API's own code is answered in the framework's shape."""
    answer = api.request(method, path, headers=headers, content=content)
    assert answer.status_code == status
    assert set(answer.json()) == {"timestamp", "status", "error", "message", "path"}
    assert answer.json()["status"] == status


def test_charset_in_content_type(api: httpx.Client) -> None:
    """A charset after the media type does no harm."""
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert api.post(SEND, content=json.dumps(mail()), headers=headers).status_code == 201


def test_usage(api: httpx.Client) -> None:
    """The usage counts recipients, and is there to try credentials on."""
    api.post(SEND, json=mail(cc=["c@example.com"]))
    usage = api.get("/usages/latest").json()
    assert usage["current"] == 2
    assert set(usage) == {"month", "current", "remaining", "updated_time", "plan_id"}

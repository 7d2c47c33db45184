"""Calls of a function URL: what is right is recorded, everything else gets its status and writes nothing."""

import base64
import json

import pytest

from outbox.adapters import logs, webhook
from outbox.adapters.webhook import Config
from outbox.core.bounce import Counts
from outbox.core.errors import Stop
from outbox.settings import WebhookSettings

GOOD = "Basic Ymxhc3Q6Y29ycmVjdA=="
EVENT = {
    "event": {
        "type": "HARDERROR",
        "datetime": "2023-01-26T16:17:54+09:00",
        "detail": {
            "mailaddress": "taro@example.com",
            "subject": "secret subject",
            "error_code": "554(errors)",
            "error_message": "宛先が存在しません",
            "delivery_id": 17,
        },
    }
}


def networks(written):
    given = {"history_table": "h", "suppression_table": "s", "webhook_secret_id": "w"}
    return WebhookSettings(**given, webhook_sources=written).sources


class Known:
    """Knows one header, or nothing for the moment."""

    def __init__(self, *, stalled=False):
        self.stalled = stalled

    def admits(self, header):
        if self.stalled:
            raise Stop("the secret cannot be read (AccessDenied).")
        return header == GOOD


class Recorded:
    """Takes down what it is given, or fails."""

    def __init__(self, error=None):
        self.events, self.error = None, error

    def __call__(self, events):
        if self.error:
            raise self.error
        self.events = list(events)
        return Counts(len(self.events))


def call(body=None, method="POST", source="3.114.82.121", *, encoded=False, **headers):
    """Make the event of a call that is right but for what a test says; None leaves a header out."""
    if body is None:
        body = json.dumps({"events": [EVENT]})
    named = {"authorization": GOOD, "content-type": "application/json", "x-forwarded-for": "127.0.0.1"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "version": "2.0",
        "rawQueryString": "token=secret-query",
        "headers": {name: value for name, value in named.items() if value is not None},
        "requestContext": {"http": {"method": method, "path": "/", "sourceIp": source}},
        "body": base64.b64encode(body.encode() if isinstance(body, str) else body).decode() if encoded else body,
        "isBase64Encoded": encoded,
    }


def answer(event, record=None, **parts):
    """Give status, headers and what the body says."""
    said = webhook.answer(event, Config(**{"credentials": Known(), **parts}), record or Recorded())
    assert set(said) == {"statusCode", "headers", "body"}
    return said["statusCode"], said["headers"], json.loads(said["body"])


def status(event, **parts):
    """Give the status of a call that must write nothing."""
    record = Recorded()
    code, _, said = answer(event, record, **parts)
    assert record.events is None
    assert set(said) == {"error"}
    return code


def test_a_right_call_is_recorded_and_counted():
    """200 says that everything is written down."""
    record = Recorded()
    code, headers, said = answer(call(), record)
    assert (code, said) == (200, {"recorded": 1, "known": 0, "unreadable": 0})
    assert headers["Content-Type"] == "application/json"
    assert record.events == [EVENT]


@pytest.mark.parametrize(
    "event",
    [
        call(encoded=True),
        call("\ufeff" + json.dumps({"events": [EVENT]})),
        call(json.dumps({"events": [EVENT]}).encode("utf-8-sig"), encoded=True),
        call(json.dumps({"events": [EVENT], "more": 1}, ensure_ascii=False)),
        call(content_type=None),
        call(content_type="Application/JSON; charset=UTF-8"),
        call(content_type="application/vnd.blastengine+json"),
        call(source="127.0.0.1"),
        call(authorization=None, Authorization=GOOD),
    ],
)
def test_harmless_differences_are_taken(event):
    """Base64, a byte order mark, more members, a parameter, a header in capitals."""
    record = Recorded()
    assert answer(event, record)[0] == 200
    assert record.events == [EVENT]


def test_no_events_are_fine():
    """There is nothing to do, and it is done."""
    assert answer(call('{"events": []}'))[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "post", None])
def test_only_post(method):
    """A browser that finds the address learns nothing."""
    assert status(call(method=method)) == 405
    assert answer(call(method=method))[1]["Allow"] == "POST"


@pytest.mark.parametrize(
    ("source", "allowed", "code"),
    [
        ("3.114.82.121", "3.114.82.121, 35.79.248.35", 200),
        ("35.79.248.35", "3.114.82.121, 35.79.248.35", 200),
        ("::ffff:35.79.248.35", "3.114.82.121,35.79.248.35", 200),
        ("10.1.2.3", "10.0.0.0/8", 200),
        ("2001:db8::1", "2001:db8::/32", 200),
        ("10.1.2.3", "", 200),
        ("1.2.3.4", "3.114.82.121", 403),
        ("127.0.0.1, 3.114.82.121", "3.114.82.121", 403),
        ("2001:db8::1", "3.114.82.121", 403),
        ("", "3.114.82.121", 403),
        (None, "3.114.82.121", 403),
    ],
)
def test_only_addresses_on_the_list_if_there_is_one(source, allowed, code):
    """The address is AWS's own word; `X-Forwarded-For` is the caller's."""
    event = call(source=source, x_forwarded_for="3.114.82.121")
    assert answer(event, allowed=networks(allowed))[0] == code


@pytest.mark.parametrize("given", [None, "", "Basic eDp5", GOOD + "x" * 9000, "Basic \ufeff", GOOD.lower()])
def test_credentials_must_be_right(given):
    """Missing, wrong, oversized or garbage: the caller is told how to name itself."""
    assert status(call(authorization=given)) == 401
    assert answer(call(authorization=given))[1]["WWW-Authenticate"].startswith("Basic realm=")


def test_without_a_readable_secret_nothing_is_written():
    """The mail API must send again."""
    assert status(call(), credentials=Known(stalled=True)) == 503


def test_a_body_has_its_bounds():
    """Before and after it is decoded, in bytes."""
    body = json.dumps({"events": []})
    assert answer(call(body + " " * (1000 - len(body))), max_bytes=1000)[0] == 200
    assert answer(call(body + " " * (1000 - len(body)), encoded=True), max_bytes=1000)[0] == 200
    assert status(call(body + " " * (1001 - len(body))), max_bytes=1000) == 413
    assert status(call(body + " " * (1001 - len(body)), encoded=True), max_bytes=1000) == 413
    assert status(call(body + "あ" * 400), max_bytes=1000) == 413
    assert status(call(" " * 1_000_001)) == 413


def test_a_body_that_is_no_base64_and_too_long_is_not_even_decoded():
    """Its length alone tells."""
    assert status({**call("!" * 3000), "isBase64Encoded": True}, max_bytes=1000) == 413


def test_so_many_events_and_no_more():
    """A thousand in one body are fine."""
    record = Recorded()
    assert answer(call(json.dumps({"events": [EVENT] * 1000})), record)[0] == 200
    assert len(record.events) == 1000
    assert status(call(json.dumps({"events": [1] * 1001}))) == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "+json"]
)
def test_another_content_type_is_refused(kind):
    """What says it is no JSON is not read as such."""
    assert status(call(content_type=kind)) == 415


BAD = {
    "empty": "",
    "truncated": json.dumps({"events": [EVENT]})[:-20],
    "two documents": "{}{}",
    "a list": "[]",
    "text": '"events"',
    "null": "null",
    "no events": "{}",
    "events are a map": '{"events": {}}',
    "events are null": '{"events": null}',
    "deep": '{"events": ' + "[" * 400_000,
    "deep objects": '{"a":' * 100_000,
    "deep and whole": '{"events": ' + "[" * 200 + "]" * 200 + "}",
    "a bare word": "events",
    "single quotes": "{'events': []}",
    "control character": '{"events": ["\n"]}',
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("encoded", [True, False])
def test_what_is_no_list_of_events_is_refused(body, encoded):
    """With the rule in words."""
    assert status(call(body, encoded=encoded)) == 400


@pytest.mark.parametrize(
    "event",
    [
        {**call("not base64!"), "isBase64Encoded": True},
        {**call("e30"), "isBase64Encoded": True},
        {**call("あ"), "isBase64Encoded": True},
        call(b'{"events": ["\xff"]}', encoded=True),
        call('{"events": []}'.encode("utf-16"), encoded=True),
        call('{"events": ["\ud800"]}'),
        {**call(), "body": None},
        {**call(), "body": {"events": []}},
    ],
)
def test_what_is_no_text_is_refused(event):
    """Bad base64, another encoding, no text at all."""
    assert status(event) == 400


def test_a_number_of_any_length_costs_no_other_event():
    """Python would refuse to read it."""
    record = Recorded()
    assert answer(call('{"events": [1, ' + "9" * 5000 + ", 1e999]}"), record)[0] == 200
    assert record.events[0] == 1


@pytest.mark.parametrize(
    "event", [{}, {"headers": 7, "requestContext": []}, {"requestContext": {"http": "POST"}}, None, []]
)
def test_what_is_no_call_of_a_function_url_is_refused(event):
    """Somebody invoked the function with something else."""
    assert status(event) == 405


@pytest.mark.parametrize("error", [ConnectionError("taro@example.com"), ExceptionGroup("x", [ValueError("taro")])])
def test_what_cannot_be_written_down_is_to_come_again(error):
    """The mail API is told nothing of why."""
    code, _, said = answer(call(), Recorded(error))
    assert code == 503
    assert "taro" not in str(said)


def test_logs_hold_counts_and_statuses_and_nothing_of_the_call(capsys):
    """No address, no subject, no credentials, no query string."""
    logs.configure()
    for event in (
        call(),
        call(authorization="Basic c2VjcmV0OnNlY3JldA=="),
        call(method="GET"),
        call("taro@example.com"),
    ):
        answer(event)
    answer(call(), Recorded(ConnectionError("taro@example.com secret")))
    answer(call(), credentials=Known(stalled=True))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines] == [200, 401, 405, 400, 503, 503]
    assert [line["event"] for line in lines[-2:]] == ["webhook.failed", "webhook.no_credentials"]
    said = json.dumps(lines)
    for word in ("taro", "example.com", "secret subject", "secret-query", "c2VjcmV0", GOOD[6:], "3.114.82.121"):
        assert word not in said

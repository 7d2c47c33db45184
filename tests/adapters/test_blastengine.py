"""Every answer of the mail API becomes the right decision, and every mail the API's own words."""

import hashlib
import io
import json
import tempfile
import tracemalloc
from pathlib import Path

import httpx
import pytest
import respx

from outbox import Attachment, ListUnsubscribe
from outbox.adapters.api_client import ApiClient, token
from outbox.adapters.blastengine import BlastengineApi, payload_of
from outbox.adapters.secrets import Credentials
from outbox.core.attachment import S3Object, StoredFile
from outbox.core.errors import NotEncodable, OutcomeUnknown, Rejected, Stop, TryLater
from outbox.local.sandbox import Sandbox, SandboxSettings
from tests.conftest import make_mail

BASE = "https://mail.example/api/v1"
URL = BASE + "/deliveries/transaction"
KNOWN = Credentials("login-id", "api-key")


class Source:
    """Credentials that can be changed in the secret's place."""

    def __init__(self, *keys):
        self.keys = list(keys) or [KNOWN]
        self.asked = []

    def __call__(self, *, refused=None):
        self.asked.append(refused)
        if refused == self.keys[0] and len(self.keys) > 1:
            self.keys.pop(0)
        return self.keys[0]


def send(api, mail):
    """Make the request and send it, as the path of a mail does."""
    return api.send(api.encode(mail))


@pytest.fixture
def http():
    with httpx.Client(timeout=httpx.Timeout(30, connect=5)) as client:
        yield client


@pytest.fixture
def api(http):
    return BlastengineApi(ApiClient(http, BASE, Source()))


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
        ("aaa", "bbb", "MmNlMTA5ZTlkMGZhZjgyMGIyNDM0ZTE2NjI5NzkzNGU2MTc3YjY1YWI5OTUxZGJjM2UyMDRjYWQ0Njg5YjM5Yw=="),
    ],
)
def test_makes_the_token_as_the_vendors_clients_do(login_id, api_key, expected):
    """The token is that of the known test vectors."""
    assert token(Credentials(login_id, api_key)) == expected


@respx.mock
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("body", ['{"delivery_id": 42}', '{"delivery_id": "42"}', '{"delivery_id": 42, "more": []}'])
def test_an_id_means_accepted(api, status, body):
    """200 and 201 with an id are accepted, the id kept as text."""
    route = respx.post(URL).respond(status, text=body, headers={"X-Rate-Limit-Remaining": "7"})
    accepted = send(api, make_mail())
    assert (accepted.delivery_id, accepted.remaining) == ("42", 7)
    assert route.calls[0].request.headers["authorization"] == "Bearer " + token(KNOWN)
    assert route.calls[0].request.headers["content-type"] == "application/json"


@respx.mock
@pytest.mark.parametrize(
    ("headers", "remaining"),
    [
        ({"X-RateLimit-Remaining": "3"}, 3),
        ({"x-rate-limit-remaining": "4"}, 4),
        ({"X-Rate-Limit-Remaining": "many"}, None),
        ({"X-Rate-Limit-Remaining": "-1"}, None),
        ({}, None),
    ],
)
def test_reads_the_remaining_calls_in_either_spelling(api, headers, remaining):
    """Both spellings of the header are read; nonsense counts as nothing said."""
    respx.post(URL).respond(201, json={"delivery_id": 1}, headers=headers)
    assert send(api, make_mail()).remaining == remaining


@respx.mock
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (201, "<html>created</html>"),
        (201, "{}"),
        (201, '{"delivery_id": null}'),
        (201, '{"delivery_id": true}'),
        (201, '{"delivery_id": "x"}'),
        (201, '{"delivery_id": "²"}'),
        (201, f'{{"delivery_id": "{"9" * 5000}"}}'),
        (201, f'{{"delivery_id": {"9" * 5000}}}'),
        (201, "[" * 60_000),
        (201, "[]"),
        (202, '{"delivery_id": 1}'),
        (204, ""),
        (408, ""),
        (500, '{"message": "boom"}'),
        (502, "<html><h1>Bad gateway</h1></html>"),
        (503, ""),
        (504, ""),
        (599, ""),
    ],
)
def test_an_answer_that_does_not_say_leaves_the_outcome_unknown(api, status, body):
    """What may have been accepted is never taken for refused or for sent."""
    respx.post(URL).respond(status, text=body)
    with pytest.raises(OutcomeUnknown) as error:
        send(api, make_mail())
    assert str(status) in str(error.value)


NESTED = {"error_messages": {"to": {"0": {"insert_code": {"0": {"key": ["name: invalid format.", "the length."]}}}}}}


@respx.mock
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            400,
            json.dumps(NESTED),
            "to.0.insert_code.0.key: name: invalid format.; to.0.insert_code.0.key: the length. (400)",
        ),
        (400, '{"error_messages": {"main": ["no data found."]}}', "no data found. (400)"),
        (400, '{"error_messages": {"subject": "is required"}}', "subject: is required (400)"),
        (400, '{"error_messages": ["a", {"b": ["c"]}]}', "a; 1.b: c (400)"),
        (
            400,
            '{"timestamp": "x", "status": 400, "error": "Bad Request", "message": "broken", "path": "/"}',
            "broken (400)",
        ),
        (422, "<html><style>x{}</style><b>Not</b> good</html>", "Not good (422)"),
        (400, "", "no reason was given (400)."),
        (413, "null", "no reason was given (413)."),
        (409, '"taken"', "taken (409)"),
    ],
)
def test_a_refusal_is_one_readable_sentence(api, status, body, said):
    """Error bodies of any nesting become one sentence."""
    respx.post(URL).respond(status, text=body)
    with pytest.raises(Rejected) as error:
        send(api, make_mail())
    assert str(error.value) == said


@respx.mock
def test_a_refusal_of_absurd_size_or_depth_is_cut(api):
    """A body of megabytes or of a thousand levels cannot hurt."""
    bodies = ["[" * 100_000, json.dumps({"error_messages": {"x": "y" * 10**6}}), '{"a":' * 900 + "1" + "}" * 900]
    bodies += ["<script" * 9000, "<" * 60_000, json.dumps({"x" * 30_000: {str(number): "y" for number in range(3000)}})]
    for body in bodies:
        respx.post(URL).respond(400, text=body)
        with pytest.raises(Rejected) as error:
            send(api, make_mail())
        assert len(str(error.value)) <= 500


@respx.mock
@pytest.mark.parametrize("status", [301, 302, 307, 403, 404, 405, 415, 423])
def test_what_concerns_everybody_stops_the_line(api, status):
    """Rights, a locked account and a wrong address are nobody's mail's fault, and redirects are not followed."""
    respx.post(URL).respond(status, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(Stop) as error:
        send(api, make_mail())
    assert str(status) in str(error.value)


@respx.mock
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-Rate-Limit-Retry-After-Seconds": "12"}, 12),
        ({"X-Rate-Limit-Retry-After-Seconds": "0"}, 0),
        ({"Retry-After": "5"}, 5),
        ({}, 60),
        ({"X-Rate-Limit-Retry-After-Seconds": "soon"}, 60),
        ({"X-Rate-Limit-Retry-After-Seconds": "-3"}, 60),
        ({"X-Rate-Limit-Retry-After-Seconds": "nan"}, 60),
    ],
)
def test_a_429_waits_for_what_its_header_says(api, headers, wait):
    """The wait is the header's, or a minute if it says nothing usable."""
    respx.post(URL).respond(429, headers=headers)
    with pytest.raises(TryLater) as error:
        send(api, make_mail())
    assert error.value.wait == wait


@respx.mock
@pytest.mark.parametrize(
    ("fault", "decision"),
    [
        (httpx.ConnectError, TryLater),
        (httpx.ConnectTimeout, TryLater),
        (httpx.PoolTimeout, TryLater),
        (httpx.ProxyError, TryLater),
        (httpx.UnsupportedProtocol, Stop),
        (httpx.ReadTimeout, OutcomeUnknown),
        (httpx.WriteTimeout, OutcomeUnknown),
        (httpx.ReadError, OutcomeUnknown),
        (httpx.WriteError, OutcomeUnknown),
        (httpx.RemoteProtocolError, OutcomeUnknown),
        (httpx.DecodingError, OutcomeUnknown),
    ],
)
def test_only_a_connection_never_made_is_tried_again(api, fault, decision):
    """Once the request began to leave, nobody can tell; before, it certainly was not accepted."""
    respx.post(URL).mock(side_effect=fault)
    with pytest.raises(decision):
        send(api, make_mail())


@respx.mock
def test_a_refused_token_is_made_anew_from_a_changed_secret(http):
    """After a 401 the secret is read again, and the mail goes at once if it has changed."""
    source = Source(Credentials("login-id", "old"), KNOWN)
    good = "Bearer " + token(KNOWN)
    respx.post(URL).mock(
        side_effect=lambda request: (
            httpx.Response(201, json={"delivery_id": 1})
            if request.headers["authorization"] == good
            else httpx.Response(401)
        )
    )
    assert send(BlastengineApi(ApiClient(http, BASE, source)), make_mail()).delivery_id == "1"


@respx.mock
def test_credentials_refused_twice_stop_the_line(api):
    """A 401 with an unchanged secret is asked once, not again and again."""
    route = respx.post(URL).respond(401)
    with pytest.raises(Stop):
        send(api, make_mail())
    assert route.call_count == 1


def test_an_answer_that_drips_for_ever_ends(http):
    """A body without an end is cut at the bound of an answer."""
    ticks = iter(range(0, 10_000, 5))

    class Drip(httpx.SyncByteStream):
        def __iter__(self):
            while True:
                yield b" "

    transport = httpx.MockTransport(lambda _request: httpx.Response(201, stream=Drip()))
    with httpx.Client(transport=transport) as client:
        api = BlastengineApi(ApiClient(client, BASE, Source(), answer_seconds=30, monotonic=lambda: next(ticks)))
        with pytest.raises(OutcomeUnknown):
            send(api, make_mail())


def test_puts_a_mail_into_the_apis_words():
    """Every part of a mail has its place; what the API does not know stays here."""
    mail = make_mail(
        to="Taro <taro@example.com>",
        cc=["Boss <boss@example.com>"],
        bcc=["archive@example.com"],
        reply_to="Help <help@example.com>",
        html="<p>Hi</p>",
        insert_code={"name": "Taro"},
        list_unsubscribe=ListUnsubscribe(url="https://example.com/u"),
        encoding="ISO-2022-JP",
        tags=["internal"],
    )
    assert payload_of(mail) == {
        "from": {"email": "shop@example.com", "name": "Shop"},
        "to": "taro@example.com",
        "cc": ["boss@example.com"],
        "bcc": ["archive@example.com"],
        "reply_to": {"email": "help@example.com", "name": "Help"},
        "subject": "Hello",
        "text_part": "Good morning." if mail.text else "Hi",
        "html_part": "<p>Hi</p>",
        "encode": "ISO-2022-JP",
        "insert_code": [{"key": "__name__", "value": "Taro"}],
        "list_unsubscribe": {"url": "https://example.com/u"},
    }


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>Hello</h1><p>Dear&nbsp;Taro,<br>bye</p>", "Hello\nDear Taro,\nbye"),
        ("<style>p{}</style><script>x</script><title>t</title>Hi", "Hi"),
        ('<a href="https://example.com/x">Here</a>', "https://example.com/x Here"),
        ("<img src=x>", " "),
    ],
)
def test_gives_an_html_mail_a_text_part(html, text):
    """A mail of HTML alone gets its words as text, never nothing."""
    assert payload_of(make_mail(html=html))["text_part"] == text


@respx.mock
def test_sends_files_as_the_vendors_clients_do(api):
    """One `data` part of JSON and one `file` part a file, byte for byte."""
    route = respx.post(URL).respond(201, json={"delivery_id": 1})
    send(
        api,
        make_mail(attachments=[Attachment("請求書.pdf", b"%PDF\x00\xff"), Attachment("a.html", b"<p>", "text/html")]),
    )
    request = route.calls[0].request
    assert request.headers["content-type"].startswith("multipart/form-data")
    body = request.content
    assert body.count(b'name="file"') == 2
    assert b'name="data"' in body
    assert b"Content-Type: application/json" in body
    assert b"%PDF\x00\xff" in body


NAMES = ["請求書.pdf", "naïve café.txt", "a;b=c%20.txt", "\U0001f600.png", "x" * 255]


@pytest.mark.parametrize("name", NAMES)
def test_names_types_and_bytes_of_files_arrive_intact(name):
    """A file of any name, from a stream of any kind, is read by the sandbox of the mail API as it was sent."""
    content = bytes(range(256)) * 3000
    attachments = [
        Attachment(name, io.BytesIO(b"small"), "text/x-one"),
        Attachment("bytes.bin", b"\x00\xff"),
    ]
    with (
        Sandbox(SandboxSettings()) as sandbox,
        httpx.Client() as client,
        httpx.Client(base_url=f"{sandbox.url}/_sandbox") as admin,
        tempfile.TemporaryFile() as large,
    ):
        large.write(content)
        large.seek(0)
        attachments.append(Attachment(f"2{name[1:]}", large, "application/x-two"))
        source = Source(Credentials("sandbox", "sandbox-key"))
        send(BlastengineApi(ApiClient(client, sandbox.mail_api_url, source)), make_mail(attachments=attachments))
        files = admin.get("/mails").json()["mails"][0]["attachments"]
    assert [(file["name"], file["mime"], file["sha256"]) for file in files] == [
        (name, "text/x-one", hashlib.sha256(b"small").hexdigest()),
        ("bytes.bin", "application/octet-stream", hashlib.sha256(b"\x00\xff").hexdigest()),
        (f"2{name[1:]}", "application/x-two", hashlib.sha256(content).hexdigest()),
    ]


@respx.mock
def test_files_are_sent_from_their_beginning_when_the_call_is_made_again(http):
    """The call with newer credentials carries the same bytes as the one that was refused."""
    bodies = []

    def answer(request):
        bodies.append(request.read())
        return httpx.Response(201, json={"delivery_id": 1}) if len(bodies) > 1 else httpx.Response(401)

    respx.post(URL).mock(side_effect=answer)
    api = BlastengineApi(ApiClient(http, BASE, Source(Credentials("login-id", "old"), KNOWN)))
    with tempfile.TemporaryFile() as large:
        large.write(b"large" * 100_000)
        large.seek(0)
        send(api, make_mail(attachments=[Attachment("a.txt", io.BytesIO(b"small")), Attachment("b.txt", large)]))
    assert len(bodies) == 2
    for body in bodies:
        assert b"small" in body
        assert b"large" * 100_000 in body


@respx.mock
def test_a_file_is_streamed_with_its_length_said(http):
    """No chunked body, which an API may refuse, and no second copy of the file in memory."""
    size = 20 * 1024 * 1024
    seen = []

    def answer(request):
        seen.append((request.headers, sum(len(piece) for piece in request.stream)))
        return httpx.Response(201, json={"delivery_id": 1})

    transport = httpx.MockTransport(lambda _: httpx.Response(201))
    transport.handle_request = answer
    with httpx.Client(transport=transport) as client, tempfile.TemporaryFile() as large:
        large.truncate(size)
        api = BlastengineApi(ApiClient(client, BASE, Source()))
        tracemalloc.start()
        try:
            send(api, make_mail(attachments=[Attachment("a.bin", large)]))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    ((headers, length),) = seen
    assert int(headers["content-length"]) == length > size
    assert peak < 2 * 1024 * 1024


@pytest.mark.parametrize("content", [Path("/tmp/a"), S3Object("b", "k"), StoredFile("k", 1, "a" * 64)])
def test_a_file_that_was_not_opened_is_no_call(api, content):
    """It is the caller's mistake, and nothing leaves."""
    with pytest.raises(NotEncodable, match="TypeError"):
        send(api, make_mail(attachments=[Attachment("a.txt", content)]))


def test_says_how_long_a_call_can_last(http):
    """The bound counts leaving, waiting and the last piece of the answer."""
    assert BlastengineApi(ApiClient(http, BASE, Source(), answer_seconds=30)).longest_call == 2 + 30 + 5 + 30 + 30 + 30


class Torn(httpx.SyncByteStream):
    """A body that breaks off."""

    def __iter__(self):
        yield b'{"error_messages": '
        raise httpx.ReadError("reset")


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        (400, Rejected),
        (401, Stop),
        (403, Stop),
        (404, Stop),
        (429, TryLater),
        (201, OutcomeUnknown),
        (500, OutcomeUnknown),
    ],
)
def test_a_torn_body_does_not_turn_a_refusal_into_a_doubt(status, decision):
    """The status is the contract; only where it does not say enough is a torn body a doubt."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, stream=Torn()))
    with httpx.Client(transport=transport) as client, pytest.raises(decision):
        send(BlastengineApi(ApiClient(client, BASE, Source())), make_mail())


@respx.mock
def test_no_header_undoes_an_acceptance(api):
    """A number of thousands of digits is as good as none."""
    respx.post(URL).respond(201, json={"delivery_id": 1}, headers={"X-Rate-Limit-Remaining": "9" * 5000})
    assert send(api, make_mail()).delivery_id == "1"


def test_files_that_leave_too_slowly_end_the_call(http):
    """Each piece alone is quick, all together are not: nobody knows what the API made of it."""
    now = iter(range(0, 100, 4))
    api = BlastengineApi(ApiClient(http, BASE, Source()), monotonic=lambda: next(now))
    mail = make_mail(attachments=[Attachment("a.bin", io.BytesIO(b"x" * 400_000))])
    with respx.mock(assert_all_called=False) as routes:
        routes.post(URL).respond(201, json={"delivery_id": 1})
        with pytest.raises(OutcomeUnknown, match="did not leave within 10 s"):
            send(api, mail)


@pytest.mark.parametrize("host", ["app..example.invalid", "a" * 64 + ".invalid"])
def test_a_host_that_can_be_none_stops_the_line_and_leaves_no_mail_in_doubt(host):
    """The resolver refuses its name: nothing has left."""
    with httpx.Client(timeout=5, trust_env=False) as client:
        api = BlastengineApi(ApiClient(client, f"http://{host}/api/v1", Source()))
        with pytest.raises(Stop):
            send(api, make_mail())


def test_a_request_that_cannot_be_built_has_not_left(api, monkeypatch):
    """A bug of ours before the call: tried again later, never in doubt."""
    monkeypatch.setattr(httpx.Client, "build_request", lambda *_args, **_more: 1 / 0)
    with pytest.raises(TryLater):
        send(api, make_mail())

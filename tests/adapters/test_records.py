"""The API's own records: found by recipient, time and content; whatever they answer is bounded."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from outbox.adapters.api_client import ApiClient
from outbox.adapters.blastengine import BlastengineApi
from outbox.adapters.records import BlastengineRecords
from outbox.adapters.secrets import Credentials
from outbox.core.errors import NoRecords, NotAnswered, Stop, TryLater
from outbox.local.sandbox import Sandbox, SandboxSettings
from tests.conftest import make_mail


def send(client, mail):
    """Send a mail; give its delivery id."""
    api = BlastengineApi(client)
    return api.send(api.encode(mail)).delivery_id


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(SandboxSettings(rate_per_minute=100_000)) as running:
        yield running


def client_of(base, http, login="x", key="y"):
    return ApiClient(http, base, lambda refused=None: Credentials(login, key))


@pytest.fixture
def api(sandbox):
    with httpx.Client(timeout=10) as http:
        yield client_of(sandbox.mail_api_url, http, sandbox.settings.login_id, sandbox.settings.api_key)


def find(client, mail, is_other=lambda _id: False, spent=None):
    now = datetime.now(UTC)
    calls = spent if spent is not None else []
    records = BlastengineRecords(client)
    return records.find(mail, now - timedelta(minutes=1), now, is_other, lambda: calls.append(1))


def test_a_delivery_is_found_by_recipient_and_content(api):
    """Of several mails to one person, the very one is found, with its id; each call is spent."""
    mail = make_mail(to="taro1@example.com", subject="Mine", text="Line 1\r\nLine 2", cc=["boss@example.com"])
    sent = [send(api, each) for each in (mail, mail.but(subject="Other"), mail.but(text="x"))]
    spent = []
    assert [seen.delivery_id for seen in find(api, mail, spent=spent)] == sent[:1]
    assert len(spent) == 4
    assert find(api, mail.but(sender="other@example.com")) == []
    assert find(api, mail.but(to="nobody1@example.com")) == []


def test_a_mail_of_html_is_found_whatever_text_part_was_made_of_it(api, monkeypatch):
    """Another version of the service may have made another text of the same HTML; a text of the mail's own counts."""
    mail = make_mail(to="taro9@example.com", html="<p>Hello</p>")
    with monkeypatch.context() as before:
        before.setattr("outbox.adapters.blastengine.plain_text", lambda _html: "made otherwise")
        sent = send(api, mail)
    assert [seen.delivery_id for seen in find(api, mail)] == [sent]
    assert find(api, mail.but(html="<p>Bye</p>")) == []
    assert find(api, mail.but(text="Hello")) == []


def test_ids_that_are_known_to_be_other_mails_are_not_even_looked_at(api):
    """A delivery of history costs no call."""
    mail = make_mail(to="taro2@example.com")
    ids = [send(api, mail) for _ in range(3)]
    spent = []
    found = find(api, mail, is_other=lambda delivery_id: delivery_id != ids[1], spent=spent)
    assert [seen.delivery_id for seen in found] == [ids[1]]
    assert len(spent) == 2


def test_a_person_with_many_mails_is_paged_through(api):
    """More than a page of logs is read, and no mail before its time."""
    mail = make_mail(to="taro3@example.com", subject="First")
    first = send(api, mail)
    for n in range(120):
        send(api, mail.but(subject=f"{n}"))
    others = lambda delivery_id: delivery_id != first  # noqa: E731
    assert [seen.delivery_id for seen in find(api, mail, is_other=others)] == [first]
    late = datetime.now(UTC) + timedelta(hours=1)
    records = BlastengineRecords(api)
    assert records.find(mail, late, late, others, lambda: None) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404), NoRecords),
        (httpx.Response(405), NoRecords),
        (httpx.Response(403), NoRecords),
        (httpx.Response(401), Stop),
        (httpx.Response(423), Stop),
        (httpx.Response(429), TryLater),
        (httpx.Response(500), NotAnswered),
        (httpx.Response(502, text="<html>"), NotAnswered),
        (httpx.Response(200, text="<html>"), NotAnswered),
        (httpx.Response(200, json=[]), NotAnswered),
        (httpx.Response(200, json={"data": None}), NotAnswered),
        (httpx.Response(400, json={"error_messages": {}}), NotAnswered),
    ],
)
def test_records_that_do_not_answer_say_so(answer, error):
    """Each answer is a decision, none is a miss."""
    with httpx.Client(transport=httpx.MockTransport(lambda _: answer)) as http, pytest.raises(error):
        find(client_of("https://mail.example", http), make_mail())


@pytest.mark.parametrize("fault", [httpx.ReadTimeout, httpx.ReadError])
def test_silence_is_no_miss(fault):
    """A reading that broke is asked again."""

    def broken(_request):
        raise fault("x")

    with httpx.Client(transport=httpx.MockTransport(broken)) as http, pytest.raises(NotAnswered):
        find(client_of("https://mail.example", http), make_mail())


NOW = datetime.now(UTC).isoformat(timespec="seconds")
GOOD = {"maillog_id": 5, "delivery_id": 7, "created_time": NOW}


@pytest.mark.parametrize(
    "rows",
    [
        [{}],
        [None, 5, "x", []],
        [{"delivery_id": None}],
        [{"delivery_id": True, "created_time": NOW}],
        [{"delivery_id": "../../admin", "created_time": NOW}],
        [{"delivery_id": 7, "created_time": "yesterday"}],
        [{"maillog_id": "9" * 5000, "delivery_id": 7}] * 100,
        [{"maillog_id": "²", "delivery_id": 7}] * 100,
        [{"delivery_id": "9" * 5000}],
        [{"maillog_id": None, "delivery_id": 7}] * 100,
        [GOOD] * 100,
    ],
)
@pytest.mark.parametrize(
    "delivery", [{}, "x", [], {"subject": "Hello"}, {"subject": "Hello", "from": 5, "created_time": 5}]
)
def test_answers_with_missing_fields_are_bounded_and_prove_nothing(rows, delivery):
    """Odd rows and deliveries are passed over, in a bounded number of calls."""
    calls = []

    def answer(request):
        calls.append(request.url.path)
        return httpx.Response(200, json={"data": rows} if "/logs" in request.url.path else delivery)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        assert find(client_of("https://mail.example", http), make_mail()) == []
    assert len(calls) <= 12
    assert all(path in {"/logs/mails/results", "/deliveries/7"} for path in calls)

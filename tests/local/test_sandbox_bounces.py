"""Mails that bounce by rule or by the error stop list, and the records that show it."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from outbox.local.sandbox.bounce import bounce_now
from outbox.local.sandbox.stop_list import FORTNIGHT, StopList
from tests.local.bouncing import Bouncing, bouncing
from tests.waiting import SECONDS, wait_for


@pytest.fixture(scope="module")
def running() -> Iterator[Bouncing]:
    with bouncing() as started:
        yield started


@pytest.fixture
def sandbox(running: Bouncing) -> Bouncing:
    running.begin()
    return running


def test_rule(sandbox: Bouncing) -> None:
    """A mail that a rule hits is accepted as ever, with the rate's headers, and bounces as often as the rule says."""
    sandbox.rule(type="SOFTERROR", code="421", message="busy", copies=3, times=1)
    ids = [sandbox.send(), sandbox.send()]
    assert [call["status"] for call in sandbox.calls()] == [200] * 3
    details = sandbox.receiver.details
    assert details[0] == details[1] == details[2]
    assert {(each["delivery_id"], each["error_code"], each["error_message"]) for each in details} == {
        (ids[0], "421", "busy")
    }
    [rule] = sandbox.admin.get("/faults").json()["faults"]
    assert (rule["fired"], rule["spent"], rule["type"], rule["copies"]) == (1, True, "SOFTERROR", 3)


def test_rule_needs_no_more_than_its_mode(sandbox: Bouncing) -> None:
    """A rule that says nothing else bounces hard."""
    sandbox.rule()
    delivery_id = sandbox.send()
    assert [(row["status"], row["last_response_code"]) for row in sandbox.logs(delivery_id=delivery_id)] == [
        ("HARDERROR", "550")
    ]


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_rule_for_a_recipient(sandbox: Bouncing, field: str) -> None:
    """The recipient that matches bounces, wherever it stands, and no other."""
    sandbox.rule(match={"to": "BAD@*", "subject": "ell"})
    fields: dict[str, Any] = {"to": "bad@example.com"} if field == "to" else {field: ["bad@example.com"]}
    sandbox.send(**fields)
    sandbox.send(subject="bye", **fields)
    sandbox.calls()
    assert [detail["mailaddress"] for detail in sandbox.receiver.details] == ["bad@example.com"]


def test_early(sandbox: Bouncing) -> None:
    """An early bounce reaches the webhook, and is answered, before the mail's own answer comes."""
    answered = threading.Event()

    def take_time() -> None:
        time.sleep(0.3)
        answered.set()

    sandbox.receiver.first = take_time
    sandbox.rule(early=True)
    delivery_id = sandbox.send()
    assert answered.is_set()
    assert [detail["delivery_id"] for detail in sandbox.receiver.details] == [delivery_id]


def test_not_early(sandbox: Bouncing) -> None:
    """Any other bounce does not hold up the answer."""
    go_on = threading.Event()
    sandbox.receiver.first = lambda: go_on.wait(SECONDS)
    sandbox.rule(copies=30)
    sandbox.send()
    go_on.set()
    assert len(sandbox.calls()) == 30


def test_delay(sandbox: Bouncing) -> None:
    """A delayed bounce happens after its seconds, and until then the mail has been sent."""
    sandbox.rule(delay=3)
    sandbox.send()
    assert sandbox.logs()[0]["status"] == "SENT"
    assert sandbox.calls() == []
    wait_for(lambda: sandbox.receiver.heard, pause=0.02)
    assert sandbox.logs()[0]["status"] == "HARDERROR"


def test_lost_answer_and_bounce(sandbox: Bouncing) -> None:
    """A mail whose answer is lost on purpose bounces as well: the two rules do not stand in each other's way."""
    sandbox.admin.post("/faults", json={"mode": "accept_then_error", "times": 1})
    sandbox.rule(early=True)
    assert sandbox.post().status_code == 502
    assert len(sandbox.receiver.heard) == 1


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"type": "OPENED"}, "type"),
        ({"code": 550}, "code"),
        ({"copies": 0}, "copies"),
        ({"delay": -1}, "delay"),
        ({"delay": 1, "early": True}, "delay"),
        ({"early": 1}, "early"),
        ({"on": "reads"}, "on"),
        ({"status": 500}, "status"),
        ({"mode": "hang", "type": "DROP"}, "type"),
        ({"mode": "slow", "early": False}, "early"),
    ],
)
def test_wrong_rule(sandbox: Bouncing, rule: dict[str, Any], field: str) -> None:
    """A wrong rule is refused with the name of the field, and so is a bounce's field for another fault."""
    answer = sandbox.admin.post("/faults", json={"mode": "bounce", **rule})
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert sandbox.admin.get("/faults").json() == {"faults": []}


def bounce_twice(sandbox: Bouncing, email: str) -> None:
    for _ in range(2):
        sandbox.bounce(delivery_id=sandbox.send(to=email), type="HARDERROR")


def test_stopped_address(sandbox: Bouncing) -> None:
    """After two hard errors a mail to the address is accepted, and dropped; other recipients get theirs."""
    bounce_twice(sandbox, "Bad@example.com")
    sandbox.calls()
    sandbox.receiver.forget()
    delivery_id = sandbox.send(cc=["bAD@example.com"])
    sandbox.calls()
    [detail] = sandbox.receiver.details
    assert (detail["mailaddress"], detail["error_code"]) == ("bAD@example.com", "554(errors)")
    rows = sandbox.logs(delivery_id=delivery_id)
    assert {row["email"]: row["status"] for row in rows} == {"a@example.com": "SENT", "bAD@example.com": "DROP"}


def test_stop_list_comes_first(sandbox: Bouncing) -> None:
    """A rule that bounces an address hard stops it after two mails; the third is not tried any more."""
    sandbox.rule()
    ids = [sandbox.send() for _ in range(3)]
    assert [sandbox.logs(delivery_id=each)[0]["status"] for each in ids] == ["HARDERROR", "HARDERROR", "DROP"]
    assert sandbox.admin.get("/faults").json()["faults"][0]["fired"] == 2


def test_duplicates_do_not_stop(sandbox: Bouncing) -> None:
    """One bounce told often is one hard error; soft errors do not count at all."""
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="HARDERROR", times=5)
    for _ in range(3):
        sandbox.bounce(to="a@example.com", type="SOFTERROR")
    assert sandbox.logs(delivery_id=sandbox.send())[0]["status"] == "SENT"


def test_stop_list_switched_off(sandbox: Bouncing) -> None:
    """Without the stop list every mail goes, and nobody is on it."""
    sandbox.set(stop_list="off")
    bounce_twice(sandbox, "a@example.com")
    assert sandbox.logs(delivery_id=sandbox.send())[0]["status"] == "SENT"
    assert sandbox.api.get("/errors").json() == {"data": []}


def stop_list(*moments: float) -> StopList:
    counted = StopList()
    for moment in moments:
        counted.count(bounce_now("HARDERROR", 1, "a@example.com", moment))
    return counted


def test_stop_list_in_time() -> None:
    """Two hard errors within two weeks stop an address for two weeks from the second; a later one begins anew."""
    listed = stop_list(0, FORTNIGHT)
    assert listed.stopped("A@example.com", 2 * FORTNIGHT - 1) is not None
    assert listed.stopped("a@example.com", 2 * FORTNIGHT) is None
    assert stop_list(0, FORTNIGHT + 1).stopped("a@example.com", FORTNIGHT + 1) is None
    assert stop_list(0).stopped("a@example.com", 1) is None
    assert stop_list(0, 1, FORTNIGHT).stopped("a@example.com", 2 * FORTNIGHT - 1) is not None


def errors(sandbox: Bouncing, **params: Any) -> list[str]:
    answer = sandbox.api.get("/errors", params=params)
    assert answer.status_code == 200, answer.text
    return [row["email"] for row in answer.json()["data"]]


def test_errors(sandbox: Bouncing) -> None:
    """The error stop list has a row for each address on it, in pages, within a period, newest first unless sorted."""
    for name in "xyz":
        bounce_twice(sandbox, f"{name}1@example.com")
    sandbox.bounce(delivery_id=sandbox.send(to="once@example.com"), type="HARDERROR")
    assert errors(sandbox) == [f"{name}1@example.com" for name in "zyx"]
    assert errors(sandbox, sort="error_time:asc", size=2) == ["x1@example.com", "y1@example.com"]
    assert errors(sandbox, size=2, page=2) == ["x1@example.com"]
    hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    assert errors(sandbox, error_start=hour) == []
    assert len(errors(sandbox, error_end=hour)) == 3
    row = sandbox.api.get("/errors").json()["data"][0]
    assert set(row) == {"email", "response_code", "response_message", "error_time"}
    assert (row["response_code"], row["error_time"][-6:]) == ("550", "+09:00")


def test_every_error(sandbox: Bouncing) -> None:
    """The list can be told to have every hard error, whether it stops its address or not."""
    sandbox.set(errors_show="all")
    bounce_twice(sandbox, "x1@example.com")
    sandbox.bounce(delivery_id=sandbox.send(to="once@example.com"), type="HARDERROR")
    assert errors(sandbox) == ["once@example.com", "x1@example.com", "x1@example.com"]


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("size", 0),
        ("size", 1001),
        ("page", 0),
        ("sort", "email:asc"),
        ("error_start", "2026-01-01"),
        ("error_end", "x"),
    ],
)
def test_wrong_query_of_errors(sandbox: Bouncing, param: str, value: object) -> None:
    """A parameter outside its rules is refused under its name."""
    answer = sandbox.api.get("/errors", params={param: str(value)})
    assert (answer.status_code, list(answer.json()["error_messages"])) == (400, [param])


def test_errors_ask_for_the_token(sandbox: Bouncing) -> None:
    """The list is the mail API's own: without the token it is not shown."""
    assert sandbox.api.get("/errors", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"status[]": "DROP"}, ["d"]),
        ({"status[]": ["HARDERROR", "SOFTERROR"]}, ["s", "h"]),
        ({"status[]": "SENT"}, ["o"]),
        ({"response_code[]": "554"}, ["d"]),
        ({"response_code[]": ["554(errors)", "450"]}, ["s", "d"]),
        ({"response_code[]": "250"}, ["o"]),
    ],
)
def test_logs(sandbox: Bouncing, params: dict[str, Any], found: list[str]) -> None:
    """Mail logs show the last bounce of each recipient, and can be searched by its status and code."""
    addresses = [f"{name}1@example.com" for name in "dhs"]
    delivery_id = sandbox.send(to="o1@example.com", cc=addresses)
    for email, kind in zip(addresses, ("DROP", "HARDERROR", "SOFTERROR"), strict=True):
        sandbox.bounce(delivery_id=delivery_id, email=email, type="SOFTERROR", code="421")
        sandbox.bounce(delivery_id=delivery_id, email=email, type=kind)
    assert [row["email"][0] for row in sandbox.logs(**params)] == found
    detail = sandbox.api.get(f"/deliveries/{delivery_id}").json()
    counts = ("total_count", "sent_count", "drop_count", "hard_error_count", "soft_error_count")
    assert [detail[name] for name in counts] == [4, 1, 1, 1, 1]


def test_log_detail(sandbox: Bouncing) -> None:
    """One mail log tells of every bounce in turn."""
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="SOFTERROR")
    sandbox.bounce(to="a@example.com", type="HARDERROR", message="gone")
    [row] = sandbox.logs()
    detail = sandbox.api.get(f"/logs/mails/{row['maillog_id']}").json()
    assert (row["status"], row["last_response_message"]) == ("HARDERROR", "gone")
    assert [attempt["status"] for attempt in detail["histories"]] == ["SOFTERROR", "HARDERROR"]


def test_mails_show_bounces(sandbox: Bouncing) -> None:
    """What arrived is listed with its bounces."""
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="DROP")
    [mail] = sandbox.admin.get("/mails").json()["mails"]
    [bounce] = mail["bounces"]
    assert (bounce["type"], bounce["email"], bounce["code"]) == ("DROP", "a@example.com", "554(errors)")
    assert bounce["time"].endswith("+09:00")


@pytest.fixture
def web(sandbox: Bouncing) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=str(sandbox.admin.base_url).removesuffix("/_sandbox/")) as client:
        yield client


def test_bounce_form(sandbox: Bouncing, web: httpx.Client) -> None:
    """A mail's page has a form that bounces it, and shows the bounce afterwards, as does the inbox."""
    delivery_id = sandbox.send(cc=["c@example.com"])
    assert f'action="/mails/{delivery_id}/bounces"' in web.get(f"/mails/{delivery_id}").text
    form = {"type": "SOFTERROR", "email": "c@example.com", "code": "<421>", "times": "2"}
    answer = web.post(f"/mails/{delivery_id}/bounces", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/mails/{delivery_id}")
    assert len(sandbox.calls()) == 2
    page = web.get(f"/mails/{delivery_id}").text
    assert "c@example.com <code>&lt;421&gt;</code>" in page
    assert '<b class="bounce">SOFTERROR</b>' in web.get("/").text


def test_wrong_bounce_form(sandbox: Bouncing, web: httpx.Client) -> None:
    """A wrong value comes back as the mail's page that says which one and why."""
    delivery_id = sandbox.send()
    answer = web.post(f"/mails/{delivery_id}/bounces", data={"type": "SOFTERROR", "times": "many"})
    assert answer.status_code == 400
    assert "times: must be a whole number" in answer.text
    assert web.post("/mails/999999/bounces", data={"type": "DROP"}).status_code == 404


def test_rule_form(sandbox: Bouncing, web: httpx.Client) -> None:
    """A rule that bounces is switched on with the form of the faults, and shown with what it does."""
    form = {"mode": "bounce", "type": "DROP", "copies": "2", "early": "1", "times": ""}
    assert web.post("/faults", data=form).status_code == 303
    assert "DROP, 2 copies, before the answer" in web.get("/faults").text
    sandbox.send()
    assert len(sandbox.receiver.heard) == 2


def test_webhook_form(sandbox: Bouncing, web: httpx.Client) -> None:
    """The webhook is set with a form; its password stays unless another is given, an empty URL switches it off."""
    url = sandbox.receiver.url
    web.post("/settings", data={"webhook_url": url, "webhook_user": "me", "webhook_password": "secret"})
    web.post("/settings", data={"webhook_url": url, "webhook_user": "", "webhook_password": "", "stop_list": "off"})
    assert sandbox.admin.get("/settings").json()["stop_list"] == "off"
    sandbox.send()
    sandbox.bounce(to="a@example.com", type="DROP")
    sandbox.calls()
    assert sandbox.receiver.heard[0][0]["authorization"] == "Basic bWU6c2VjcmV0"
    web.post("/settings", data={"webhook_url": ""})
    assert sandbox.admin.get("/settings").json()["webhook_url"] == ""

"""The line of the deployed service: stopped by a person or by refused credentials, never over the rate."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from outbox.adapters.control import DynamoRegister
from outbox.core import clock
from outbox.flows.switch import SharedSwitch
from outbox.local.stack import LocalStack
from tests.conftest import make_mail
from tests.e2e.conftest import Deployed

pytestmark = pytest.mark.stack

# A worker believes for two seconds what it read of the switch.
BELIEVED = 2.2
# Few calls a minute, so that 20 mails are over the rate; the sandbox counts them as the real API does.
PARAMETERS = {"LookUpMinutes": "0", "RatePerMinute": "120", "RateBurst": "2"}


@pytest.fixture(scope="module")
def strict_stack() -> Iterator[LocalStack]:
    """Start a service of a small rate, whose credentials a test may change."""
    with LocalStack(parameters=PARAMETERS, sandbox_arguments=("--rate-per-minute", "120")) as stack:
        yield stack


@pytest.fixture
def strict(strict_stack: LocalStack) -> Iterator[Deployed]:
    """Give that service."""
    service = Deployed(strict_stack)
    yield service
    service.sandbox.close()


def switch_of(deployed: Deployed) -> SharedSwitch:
    register = DynamoRegister(deployed.dynamodb, deployed.info.control_table)
    return SharedSwitch(register, clock.now)


def answers(deployed: Deployed) -> dict[str, int]:
    """Count the sandbox's answers by status."""
    counted: dict[str, int] = deployed.sandbox.get("/_sandbox/stats").json()["answers"]
    return counted


def logged(deployed: Deployed, event: str) -> int:
    """Count the log lines of one event, of both functions."""
    logs = deployed.stack.client("logs")
    lines = []
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            lines += [each["message"] for each in page["events"]]
    return sum(json.loads(line)["event"] == event for line in lines if line.startswith("{"))


def due_now(deployed: Deployed, mail_id: str) -> None:
    """Let a mail that waits be due, as if its wait were over."""
    due_at = clock.text(clock.now())
    deployed.table.update_item(
        Key={"id": mail_id}, UpdateExpression="SET due_at = :now", ExpressionAttributeValues={":now": due_at}
    )


def sent_once(deployed: Deployed, *mail_ids: str) -> bool:
    """Tell whether each of these mails arrived exactly once, and nothing else did."""
    deliveries = sorted(deployed.outbox.get(mail_id).delivery_id for mail_id in mail_ids)
    return deliveries == sorted(str(mail["delivery_id"]) for mail in deployed.arrived())


def test_a_paused_line_sends_nothing_and_each_mail_goes_once_after_it(deployed):
    """New mails, a raw edit, a scheduled one and dispatch itself: all wait, with the reason, until a person resumes."""
    deployed.fault("refuse_address", match={"to": "wrong@example.com"})
    failed = deployed.outbox.enqueue(make_mail(to="wrong@example.com")).id
    deployed.until(failed, "FAILED")
    switch = switch_of(deployed)
    switch.pause("alice", "the wrong price went out.")
    time.sleep(BELIEVED)

    began = time.monotonic()
    later = deployed.outbox.enqueue(make_mail(subject="Later"), send_at=clock.now() + timedelta(seconds=1.5)).id
    fresh = [deployed.outbox.enqueue(make_mail(subject=f"New {n}", urgent=n == 0)).id for n in range(5)]
    deployed.table.update_item(
        Key={"id": failed},
        UpdateExpression="SET #to = :to",
        ExpressionAttributeNames={"#to": "to"},
        ExpressionAttributeValues={":to": "right@example.com"},
    )
    for mail_id in (failed, *fresh):
        row = deployed.until(mail_id, "WAITING")
        assert (row.attempts, "the wrong price" in row.reason) == (int(mail_id == failed), True)
    while time.monotonic() < began + 5:
        assert deployed.dispatch() == {"stopped": 1}
        time.sleep(0.5)
    assert deployed.arrived() == []
    assert deployed.outbox.get(later).status == "WAITING"

    switch.resume("bob")
    time.sleep(BELIEVED)
    everything = (failed, later, *fresh)
    for mail_id in everything:
        deployed.until(mail_id, "SENT", nudge=deployed.dispatch)
    deployed.settle()
    assert sent_once(deployed, *everything)


def test_what_the_429_asks_for_is_kept_by_everybody(deployed):
    """After one 429 with its wait, neither that mail nor any other is tried before the wait is over."""
    deployed.fault("rate_limited", times=1, retry_after=3)
    asked = time.time()
    first = deployed.outbox.enqueue(make_mail(subject="first")).id
    deployed.until(first, "WAITING")
    others = [deployed.outbox.enqueue(make_mail(subject=f"other {n}")).id for n in range(5)]
    for mail_id in (first, *others):
        deployed.until(mail_id, "SENT", nudge=deployed.dispatch)
    assert answers(deployed) == {"201": 6, "429": 1}
    assert min(mail["received_at"] for mail in deployed.arrived()) >= asked + 3 - 0.3
    assert sent_once(deployed, first, *others)


def test_deliver_starts_dispatch_when_mails_are_over_the_rate(strict):
    """Twenty mails at once at 120 a minute all go by themselves, without a single 429."""
    # Nobody else starts dispatch.
    scheduler = strict.stack.client("scheduler")
    (schedule,) = scheduler.list_schedules()["Schedules"]
    scheduler.delete_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
    ids = [strict.outbox.enqueue(make_mail(subject=f"mail {n:02}")).id for n in range(20)]
    for mail_id in ids:
        strict.until(mail_id, "SENT")
    assert answers(strict) == {"201": 20}
    assert sent_once(strict, *ids)


def test_refused_credentials_stop_the_line_until_the_secret_changes(strict):
    """One 401 stops everybody, fails no mail and is logged; the reissued key in the secret lets all go, each once."""
    strict.sandbox.post("/_sandbox/reset").raise_for_status()
    strict.sandbox.post("/_sandbox/settings", json={"api_key": "reissued"}).raise_for_status()
    first = strict.outbox.enqueue(make_mail(subject="first")).id
    row = strict.until(first, "WAITING")
    assert (row.attempts, "401" in row.reason) == (0, True)
    time.sleep(BELIEVED)
    others = [strict.outbox.enqueue(make_mail(subject=f"other {n}")).id for n in range(5)]
    for mail_id in others:
        row = strict.until(mail_id, "WAITING")
        assert (row.attempts, "401" in row.reason) == (0, True)
    due_now(strict, first)
    assert answers(strict) == {"401": 1}
    assert logged(strict, "line.stopped") >= 1
    assert switch_of(strict).state().by == "deliver"

    secrets = strict.stack.client("secretsmanager")
    secret = json.loads(secrets.get_secret_value(SecretId=strict.info.secret_id)["SecretString"])
    secrets.put_secret_value(SecretId=strict.info.secret_id, SecretString=json.dumps(secret | {"api_key": "reissued"}))
    for mail_id in (first, *others):
        # A worker asks for a refused secret again after half a minute at the latest.
        strict.until(mail_id, "SENT", nudge=strict.dispatch)
    assert answers(strict) == {"201": 6, "401": 1}
    assert switch_of(strict).state().stopped is False
    assert sent_once(strict, first, *others)

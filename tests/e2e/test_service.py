"""A row becomes a mail: the deployed template, its stream, its roles, on the embedded AWS."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from outbox import Attachment, KeyConflict
from tests.conftest import make_mail

pytestmark = pytest.mark.stack


def refuse_wrong(deployed):
    deployed.fault("refuse_address", match={"to": "wrong@example.com"})


def test_a_row_becomes_a_mail_and_history(deployed):
    """Text, HTML, Japanese, copies, variables and files arrive as they were written."""
    mail = make_mail(
        to="Taro <taro@example.com>",
        cc=["boss@example.com"],
        bcc=["archive@example.com"],
        subject="__name__様 ご請求書",
        text="こんにちは",
        html="<p>こんにちは</p>",
        insert_code={"name": "田中"},
        attachments=[Attachment("請求書.pdf", bytes(range(256)))],
    )
    row = deployed.until(deployed.outbox.enqueue(mail).id, "SENT")
    (arrived,) = deployed.arrived()
    assert str(arrived["delivery_id"]) == row.delivery_id
    assert (arrived["to"], arrived["cc"], arrived["bcc"]) == (
        "taro@example.com",
        ["boss@example.com"],
        ["archive@example.com"],
    )
    assert arrived["rendered"]["subject"] == "田中様 ご請求書"
    assert (arrived["text_part"], arrived["html_part"]) == ("こんにちは", "<p>こんにちは</p>")
    assert (arrived["attachments"][0]["name"], arrived["attachments"][0]["sha256"]) == (
        "請求書.pdf",
        mail.attachments[0].digest,
    )
    assert row.mail() == mail
    assert deployed.store.get(row.id) is None


def test_redelivering_a_batch_five_times_from_two_workers_sends_each_mail_once(deployed):
    """The same stream records again and again, in any order, at the same time."""
    wire = TypeSerializer().serialize
    ids = [deployed.outbox.enqueue(make_mail(subject=f"mail {n}")).id for n in range(30)]
    records = []
    for number, mail_id in enumerate(ids):
        image = {"id": mail_id, "status": "PENDING", "revision": 1, "urgent": False}
        change = {
            "Keys": {"id": {"S": mail_id}},
            "NewImage": {name: wire(value) for name, value in image.items()},
            "SequenceNumber": str(number),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        records.append(
            {"eventID": str(number), "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": change}
        )

    def redeliver(seed):
        batch = records[:]
        random.Random(seed).shuffle(batch)
        return deployed.stack.invoke("deliver", {"Records": batch})

    with ThreadPoolExecutor(2) as workers:
        answers = list(workers.map(redeliver, range(10)))
    assert all(answer == {"batchItemFailures": []} for answer in answers)
    for mail_id in ids:
        deployed.until(mail_id, "SENT")
    deployed.settle(0.5)
    assert sorted(mail["subject"] for mail in deployed.arrived()) == sorted(f"mail {n}" for n in range(30))


@pytest.mark.parametrize("how", ["update_item", "put_item"])
def test_a_raw_edit_of_a_failed_row_sends_it_and_an_unchanged_save_does_nothing(deployed, how):
    """As the DynamoDB console does it: one attribute, or the whole item."""
    refuse_wrong(deployed)
    mail_id = deployed.outbox.enqueue(make_mail(to="wrong@example.com")).id
    row = deployed.until(mail_id, "FAILED")
    assert "(400)" in row.reason
    item = deployed.table.get_item(Key={"id": mail_id})["Item"]
    deployed.table.put_item(Item=item)
    deployed.settle()
    assert deployed.outbox.get(mail_id).revision == row.revision
    assert deployed.arrived() == []
    if how == "put_item":
        deployed.table.put_item(Item=item | {"to": "right@example.com"})
    else:
        deployed.table.update_item(
            Key={"id": mail_id},
            UpdateExpression="SET #to = :to",
            ExpressionAttributeNames={"#to": "to"},
            ExpressionAttributeValues={":to": "right@example.com"},
        )
    deployed.until(mail_id, "SENT")
    assert [mail["to"] for mail in deployed.arrived()] == ["right@example.com"]


@pytest.fixture(params=["with the filter", "without the filter"])
def unfiltered(request, deployed):
    """Run a test with the stream's filter in place, and with it removed."""
    client = deployed.stack.client("lambda")
    mappings = client.list_event_source_mappings()["EventSourceMappings"]
    (mapping,) = (each for each in mappings if each["FunctionArn"].endswith(deployed.info.functions["deliver"]))
    if request.param == "without the filter":
        client.update_event_source_mapping(UUID=mapping["UUID"], FilterCriteria={"Filters": []})
    yield request.param
    client.update_event_source_mapping(UUID=mapping["UUID"], FilterCriteria=mapping["FilterCriteria"])


def test_the_services_own_writes_never_cause_a_send(deployed, unfiltered):
    """Through failure, unknown outcome, backoff, hold and edit: every row keeps still afterwards."""
    deployed.fault("refuse_address", match={"to": "wrong@example.com"})
    deployed.fault("server_error", match={"to": "unknown@example.com"})
    deployed.fault("rate_limited", match={"to": "limited@example.com"}, retry_after=600)
    # Its 429 holds back every mail that has not gone by then, so it is the last to be written.
    states = {"wrong": "FAILED", "unknown": "UNKNOWN", "held": "HELD", "fine": "SENT", "limited": "WAITING"}
    ids, rows = {}, {}
    for name, status in states.items():
        later = datetime.now(UTC) + timedelta(hours=1) if name == "held" else None
        ids[name] = deployed.outbox.enqueue(make_mail(to=f"{name}@example.com"), send_at=later).id
        if name == "held":
            deployed.outbox.hold(ids[name])
        rows[name] = deployed.until(ids[name], status)
    deployed.support.edit(ids["wrong"], {"subject": "Edited, not sent"}, "alice")
    calls = deployed.sandbox.get("/_sandbox/stats").json()["requests"]
    deployed.dispatch()
    deployed.settle(2)
    assert deployed.sandbox.get("/_sandbox/stats").json()["requests"] == calls
    for name, status in states.items():
        row = deployed.outbox.get(ids[name])
        assert row.status == status
        assert row.revision == rows[name].revision + (name == "wrong")


def test_a_scheduled_mail_goes_at_its_time_and_not_before(deployed):
    """It waits in plain sight, then leaves with the first dispatch after its time."""
    at = datetime.now(UTC) + timedelta(seconds=3)
    mail_id = deployed.outbox.enqueue(make_mail(), send_at=at).id
    while datetime.now(UTC) < at - timedelta(seconds=0.3):
        deployed.dispatch()
        status = deployed.outbox.get(mail_id).status
        # A slow call may have ended after the time had come.
        assert status == "WAITING" or datetime.now(UTC) > at
        time.sleep(0.2)
    deployed.until(mail_id, "SENT", nudge=deployed.dispatch)
    assert deployed.arrived()[0]["received_at"] >= at.timestamp() - 0.001


def test_a_429_is_tried_again_after_its_wait_without_blame(deployed):
    """It waits with the reason and the time, then goes; only the call that counted is counted."""
    deployed.fault("rate_limited", times=1, retry_after=5)
    mail_id = deployed.outbox.enqueue(make_mail()).id
    row = deployed.until(mail_id, "WAITING")
    assert (row.attempts, "429" in row.reason) == (0, True)
    asked = row.due_at
    row = deployed.until(mail_id, "SENT", nudge=deployed.dispatch)
    assert row.attempts == 1
    assert deployed.arrived()[0]["received_at"] >= asked.timestamp() - 0.001


@pytest.mark.parametrize(
    ("fault", "status", "arrives"),
    [
        ({"mode": "server_error", "status": 500}, "UNKNOWN", 0),
        ({"mode": "accept_then_error"}, "UNKNOWN", 1),
        ({"mode": "accept_then_reset"}, "UNKNOWN", 1),
        ({"mode": "reset"}, "UNKNOWN", 0),
        ({"mode": "unreadable"}, "UNKNOWN", 1),
        ({"mode": "refuse_address"}, "FAILED", 0),
        ({"mode": "unauthorized"}, "WAITING", 0),
        ({"mode": "forbidden"}, "WAITING", 0),
        ({"mode": "locked"}, "WAITING", 0),
        ({"mode": "redirect"}, "WAITING", 0),
        ({"mode": "rate_limited", "headers": False}, "WAITING", 0),
        ({"mode": "slow", "seconds": 1}, "SENT", 1),
    ],
)
def test_each_bad_day_of_the_api_ends_in_one_place(deployed, fault, status, arrives):
    """Whatever the API does, the mail is in exactly one place with a reason, and at most one went out."""
    deployed.fault(fault.pop("mode"), times=1, **fault)
    mail_id = deployed.outbox.enqueue(make_mail()).id
    row = deployed.until(mail_id, status)
    deployed.dispatch()
    deployed.settle(0.5)
    assert deployed.outbox.get(mail_id).status == status
    assert row.reason
    assert len(deployed.arrived()) == arrives
    assert (deployed.store.get(mail_id) is None) == (status == "SENT")


def test_a_row_broken_by_hand_is_explained_and_harms_no_other(deployed):
    """A missing field, an odd status and a body of 399 KB in one go; the good ones among them are sent."""
    base = {
        "status": "PENDING",
        "revision": 1,
        "sender": "a@example.com",
        "to": "b@example.com",
        "subject": "x",
        "text": "y",
    }
    rows = {
        "no-subject": {name: value for name, value in base.items() if name != "subject"},
        "odd-status": base | {"status": "SNED"},
        "number-status": base | {"status": 5},
        "cc-text": base | {"cc": "c@example.com"},
        "huge": base | {"text": "x" * 399 * 1024},
        "never-due": base | {"status": "WAITING"},
        "good": base,
        # An insert without a state is a new mail.
        "no-status": {name: value for name, value in base.items() if name not in {"status", "revision"}},
    }
    fields = {"no-subject": "subject", "odd-status": "status", "number-status": "status"}
    fields |= {"cc-text": "cc", "huge": "text", "never-due": "due_at"}
    for mail_id, row in rows.items():
        deployed.table.put_item(Item=row | {"id": mail_id})
    for mail_id in ("good", "no-status"):
        deployed.until(mail_id, "SENT")
    for mail_id, field in fields.items():
        assert field in deployed.until(mail_id, "FAILED").reason
    assert len(deployed.arrived()) == 2


def test_a_mail_in_the_applications_own_transaction(deployed):
    """Order and mail are written together or not at all, with both kinds of boto3 clients; a duplicate is told."""
    resource = boto3.resource("dynamodb", **deployed.stack.boto3_arguments)
    if "orders" not in deployed.dynamodb.list_tables()["TableNames"]:
        deployed.dynamodb.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    clients = {False: deployed.dynamodb, True: resource.meta.client}
    for plain, client in clients.items():
        name = f"order-{'resource' if plain else 'client'}-{time.time_ns()}"

        def order(name=name, plain=plain, condition="attribute_not_exists(id)"):
            item = {"id": name} if plain else {"id": {"S": name}}
            return {"Put": {"TableName": "orders", "Item": item, "ConditionExpression": condition}}

        mail = make_mail(subject=name, attachments=[Attachment("a.txt", b"\x00x")], insert_code={"a": "b"})
        entries = deployed.outbox.entries(mail, idempotency_key=name, resource=plain)
        client.transact_write_items(TransactItems=[order(), *entries])
        assert deployed.until(entries.id, "SENT").mail() == mail

        again = [order(condition="attribute_exists(id)"), *entries]
        with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
            client.transact_write_items(TransactItems=again)
        receipt = deployed.outbox.duplicate(cancelled.value, again, entries)
        assert (receipt.id, receipt.status, receipt.duplicate) == (name, "SENT", True)

        other = deployed.outbox.entries(mail.but(subject="Other"), idempotency_key=name, resource=plain)
        conflicting = [*other, order(condition="attribute_exists(id)")]
        with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
            client.transact_write_items(TransactItems=conflicting)
        with pytest.raises(KeyConflict, match="subject"):
            deployed.outbox.duplicate(cancelled.value, conflicting, other)

        fresh = deployed.outbox.entries(mail, resource=plain)
        refused = [order(), *fresh]
        with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
            client.transact_write_items(TransactItems=refused)
        assert deployed.outbox.duplicate(cancelled.value, refused, fresh) is None
        assert deployed.store.get(fresh.id) is None
    assert len(deployed.arrived()) == 2


def test_no_log_line_of_a_function_holds_an_address_or_a_body(deployed):
    """What the functions logged over all the tests before, and now, names nobody."""
    refuse_wrong(deployed)
    secret = "The password is hunter2"
    failed = deployed.outbox.enqueue(make_mail(to="wrong@example.com", subject=secret, text=secret)).id
    deployed.until(failed, "FAILED")
    deployed.until(deployed.outbox.enqueue(make_mail(text=secret)).id, "SENT")
    logs = deployed.stack.client("logs")
    lines = []
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            lines += [event["message"] for event in page["events"]]
    assert any("mail.tried" in line for line in lines)
    for line in lines:
        assert "hunter2" not in line
        assert "@example.com" not in line.replace("***@example.com", "")
        assert "Bearer" not in line
    assert all(json.loads(line)["event"] for line in lines if line.startswith("{"))

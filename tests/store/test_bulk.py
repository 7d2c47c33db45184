"""Many mails on each store, and on a bad day of DynamoDB played through the SDK."""

import json
import random

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from outbox import Draft, KeyConflict, NotWritten, Outbox
from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from tests.conftest import make_mail
from tests.store.test_faults import Fault


def mails(count):
    return [make_mail(subject=f"{n}") for n in range(count)]


def there(outbox, told):
    """Give the subjects of what the receipts say is there, as the store has it."""
    return [outbox.get(each.receipt.id).item["subject"] for each in told if each.receipt]


def stored(store):
    """Count the rows of the outbox."""
    count, cursor = 0, None
    while True:
        page = store.every("outbox", 1000, cursor)
        count, cursor = count + len(page.items), page.cursor
        if cursor is None:
            return count


def test_all_are_there_in_order(store):
    """Batches, also one that is not full."""
    outbox = Outbox(store=store)
    told = list(outbox.enqueue_many(mails(60), threads=4))
    assert there(outbox, told) == [f"{n}" for n in range(60)]
    assert stored(store) == 60


def test_keys_are_written_under_their_condition(store):
    """Twice the same input: each once; another mail under a key of before is a conflict."""
    outbox = Outbox(store=store)
    given = [Draft(mail, f"k{n}") for n, mail in enumerate(mails(20))]
    assert outbox.enqueue_many(given, threads=4).run().written == 20
    again = outbox.enqueue_many([*given, Draft(make_mail(subject="other"), "k3")], threads=4).run()
    assert (again.written, again.duplicates, again.failed) == (0, 20, 1)
    assert isinstance(again.failures[0].error, KeyConflict)
    assert stored(store) == 20


@pytest.mark.stack
@pytest.mark.parametrize("seed", range(3))
def test_leftovers_throttling_and_lost_answers_at_random_leave_each_row_once(embedded, seed):
    """DynamoDB takes part of a batch, refuses some, answers others with 500, loses answers: all in the end, once."""
    chance = random.Random(seed)

    def before(request, **_):
        if (dice := chance.random()) > 0.3:
            return None
        body = json.loads(request.body)["RequestItems"]
        if dice < 0.1:
            return _answer(request, 400, {"__type": "x#ProvisionedThroughputExceededException", "message": "x"})
        if dice < 0.2:
            return _answer(request, 500, {"__type": "x#InternalServerError", "message": "x"})
        return _answer(request, 200, {"UnprocessedItems": body})

    def after(**_):
        if chance.random() < 0.1:
            raise ConnectionResetError

    events = embedded.client.meta.events
    events.register("before-send.dynamodb.BatchWriteItem", before)
    events.register("after-call.dynamodb.BatchWriteItem", after)
    outbox = Outbox(store=embedded)
    told = list(outbox.enqueue_many(mails(200), threads=4))
    assert there(outbox, told) == [f"{n}" for n in range(200)]
    assert stored(embedded) == 200


@pytest.mark.stack
@pytest.mark.parametrize(
    ("code", "status", "certain"),
    [
        ("AccessDeniedException", 400, True),
        ("ResourceNotFoundException", 400, True),
        ("InternalServerError", 500, False),
    ],
)
def test_a_table_that_refuses_says_so_at_each_mail(embedded, code, status, certain):
    """The real answers of the SDK are told apart: refused is certain, a 500 is not."""
    for operation in ("BatchWriteItem", "TransactWriteItems"):
        Fault(embedded, operation, 10_000).answer(code, status)
    given = [*mails(2), Draft(make_mail(), "k")]
    bulk = Outbox(store=embedded).enqueue_many(given, deadline=3).run()
    assert [(type(each.error), each.error.certain) for each in bulk.failures] == [(NotWritten, certain)] * 3
    assert stored(embedded) == 0


def _answer(request, status, body):
    response = AWSResponse(request.url, status, {}, None)
    response._content = json.dumps(body).encode()
    return response


@pytest.mark.parametrize(("table", "calls"), [("outbox", 1), ("orders", 3)])
def test_the_sdk_repeats_no_batch_of_ours(table, calls):
    """A batch that may have been written is not written again without a condition; other tables keep their tries."""
    with mock_aws():
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = aws.dynamodb(boto3.Session(**keys))
        DynamoStore(client, "outbox", "history")
        sent = []

        def silent(request, **_):
            sent.append(request)
            raise ReadTimeoutError(endpoint_url="x")

        client.meta.events.register("before-send.dynamodb.BatchWriteItem", silent)
        with pytest.raises(ReadTimeoutError):
            client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"id": {"S": "a"}}}}]})
        assert len(sent) == calls


def test_a_throttled_batch_is_ours_to_repeat():
    """The SDK gives its answer at once; what the table had no room for is known not to be written."""
    with mock_aws():
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = aws.dynamodb(boto3.Session(**keys))
        store = DynamoStore(client, "outbox", "history")
        sent = []

        def throttle(request, **_):
            sent.append(request)
            answer = AWSResponse(request.url, 400, {}, None)
            answer._content = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "x"}'
            return answer

        client.meta.events.register_first("before-send.dynamodb.BatchWriteItem", throttle)
        with pytest.raises(ClientError, match="ThrottlingException"):
            store.add_all([{"id": "a"}])
        assert len(sent) == 1

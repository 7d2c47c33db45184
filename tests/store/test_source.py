"""A copy of a table is read whole, once, in parallel segments; what is no copy is refused before anything is read."""

import json
import threading
import time

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from outbox.adapters.batch_read import TablesBusy
from outbox.adapters.dynamodb import DynamoStore
from outbox.adapters.source import Source, is_throttled
from outbox.adapters.wire import to_wire
from outbox.core import clock, transitions
from outbox.core.errors import InvalidRequest
from outbox.core.transitions import Stamp
from outbox.flows.restore import IntoOutbox
from outbox.flows.segments import Report, Walk
from outbox.testing.source import MemorySource
from tests.conftest import make_mail
from tests.store import tables
from tests.store.test_contract import ODD

HASH = {"AttributeName": "id", "KeyType": "HASH"}
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
KEYS = {"aws_access_key_id": "111111111119", "aws_secret_access_key": "y", "region_name": "us-east-1"}


def table(client, name, keys=(HASH,), kind="S"):
    """Make a table, with the keys of an outbox unless said."""
    client.create_table(
        TableName=name,
        KeySchema=list(keys),
        AttributeDefinitions=[{"AttributeName": key["AttributeName"], "AttributeType": kind} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture(params=["moto", pytest.param("embedded", marks=pytest.mark.stack)])
def client(request):
    """Give a client of an AWS with both live tables and an empty copy."""
    if request.param == "moto":
        with mock_aws():
            made = boto3.client("dynamodb", config=ONCE, **KEYS)
            tables.create(made)
            table(made, "copy")
            yield made
        return
    stack = request.getfixturevalue("local_stack")
    account = {**KEYS, "aws_access_key_id": f"{time.time_ns() % 10**12:012}"}
    made = boto3.client("dynamodb", config=ONCE, endpoint_url=stack.info.aws_endpoint_url, **account)
    tables.create(made)
    table(made, "copy")
    yield made


@pytest.fixture
def source(client, monkeypatch):
    """Give the copy, whose pauses are short."""
    monkeypatch.setattr("outbox.adapters.source.FIRST_PAUSE", 0.0001)
    monkeypatch.setattr("outbox.adapters.source.LONGEST_PAUSE", 0.001)
    return Source(client, "copy", "outbox", "history")


def fill(client, rows):
    """Put rows into the copy; give them by id."""
    for item in rows:
        client.put_item(TableName="copy", Item=to_wire(item))
    return {item["id"]: item for item in rows}


@pytest.mark.parametrize("segments", [1, 3, 8])
def test_each_row_is_read_once(client, source, segments):
    """All segments together give every row, as it was, in pages no larger than asked for; so does memory."""
    there = fill(client, [{"id": f"m-{number}", **ODD} for number in range(60)])

    for each in (source, MemorySource(there)):
        pages = [page for number in range(segments) for page in each.pages(number, segments, 7)]
        read = [item for page in pages for item in page]
        assert max(map(len, pages)) <= 7
        assert len(read) == 60
        assert {item["id"]: item for item in read} == there


def test_an_empty_table(source):
    """A table without rows is a copy like any other."""
    assert source.check() == 0
    assert [item for number in range(8) for page in source.pages(number, 8, 100) for item in page] == []


def test_rows_of_400_kb(client, source):
    """Pages end at 1 MB, and the next one goes on behind it."""
    fill(client, [{"id": f"m-{number}", "text": "x" * 400_000} for number in range(8)])
    assert sum(map(len, source.pages(0, 1, 100))) == 8


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_stopped_source_ends(client, source, stopped):
    """Once stopped no further page is read."""
    there = fill(client, [{"id": f"m-{number}"} for number in range(20)])
    for each in (source, MemorySource(there)):
        pages = each.pages(0, 1, 5)
        read = [next(pages) for _ in range(stopped)]
        each.stop.set()
        assert read + list(pages) == read


def test_good_copies(client):
    """A copy is named as people name it, or by its ARN; it needs no index and no stream."""
    arn = client.describe_table(TableName="copy")["Table"]["TableArn"]
    for named in ("copy", arn):
        source = Source(client, named, "outbox", "history")
        assert (source.check(), source.name) == (0, "copy")


def test_what_is_no_copy_is_refused(client):
    """Each wrong table is refused with what is wrong with it; the live ones by name and by ARN."""
    ranged = {"AttributeName": "at", "KeyType": "RANGE"}
    table(client, "ranged", (HASH, ranged))
    table(client, "named", ({"AttributeName": "email", "KeyType": "HASH"},))
    table(client, "numbered", kind="N")
    arns = {name: client.describe_table(TableName=name)["Table"]["TableArn"] for name in ("outbox", "history", "copy")}
    account = arns["copy"].split(":")[4]
    wrong = {
        "missing": "there is no table missing in us-east-1",
        "outbox": "is the live outbox itself",
        "history": "is the live history itself",
        arns["outbox"]: "is the live outbox itself",
        arns["history"]: "is the live history itself",
        arns["copy"].replace("us-east-1", "eu-west-1"): "another region or account",
        arns["copy"].replace(account, "999999999999"): "another region or account",
        "ranged": r"its key is id \(HASH\), at \(RANGE\), not id",
        "named": r"its key is email \(HASH\)",
        "numbered": "not id",
    }
    for named, said in wrong.items():
        with pytest.raises(InvalidRequest, match=said):
            Source(client, named, "outbox", "history").check()


@pytest.mark.parametrize(
    "name", ["", "a", "a b", "arn:aws:s3:::bucket", "arn:aws:dynamodb:us-east-1:1:table/x/index/y"]
)
def test_what_is_no_name_of_a_table(client, name):
    """What cannot be a table is refused without asking AWS."""
    with pytest.raises(InvalidRequest, match="neither the name nor the ARN"):
        Source(client, name, "outbox", "history")


def test_a_table_that_is_still_being_restored(client, source):
    """A copy that is not ready is to be waited for."""

    def creating(parsed, params, **_):
        if params.get("TableName", "copy") and parsed["Table"]["TableName"] == "copy":
            parsed["Table"]["TableStatus"] = "CREATING"

    client.meta.events.register("after-call.dynamodb.DescribeTable", lambda parsed, **_: creating(parsed, {}))
    with pytest.raises(InvalidRequest, match="is CREATING, not ACTIVE; wait"):
        source.check()


class Throttle:
    """Answers calls of some operations with a throttle, as long as it is asked to; notes the limits of scans."""

    def __init__(self, client, *operations, times=10**9, code="ProvisionedThroughputExceededException"):
        self.left, self.code, self.limits, self.lock = times, code, [], threading.Lock()
        for operation in operations:
            client.meta.events.register(f"before-send.dynamodb.{operation}", self.answer)

    def answer(self, request, **_):
        self.limits.append(json.loads(request.body).get("Limit"))
        with self.lock:
            self.left -= 1
            if self.left < 0:
                return None
        response = AWSResponse(request.url, 400, {}, None)
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{self.code}", "message": "slow down"}
        response._content = json.dumps(body).encode()
        return response


def test_throttled_pages_shrink_and_grow_again(client, source):
    """Where the table has no more to give, smaller pages are asked for, until it has."""
    fill(client, [{"id": f"m-{number:03}"} for number in range(60)])
    throttle = Throttle(client, "Scan", times=3)

    assert sum(map(len, source.pages(0, 1, 16))) == 60
    assert throttle.limits[:6] == [16, 8, 4, 2, 4, 8]
    assert throttle.limits[-1] == 16


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_throttled_throughout(client, source, code):
    """After a minute of patience it is AWS that is told to be at fault."""
    throttle = Throttle(client, "Scan", code=code)
    with pytest.raises(ClientError, match="slow down"):
        next(source.pages(0, 1, 100))
    assert len(throttle.limits) == 14


def test_a_stop_ends_the_patience(client, source):
    """Nobody waits for a table after Ctrl-C."""
    throttle = Throttle(client, "Scan")
    calls = source.pages(0, 1, 100)
    client.meta.events.register("before-send.dynamodb.Scan", lambda **_: source.stop.set())
    with pytest.raises(ClientError):
        next(calls)
    assert len(throttle.limits) == 1


def test_tables_too_busy_for_some_keys_are_waited_for_as_well(source):
    """What is asked of the live tables meanwhile may be throttled for longer than one read has patience."""
    answers = iter([TablesBusy(), TablesBusy()])

    def call():
        if error := next(answers, None):
            raise error
        return "read"

    assert source.steadily(call) == "read"


def test_what_is_no_throttle_is_raised(source):
    """An error that no patience mends is raised at once."""
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Scan")
    calls = []

    def call():
        calls.append(1)
        raise denied

    with pytest.raises(ClientError, match="AccessDenied"):
        source.steadily(call)
    assert len(calls) == 1


def test_a_failed_condition_beside_a_throttle_is_no_throttle():
    """A condition that failed is an answer; a transaction that was only throttled is none."""
    for codes, throttled in (
        (["None", "ThrottlingError"], True),
        (["ConditionalCheckFailed", "ThrottlingError"], False),
    ):
        reasons = [{"Code": code} for code in codes]
        response = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        assert is_throttled(ClientError(response, "TransactWriteItems")) is throttled


# moto is not made for threads.
@pytest.mark.parametrize("client", [pytest.param("embedded", marks=pytest.mark.stack)], indirect=True)
def test_throttled_writes_and_looks_do_not_lose_a_row(client, source):
    """Restored from a table into tables that throttle: every row arrives once, and the second run finds it so."""
    made = [transitions.new(make_mail(), f"m-{number:03}", Stamp(clock.now(), "app")) for number in range(40)]
    fill(client, made)
    for operation in ("Scan", "BatchGetItem", "TransactWriteItems"):
        Throttle(client, operation, times=10)
    report = Report()

    Walk(source, segments=2)(
        IntoOutbox(DynamoStore(client, "outbox", "history"), clock.now, "copy", "alice", go=True), report
    )

    rows = client.scan(TableName="outbox", ConsistentRead=True)["Items"]
    assert {row["id"]["S"] for row in rows} == {item["id"] for item in made}
    assert {row["status"]["S"] for row in rows} == {"HELD"}
    again, second = Source(client, "copy", "outbox", "history"), Report()
    Walk(again)(IntoOutbox(DynamoStore(client, "outbox", "history"), clock.now, "copy", "alice", go=True), second)
    assert (report.counts["arrives"], second.counts["same"]) == (40, 40)


def test_a_table_with_a_stream_is_not_silenced(client):
    """It may be the live outbox of another stack; reading it is harmless."""
    client.update_table(TableName="copy", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    source = Source(client, "copy", "outbox", "history")
    assert source.check() == 0
    with pytest.raises(InvalidRequest, match="has a stream"):
        source.check(to_be_changed=True)

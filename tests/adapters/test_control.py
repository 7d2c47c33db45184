"""Items that are asked for together are read in one call."""

import json
from collections import Counter

import boto3
import pytest

from outbox.adapters import aws
from outbox.adapters.control import DynamoRegister
from outbox.adapters.wire import from_wire, to_wire
from tests.bench.wired import JSON, _Body


class Table:
    """A table that counts its calls, and fails as it is told."""

    def __init__(self) -> None:
        self.items, self.calls, self.fails = {}, Counter(), False
        client = aws.dynamodb(boto3.Session("none", "none", region_name="us-east-1"))
        client.meta.events.register("before-send.dynamodb.*", self._answer)
        self.register = DynamoRegister(client, "control")

    def _answer(self, request, **_):
        from botocore.awsrequest import AWSResponse

        target = request.headers["X-Amz-Target"]
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        self.calls[name] += 1
        if self.fails:
            said = b'{"__type": "AccessDeniedException"}'
            return AWSResponse(request.url, 400, JSON, _Body(said))
        asked = json.loads(request.body)
        if name == "GetItem":
            item = self.items.get(from_wire(asked["Key"])["id"])
            said = {"Item": to_wire(item)} if item else {}
        else:
            keys = [from_wire(key)["id"] for key in asked["RequestItems"]["control"]["Keys"]]
            there = [to_wire(self.items[key]) for key in keys if key in self.items]
            said = {"Responses": {"control": there}, "UnprocessedKeys": {}}
        return AWSResponse(request.url, 200, JSON, _Body(json.dumps(said).encode()))


@pytest.fixture
def table():
    table = Table()
    table.items |= {name: {"id": name, "n": 1} for name in ("switch", "rate", "lease")}
    return table


def test_items_that_are_asked_for_together_are_read_in_one_call(table):
    """Each is given once; whoever asks again reads it as it is then."""
    table.register.read_together("switch", "rate")
    assert not table.calls, "nothing is read before somebody asks"
    assert table.register.get("switch") == table.register.get("rate") == {"n": 1}
    assert table.calls == {"BatchGetItem": 1}
    table.items["switch"]["n"] = table.items["rate"]["n"] = 2
    assert table.register.get("switch") == table.register.get("rate") == {"n": 2}
    assert table.calls == {"BatchGetItem": 1, "GetItem": 2}


def test_an_item_that_is_not_there_is_read_together_with_the_others_too(table):
    """Nobody has paused anything yet, and no slot was booked."""
    table.items.clear()
    table.register.read_together("switch", "rate")
    assert table.register.get("switch") is table.register.get("rate") is None
    assert table.calls == {"BatchGetItem": 1}


def test_what_nobody_asked_for_is_not_given_to_the_next_invocation(table):
    """A function may be frozen in between."""
    table.register.read_together("switch", "rate")
    table.register.get("switch")
    table.items["rate"]["n"] = 2
    table.register.read_together()
    assert table.register.get("rate") == {"n": 2}
    assert table.calls == {"BatchGetItem": 1, "GetItem": 1}


def test_an_item_of_another_name_is_read_by_itself(table):
    """It may be asked for much later."""
    table.register.read_together("switch", "rate")
    assert table.register.get("lease") == {"n": 1}
    assert table.calls == {"GetItem": 1}


def test_a_call_that_failed_is_not_taken_for_items_that_are_not_there(table):
    """Who asks is told, and the next one asks again."""
    table.register.read_together("switch", "rate")
    table.fails = True
    with pytest.raises(Exception, match="AccessDenied"):
        table.register.get("switch")
    table.fails = False
    assert table.register.get("switch") == table.register.get("rate") == {"n": 1}

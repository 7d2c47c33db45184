"""How units are counted: writes as DynamoDB tells them, reads by the size of what came back."""

from collections import Counter
from types import SimpleNamespace

import pytest

from outbox.adapters.wire import to_wire
from tests.bench.counted import Counted


class Events:
    """Keeps the handlers a client would call."""

    def __init__(self):
        self.handlers = {}

    def register(self, name, handler):
        self.handlers[name] = handler

    def happen(self, operation, asked, answer):
        context, model = {}, SimpleNamespace(name=operation)
        self.handlers["before-parameter-build.dynamodb.*"](params=asked, model=model, context=context)
        self.handlers["after-call.dynamodb.*"](parsed=answer, model=model, context=context)
        return asked


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def counted(events):
    return Counted(SimpleNamespace(meta=SimpleNamespace(events=events)))


def row(size):
    """Make a row of so many bytes, by DynamoDB's count."""
    return to_wire({"id": "x" * (size - 2)})


def test_every_request_asks_for_indexes_too(events, counted):
    """Without asking, nothing is told."""
    asked = events.happen("PutItem", {"TableName": "t"}, {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.0}})
    assert asked["ReturnConsumedCapacity"] == "INDEXES"


def test_a_write_is_told_apart_by_table_and_index(events, counted):
    """The table's share is what its indexes leave, whether AWS tells it or not."""
    index = {"due": {"CapacityUnits": 2.0}}
    consumed = {"TableName": "t", "CapacityUnits": 5.0, "GlobalSecondaryIndexes": index}
    with counted.step("claim"):
        events.happen("TransactWriteItems", {}, {"ConsumedCapacity": [consumed]})
    assert counted.write == {"claim": Counter({"t": 3.0, "t/due": 2.0})}


@pytest.mark.parametrize(("size", "units"), [(10, 1), (4096, 1), (4097, 2), (20_000, 5)])
def test_a_read_is_counted_in_started_four_kilobytes(events, counted, size, units):
    """Half of it where consistency was not asked for, as an index never gives it."""
    events.happen("GetItem", {"TableName": "t", "ConsistentRead": True}, {"Item": row(size)})
    events.happen("Query", {"TableName": "t", "IndexName": "due"}, {"Items": [row(size)]})
    assert counted.read == {"other": Counter({"t": units, "t/due": units / 2})}


def test_what_is_not_there_costs_a_read(events, counted):
    """One unit each, asked for alone or in a batch."""
    events.happen("GetItem", {"TableName": "t", "ConsistentRead": True}, {})
    keys = {"Keys": [{}, {}], "ConsistentRead": True}
    events.happen("BatchGetItem", {"RequestItems": {"t": keys}}, {"Responses": {"t": [row(10)]}})
    assert counted.read == {"other": Counter({"t": 3})}
    assert counted.calls == {"GetItem": 1, "BatchGetItem": 1}

"""What DynamoDB says each call of a client consumed, by table and index.

    counted = Counted(client)       # asks for the figures in every request the client makes from now on
    with counted.step("claim"):
        ...
    counted.write["claim"]["outbox"], counted.write["claim"]["outbox/due"]

The embedded AWS counts writes as AWS does: a started KB is a unit; a transaction costs two of them for each item on the
table and one on its indexes; an index entry costs one when it comes, goes or changes and two when its key changes (the
old one goes, a new one comes). Reads it counts by the call, whatever their size, so those are counted here from what
came back, by the developer guide's rule: a started 4 KB is a unit, half of one where consistency was not asked for.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from outbox.adapters.wire import from_wire
from outbox.testing import item_size

KB = 1024
READS = {"GetItem", "BatchGetItem", "Query"}
Units = dict[str, Counter[str]]


class Counted:
    """Counts the units of a client's calls by step and place, and its calls by operation."""

    def __init__(self, client: Any) -> None:
        self.now = "other"
        self.write: Units = defaultdict(Counter)
        self.read: Units = defaultdict(Counter)
        self.calls, self.entries = Counter[str](), Counter[str]()
        self._asked: dict[str, Any] = {}
        client.meta.events.register("before-parameter-build.dynamodb.*", self._ask)
        client.meta.events.register("after-call.dynamodb.*", self._note)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what the block does under a name."""
        before, self.now = self.now, name
        try:
            yield
        finally:
            self.now = before

    def _ask(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_more: Any) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"
        context["asked"] = params

    def _note(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_more: Any) -> None:
        name = model.name
        self.calls[name] += 1
        if name in READS:
            for place, units, entries in _read(name, context["asked"], parsed):
                self.read[self.now][place] += units
                self.entries[place] += entries
            return
        consumed = parsed.get("ConsumedCapacity", [])
        for each in [consumed] if isinstance(consumed, dict) else consumed:
            self.write[self.now].update(_written(each))


def _written(consumed: Mapping[str, Any]) -> dict[str, float]:
    """Give the units of a write by table and index."""
    table = consumed["TableName"]
    indexes = {
        f"{table}/{index}": units["CapacityUnits"]
        for index, units in consumed.get("GlobalSecondaryIndexes", {}).items()
    }
    return {table: consumed["CapacityUnits"] - sum(indexes.values()), **indexes}


def _read(name: str, asked: Mapping[str, Any], parsed: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Give place, units and entries of a read, by the size of what came back."""
    if name == "BatchGetItem":
        for table, keys in asked["RequestItems"].items():
            items = parsed.get("Responses", {}).get(table, [])
            missing = len(keys["Keys"]) - len(items)
            units = sum(_units([item], consistent=keys.get("ConsistentRead", False)) for item in items)
            yield table, units + missing * _units([], consistent=keys.get("ConsistentRead", False)), len(items)
        return
    items = parsed.get("Items", [parsed["Item"]] if "Item" in parsed else [])
    place = "/".join(filter(None, (asked["TableName"], asked.get("IndexName"))))
    yield place, _units(items, consistent=asked.get("ConsistentRead", False)), len(items)


def _units(items: Iterable[Mapping[str, Any]], *, consistent: bool) -> float:
    # What is not there costs what the smallest item does.
    size = sum(item_size(from_wire(item)) for item in items)
    return max(1, math.ceil(size / (4 * KB))) * (1.0 if consistent else 0.5)

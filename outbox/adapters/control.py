"""The small items that all workers share, in a table of their own: rate, switch, leases."""

import secrets
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from outbox.adapters.answers import items_there, patiently
from outbox.adapters.batch_read import read_batch
from outbox.adapters.wire import Expression, from_wire, to_wire
from outbox.core.change import ABSENT, Expect
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class DynamoRegister:
    """Items by name, changed by compare and swap; threads may share it."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table
        self._lock = threading.Lock()
        self._together: tuple[str, ...] = ()
        self._read: dict[str, Item | None] = {}

    def read_together(self, *names: str) -> None:
        """Read these items in one call when one of them is asked for; each other is then given once as it was.

        For items that are asked for right after one another. An older one does no harm: a swap is not won with it.
        """
        with self._lock:
            self._together, self._read = names, {}

    def get(self, name: str) -> Item | None:
        """Read an item as it is now, or was when another was read together with it; None if there is none."""
        with self._lock:
            if name in self._together:
                names, self._together = self._together, ()
                self._read = self._all(names)
            if name in self._read:
                return self._read.pop(name)
        return self._one(name)

    def _all(self, names: Iterable[str]) -> dict[str, Item | None]:
        keys = [(self._table, to_wire({"id": name})) for name in names]
        found = patiently(lambda: read_batch(self._client, keys, time.sleep))[self._table]
        return dict.fromkeys(names) | {item["id"]: _bare(item) for item in found}

    def _one(self, name: str) -> Item | None:
        key = to_wire({"id": name})
        answer = patiently(lambda: self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True))
        return _bare(from_wire(answer["Item"])) if "Item" in answer else None

    def swap(self, name: str, seen: Item | None, new: Item) -> tuple[bool, Item | None]:
        """Write an item if it is still as seen; tell whether it was written, and the item as it is now."""
        ours = {**new, "id": name, "nonce": secrets.token_hex(8)}
        expression = Expression()
        condition = f"attribute_not_exists({expression.name('id')})"
        if seen is not None:
            wanted = {key: seen.get(key, ABSENT) for key in {*seen, *ours} - {"id"}}
            condition = expression.condition(Expect(wanted))
        request: Any = {
            "TableName": self._table,
            "Item": to_wire(ours),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments(),
        }
        try:
            patiently(lambda: self._client.put_item(**request))
        except ClientError as error:
            there = items_there(error)[0]
            # The nonce tells our own write, whose answer was lost, from another's of the same content.
            won = there is not None and there.get("nonce") == ours["nonce"]
            return won, _bare(there) if there is not None else None
        return True, _bare(ours)


def _bare(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != "id"}

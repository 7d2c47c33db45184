"""The small items that all workers share, in a table of their own: rate, switch, leases."""

import secrets
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from outbox.adapters.answers import items_there, patiently
from outbox.adapters.wire import Expression, from_wire, to_wire
from outbox.core.change import ABSENT, Expect
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class DynamoRegister:
    """Items by name, changed by compare and swap."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def get(self, name: str) -> Item | None:
        """Read an item as it is now; None if there is none."""
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

"""Bounces in the history table and the suppression list in its own; a bounce and its entry are written in one step."""

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from outbox.adapters.answers import items_there, patiently
from outbox.adapters.batch_read import read_batch
from outbox.adapters.wire import Expression, cursor_of, from_wire, key_of, to_wire
from outbox.core import suppression
from outbox.core.change import ABSENT
from outbox.core.errors import InvalidRequest, Lost
from outbox.core.message import Message
from outbox.core.ports import Page
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class DynamoSuppressions:
    """Entries by address, changed by compare and swap; one client serves all threads."""

    def __init__(self, client: "DynamoDBClient", table: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._client, self._table, self._pause = client, table, pause

    def look(self, emails: Collection[str]) -> Mapping[str, Item]:
        """Read the entries of some addresses, as they are now; an error of AWS is raised."""
        keys = [(self._table, to_wire({"email": email})) for email in sorted(set(emails))]
        return {entry["email"]: entry for entry in read_batch(self._client, keys, self._pause).get(self._table, [])}

    def get(self, email: str) -> Item | None:
        """Read the entry of an address as it is now; None if there is none."""
        key = to_wire({"email": email})
        answer = patiently(lambda: self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True))
        return from_wire(answer["Item"]) if "Item" in answer else None

    def swap(self, email: str, seen: Item | None, new: Item | None) -> bool:
        """Write an entry (None: delete it) if it is still as seen; tell whether that was so."""
        nonce = secrets.token_hex(8)
        try:
            if new is None:
                request = self._guarded(seen) | {"Key": to_wire({"email": email})}
                patiently(lambda: self._client.delete_item(**request))
            else:
                put = self.put({**new, "email": email, "nonce": nonce}, seen)
                patiently(lambda: self._client.put_item(**put))
        except ClientError as error:
            there = items_there(error)[0]
            # What is there may be our own write whose answer was lost; an entry that is gone is gone.
            return there is None if new is None else there is not None and there.get("nonce") == nonce
        return True

    def put(self, entry: Item, seen: Item | None) -> Any:  # noqa: ANN401  a request
        """Give the request that writes an entry if it is still as seen; for a transaction too."""
        return self._guarded(seen) | {"Item": to_wire(entry)}

    def page(self, limit: int, cursor: str | None = None) -> Page:
        """List entries, in no order. Raises `InvalidRequest` for a cursor that is none."""
        start: Any = {"ExclusiveStartKey": _start(cursor)} if cursor else {}
        answer = patiently(lambda: self._client.scan(TableName=self._table, Limit=limit, **start))
        return Page([from_wire(item) for item in answer["Items"]], cursor_of(answer.get("LastEvaluatedKey")))

    def _guarded(self, seen: Item | None) -> Any:  # noqa: ANN401  a request
        expression = Expression()
        key = expression.name("email")
        parts = [f"attribute_{'not_' if seen is None else ''}exists({key})"]
        for name, value in suppression.unchanged(seen).equals.items() if seen is not None else ():
            absent = value is ABSENT
            named = expression.name(name)
            parts.append(f"attribute_not_exists({named})" if absent else f"{named} = {expression.value(value)}")
        return {
            "TableName": self._table,
            "ConditionExpression": " AND ".join(parts),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments(),
        }


class DynamoBounces:
    """Writes bounces into the history table, each once; one client serves all threads."""

    def __init__(self, client: "DynamoDBClient", history_table: str, suppression_table: str) -> None:
        self._client, self._history = client, history_table
        self._suppressions = DynamoSuppressions(client, suppression_table)

    def record(self, bounces: Sequence[Item], entry: tuple[Item | None, Item] | None) -> AbstractSet[str]:
        """Write bounces down once, in one step with the entry of their address; give those that were there already.

        Raises `Lost`, `TooLarge`.
        """
        nonce = secrets.token_hex(8)
        puts = [self._put({**bounce, "nonce": nonce}) for bounce in bounces]
        try:
            self._write(puts, self._suppressions.put({**entry[1], "nonce": nonce}, entry[0]) if entry else None)
        except ClientError as error:
            there = [*items_there(error), None][: len(bounces) + 1]
            known = {str(item["id"]) for item in there[: len(bounces)] if item and item.get("nonce") != nonce}
            # The nonce tells our own write, whose answer was lost, from the same events of another call.
            ours = any(item and item.get("nonce") == nonce for item in there[: len(bounces)])
            if not known and not ours:
                raise Lost(there[-1] if len(there) > len(bounces) else None) from error
            return known
        return set()

    def _put(self, bounce: Item) -> Any:  # noqa: ANN401  a request
        return {
            "TableName": self._history,
            "Item": to_wire(bounce),
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _write(self, puts: Sequence[Any], entry: Any) -> None:  # noqa: ANN401  requests
        if entry is None and len(puts) == 1:
            patiently(lambda: self._client.put_item(**puts[0]))
            return
        # Our own token makes the SDK's retries, and ours, one and the same request (valid for ten minutes).
        token = str(uuid4())
        entries: list[Any] = [{"Put": put} for put in (*puts, *([entry] if entry else []))]
        patiently(lambda: self._client.transact_write_items(TransactItems=entries, ClientRequestToken=token))


def _start(cursor: str) -> dict[str, Any]:
    try:
        return key_of(cursor)
    except (ValueError, TypeError) as error:
        raise InvalidRequest(Message("request.cursor", cursor=repr(cursor[:20]))) from error

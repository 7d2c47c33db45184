"""The outbox and history tables in DynamoDB: every write one conditional step, said why when it fails.

What AWS really answers, and what the SDK retries by itself, is in the developer guide under «Working with
transactions» and in botocore's standard retry mode: a cancelled transaction is never retried there, so it is here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from outbox.adapters.answers import items_there, patiently, reasons_of
from outbox.adapters.wire import Expression, Wire, cursor_of, from_wire, key_of, plain, to_wire
from outbox.core import clock, places
from outbox.core.change import Expect, Patch
from outbox.core.errors import AlreadyThere, InvalidRequest, Lost
from outbox.core.ports import NEVER, Due, Page
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

BATCH_GET = 100


class DynamoStore:
    """Keeps rows in two tables; one client serves all threads."""

    def __init__(self, client: "DynamoDBClient", outbox_table: str, history_table: str) -> None:
        self.client, self.outbox, self.history = client, outbox_table, history_table

    def add(self, item: Item, *, once: bool) -> None:
        """Write a new row; with `once` the id must also be unused in history. Raises `AlreadyThere`, `TooLarge`."""
        entries = new_entries(item, self.outbox, self.history, once=once)
        try:
            if once:
                self._transact(entries)
            else:
                patiently(lambda: self.client.put_item(**entries[0]["Put"]))
        except ClientError as error:
            row, finished, *_ = [*items_there(error), None, None]
            if row is not None and _same_write(row, item):
                return
            raise AlreadyThere(row, finished) from error

    def get(self, mail_id: str) -> Item | None:
        """Read a row of the outbox as it is now."""
        return self._read(self.outbox, mail_id)

    def get_finished(self, mail_id: str) -> Item | None:
        """Read a row of history as it is now."""
        return self._read(self.history, mail_id)

    def update(self, mail_id: str, expect: Expect, patch: Patch) -> Item:
        """Change a row if it is as expected and give it as it is then. Raises `Lost`, `TooLarge`."""
        return self._update(self.outbox, mail_id, expect, patch)

    def annotate(self, mail_id: str, patch: Patch) -> None:
        """Change a row of history. Raises `Lost` if there is none."""
        self._update(self.history, mail_id, Expect(), patch)

    def finish(self, mail_id: str, expect: Expect, finished: Item, *, sole: bool = False) -> None:
        """Move a row to history in one step, if it is as expected; with `sole`, its delivery for this mail alone."""
        try:
            entries = [{"Put": _put_new(self.history, finished)}, {"Delete": self._delete(mail_id, expect)}]
            if sole:
                mark = places.delivery_mark(str(finished["delivery_id"]))
                note = {"id": mark, "mail": mail_id, "expires_at": finished["expires_at"]}
                entries.append({"Put": _put_new(self.history, note)})
            self._transact(entries)
        except ClientError as error:
            there, row, *_ = items_there(error)
            if row is None and there is not None and _same_write(there, finished):
                return
            raise Lost(row, finished=there is not None) from error

    def drop(self, mail_id: str, expect: Expect) -> None:
        """Delete a row of the outbox whose mail history has, if it is as expected. Raises `Lost`."""
        try:
            patiently(lambda: self.client.delete_item(**self._delete(mail_id, expect)))
        except ClientError as error:
            row = items_there(error)[0]
            if row is not None:
                raise Lost(row) from error

    def _delete(self, mail_id: str, expect: Expect) -> Any:  # noqa: ANN401  a request
        expression = Expression()
        return {
            "TableName": self.outbox,
            "Key": to_wire({"id": mail_id}),
            "ConditionExpression": expression.condition(expect),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments(),
        }

    def keep(self, finished: Item) -> Item | None:
        """Write to history alone unless the id is there already; then give what is there. Raises `TooLarge`."""
        try:
            patiently(lambda: self.client.put_item(**_put_new(self.history, finished)))
        except ClientError as error:
            there = items_there(error)[0]
            return None if there is not None and _same_write(there, finished) else there
        return None

    def due(self, lane: str, until: datetime, limit: int) -> list[Due]:
        """List what should be looked at by then, the longest due first."""
        return self._entries(lane, "<=", clock.text(until), limit)

    def never_due(self, lane: str, limit: int) -> list[Due]:
        """List what was given a `due_at` by hand that no moment reaches."""
        return self._entries(lane, ">", NEVER, limit)

    def _entries(self, lane: str, comparison: str, moment: str, limit: int) -> list[Due]:
        found: list[Due] = []
        start: Any = {}
        while len(found) < limit:
            answer = self.client.query(
                TableName=self.outbox,
                IndexName="due",
                KeyConditionExpression=f"#lane = :lane AND #due {comparison} :moment",
                ExpressionAttributeNames={"#lane": "lane", "#due": "due_at"},
                ExpressionAttributeValues={":lane": {"S": lane}, ":moment": {"S": moment}},
                Limit=limit - len(found),
                **start,
            )
            items = [from_wire(attributes) for attributes in answer["Items"]]
            found += [Due(item["id"], item["lane"], item["due_at"]) for item in items]
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return found

    def by_problem(self, status: str, limit: int, cursor: str | None = None) -> Page:
        """List rows that wait for a person, in one state, the latest first."""
        return self._list(self.outbox, "problems", "problem", status, limit, cursor, whole=True)

    def by_lane(self, lane: str, limit: int, cursor: str | None = None) -> Page:
        """List rows that wait for their time, the next due first."""
        return self._list(self.outbox, "due", "lane", lane, limit, cursor, forward=True)

    def by_recipient(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what was sent to an address (in lower case), the latest first."""
        return self._list(self.history, "by_recipient", "recipient", email, limit, cursor)

    def by_delivery(self, delivery_id: str) -> Page:
        """List what was sent under the mail API's id."""
        return self._list(self.history, "by_delivery", "delivery_id", delivery_id, BATCH_GET, None)

    def has_delivery(self, delivery_id: str) -> bool:
        """Tell whether history has a mail under the mail API's id."""
        answer = self.client.query(
            TableName=self.history,
            IndexName="by_delivery",
            KeyConditionExpression="delivery_id = :id",
            ExpressionAttributeValues={":id": {"S": delivery_id}},
            Limit=1,
        )
        return bool(answer["Items"])

    def by_day(self, day: str, limit: int, cursor: str | None = None) -> Page:
        """List what was finished in one partition of a day, the latest first."""
        return self._list(self.history, "by_day", "day", day, limit, cursor)

    def _read(self, table: str, mail_id: str) -> Item | None:
        answer = patiently(
            lambda: self.client.get_item(TableName=table, Key=to_wire({"id": mail_id}), ConsistentRead=True)
        )
        return from_wire(answer["Item"]) if "Item" in answer else None

    def _update(self, table: str, mail_id: str, expect: Expect, patch: Patch) -> Item:
        expression = Expression()
        request: Any = {
            "TableName": table,
            "Key": to_wire({"id": mail_id}),
            "UpdateExpression": expression.update(patch),
            "ConditionExpression": expression.condition(expect),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        request |= expression.arguments()
        try:
            answer = patiently(lambda: self.client.update_item(**request))
        except ClientError as error:
            row = items_there(error)[0]
            if row is not None and patch.holds(row):
                return row
            raise Lost(row) from error
        return from_wire(answer["Attributes"])

    def _transact(self, entries: list[Any]) -> None:
        # Our own token makes the SDK's retries, and ours, one and the same request (valid for ten minutes).
        token = str(uuid4())
        patiently(lambda: self.client.transact_write_items(TransactItems=entries, ClientRequestToken=token))

    def _list(  # noqa: PLR0913  a query has many parts
        self,
        table: str,
        index: str,
        key: str,
        value: str,
        limit: int,
        cursor: str | None,
        *,
        forward: bool = False,
        whole: bool = False,
    ) -> Page:
        request: Any = {
            "TableName": table,
            "IndexName": index,
            "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeNames": {"#key": key},
            "ExpressionAttributeValues": {":value": {"S": value}},
            "ScanIndexForward": forward,
            "Limit": limit,
        }
        answer = self.client.query(**request | ({"ExclusiveStartKey": _start(cursor)} if cursor else {}))
        items = [from_wire(attributes) for attributes in answer["Items"]]
        listed = items if whole else self._whole(table, [item["id"] for item in items])
        return Page(listed, cursor_of(answer.get("LastEvaluatedKey")))

    def _whole(self, table: str, ids: list[str]) -> list[Item]:
        """Read the rows an index named, in its order; one that left meanwhile is left out."""
        found: dict[str, Item] = {}
        for begin in range(0, len(ids), BATCH_GET):
            wanted: Any = {table: {"Keys": [to_wire({"id": mail_id}) for mail_id in ids[begin : begin + BATCH_GET]]}}
            for _ in range(BATCH_GET):
                if not wanted:
                    break
                answer = self.client.batch_get_item(RequestItems=wanted)
                rows = [from_wire(attributes) for attributes in answer["Responses"].get(table, [])]
                found |= {row["id"]: row for row in rows}
                wanted = answer.get("UnprocessedKeys")
        return [found[mail_id] for mail_id in ids if mail_id in found]


def new_entries(item: Item, outbox_table: str, history_table: str, *, once: bool) -> list[Wire]:
    """Give the entries of a transaction that writes a new row; with `once`, only if history does not have its id."""
    spent = {
        "TableName": history_table,
        "Key": to_wire({"id": item["id"]}),
        "ConditionExpression": "attribute_not_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return [{"Put": _put_new(outbox_table, item)}, *([{"ConditionCheck": spent}] if once else [])]


def taken_by(error: Exception, sent: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> Item | None:
    """Give the row that already had the id of our entries, if that is why a transaction was cancelled; else None."""
    for reason, entry in zip(reasons_of(error), sent, strict=False):
        if reason.get("Code") == "ConditionalCheckFailed" and any(entry == own for own in ours):
            # A resource's client has already turned the attributes into plain values.
            attributes = reason.get("Item") or {}
            typed = all(isinstance(value, Mapping) for value in attributes.values())
            return from_wire(attributes) if typed else plain(attributes)
    return None


def _put_new(table: str, item: Item) -> Wire:
    return {
        "TableName": table,
        "Item": to_wire(item),
        "ConditionExpression": "attribute_not_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _same_write(there: Item, ours: Item) -> bool:
    """Tell whether what is there is our own earlier write whose answer was lost."""
    names = ("fingerprint", "created_at", "finished_at", "delivery_id", "timeline")
    return all(there.get(name) == ours.get(name) for name in names)


def _start(cursor: str) -> dict[str, Any]:
    try:
        return key_of(cursor)
    except (ValueError, TypeError) as error:
        message = f"cursor {cursor[:20]!r} is none of this list"
        raise InvalidRequest(message) from error

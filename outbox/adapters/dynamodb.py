"""The outbox and history tables in DynamoDB: every write one conditional step, said why when it fails.

What AWS really answers, and what the SDK retries by itself, is in the developer guide under «Working with
transactions» and in botocore's standard retry mode: a cancelled transaction is never retried there, so it is here.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from outbox.adapters.answers import is_size, items_there, patiently, reasons_of
from outbox.adapters.lists import Lists
from outbox.adapters.wire import Expression, Wire, from_wire, plain, to_wire
from outbox.core import places
from outbox.core.change import CheckedRow, Expect, Patch
from outbox.core.errors import AlreadyThere, Lost, TooLarge
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class DynamoStore(Lists):
    """Keeps rows in two tables; one client serves all threads."""

    def __init__(self, client: "DynamoDBClient", outbox_table: str, history_table: str) -> None:
        super().__init__(client, outbox_table, history_table)
        # A batch has no conditions: written again after a time-out it would put rows back that are being sent.
        client.meta.events.register_first(
            "needs-retry.dynamodb.BatchWriteItem", self._never_again, unique_id=f"outbox-once-{outbox_table}"
        )

    def add(self, item: CheckedRow, *, once: bool) -> None:
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

    def add_all(self, items: Sequence[CheckedRow]) -> Sequence[CheckedRow]:
        """Write up to 25 new rows; give those that were not taken this time. Raises `TooLarge`."""
        requests: list[Any] = [{"PutRequest": {"Item": to_wire(item)}} for item in items]
        try:
            answer = self.client.batch_write_item(RequestItems={self.outbox: requests})
        except ClientError as error:
            if is_size(str(error.response["Error"].get("Message", ""))):
                raise TooLarge from error
            raise
        left = {each["PutRequest"]["Item"]["id"]["S"] for each in answer["UnprocessedItems"].get(self.outbox, [])}
        return [item for item in items if item["id"] in left]

    def _never_again(
        self,
        *,
        response: tuple[Any, Any] | None,
        operation: Any,  # noqa: ANN401  botocore's own
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        **_more: object,
    ) -> None:
        """Raise what the SDK would otherwise repeat, for batches into the outbox alone."""
        body = request_dict.get("body", b"")
        if f'"{self.outbox}"'.encode() not in (body if isinstance(body, bytes) else str(body).encode()):
            return
        if caught_exception is not None:
            raise caught_exception
        if response is not None and response[0].status_code >= 300:
            raise ClientError(response[1], operation.name)

    def get(self, mail_id: str) -> Item | None:
        """Read a row of the outbox as it is now."""
        return self._read(self.outbox, mail_id)

    def get_finished(self, mail_id: str) -> Item | None:
        """Read a row of history as it is now."""
        return self._read(self.history, mail_id)

    def update(self, mail_id: str, expect: Expect, patch: Patch) -> Item:
        """Change a row if it is as expected and give it as it is then. Raises `Lost`, `TooLarge`."""
        return self._update(self.outbox, mail_id, expect, patch)

    def add_linked(self, item: CheckedRow, origin_id: str, expect: Expect, patch: Patch) -> None:
        """Write a new row and, in the same step, note it on the finished mail it comes from. Raises `Lost`."""
        expression = Expression()
        note = {
            "TableName": self.history,
            "Key": to_wire({"id": origin_id}),
            "UpdateExpression": expression.update(patch),
            "ConditionExpression": expression.condition(expect),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments(),
        }
        try:
            self._transact([{"Put": _put_new(self.outbox, item)}, {"Update": note}])
        except ClientError as error:
            row, origin, *_ = [*items_there(error), None, None]
            if row is None or not _same_write(row, item):
                raise Lost(origin) from error

    def annotate(self, mail_id: str, patch: Patch, expect: Expect | None = None) -> None:
        """Change a row of history. Raises `Lost` if there is none, or it is not as expected."""
        self._update(self.history, mail_id, expect or Expect(), patch)

    def erase(self, item_id: str) -> None:
        """Delete an item of history: a person asked for it. Does nothing for one that is gone."""
        patiently(lambda: self.client.delete_item(TableName=self.history, Key=to_wire({"id": item_id})))

    def finish(self, mail_id: str, expect: Expect, finished: CheckedRow, *, sole: bool = False) -> None:
        """Move a row to history in one step, if it is as expected; with `sole`, its delivery for this mail alone."""
        expect.guards(finished.change)
        try:
            gone = self._delete(self.outbox, mail_id, expect)
            entries = [{"Put": _put_new(self.history, finished)}, {"Delete": gone}]
            entries += self._copies(finished)
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

    def reopen(self, finished: Item, expect: Expect, item: CheckedRow) -> None:
        """Move a mail of history back as a row of the outbox in one step, and its copies' items out of history."""
        expect.guards(item.change)
        gone = self._delete(self.history, str(finished["id"]), expect)
        copies = [{"TableName": self.history, "Key": to_wire({"id": copy["id"]})} for copy in places.copies(finished)]
        entries = [{"Put": _put_new(self.outbox, item)}, *({"Delete": each} for each in (gone, *copies))]
        try:
            self._transact(entries)
        except ClientError as error:
            row = items_there(error)[0]
            # A full row may have no room for a timeline: whose write it was, only all of it tells.
            if row is None or row != item:
                raise Lost(row) from error

    def drop(self, mail_id: str, expect: Expect) -> None:
        """Delete a row of the outbox whose mail history has, if it is as expected. Raises `Lost`."""
        try:
            patiently(lambda: self.client.delete_item(**self._delete(self.outbox, mail_id, expect)))
        except ClientError as error:
            row = items_there(error)[0]
            if row is not None:
                raise Lost(row) from error

    def _delete(self, table: str, mail_id: str, expect: Expect) -> Any:  # noqa: ANN401  a request
        expression = Expression()
        return {
            "TableName": table,
            "Key": to_wire({"id": mail_id}),
            "ConditionExpression": expression.condition(expect),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.arguments(),
        }

    def keep(self, finished: CheckedRow) -> Item | None:
        """Write to history alone unless the id is there already; then give what is there. Raises `TooLarge`."""
        try:
            self._transact([{"Put": _put_new(self.history, finished)}, *self._copies(finished)])
        except ClientError as error:
            there = items_there(error)[0]
            return None if there is not None and _same_write(there, finished) else there
        return None

    def _copies(self, finished: Item) -> list[Wire]:
        return [{"Put": {"TableName": self.history, "Item": to_wire(copy)}} for copy in places.copies(finished)]

    def _read(self, table: str, mail_id: str) -> Item | None:
        answer = patiently(
            lambda: self.client.get_item(TableName=table, Key=to_wire({"id": mail_id}), ConsistentRead=True)
        )
        return from_wire(answer["Item"]) if "Item" in answer else None

    def _update(self, table: str, mail_id: str, expect: Expect, patch: Patch) -> Item:
        expect.guards(patch.change)
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

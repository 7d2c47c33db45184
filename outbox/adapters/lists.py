"""Lists of rows from the tables' indexes, a page at a time; what an index does not show is read from the table."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from outbox.adapters.answers import patiently
from outbox.adapters.batch_read import NOW, read_batch
from outbox.adapters.wire import cursor_of, from_wire, key_of, to_wire
from outbox.core import clock, places
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.core.places import INDEXES, Index
from outbox.core.ports import LONG_AGO, NEVER, Due, Page
from outbox.core.row import Item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# How a query is narrowed by the ends of a span that were given.
SPANS = {
    (":first",): " AND #sort >= :first",
    (":last",): " AND #sort <= :last",
    (":first", ":last"): " AND #sort BETWEEN :first AND :last",
}


class Lists:
    """The reading half of the store: everything by an index, nothing by a scan but `every`."""

    def __init__(self, client: "DynamoDBClient", outbox_table: str, history_table: str) -> None:
        self.client, self.outbox, self.history = client, outbox_table, history_table

    def due(self, lane: str, until: datetime, limit: int) -> list[Due]:
        """List what should be looked at by then, the longest due first."""
        return self._entries(lane, "<=", clock.text(until), limit)

    def never_due(self, lane: str, limit: int) -> list[Due]:
        """List what was given a `due_at` by hand that no moment reaches."""
        return self._entries(lane, ">", NEVER, limit)

    def by_problem(
        self,
        status: str,
        limit: int,
        cursor: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page:
        """List rows that wait for a person, in one state, the latest first."""
        # Without bounds, also what a person gave a time that is none.
        between = None
        if since is not None or until is not None:
            between = ("problem_at", clock.text(since or LONG_AGO), clock.text(until) if until else NEVER)
        return self._query(self.outbox, "problems", ("problem", status), limit, cursor, between=between)

    def present(self, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Tell which of some ids the outbox has and which history has, as of now."""
        outbox, history = (self._rows(table, ids, only_ids=True) for table in (self.outbox, self.history))
        return {row["id"] for row in outbox}, {row["id"] for row in history}

    def by_lane(self, lane: str, limit: int, cursor: str | None = None) -> Page:
        """List rows that wait for their time, the next due first."""
        return self._whole(self.outbox, self._query(self.outbox, "due", ("lane", lane), limit, cursor, forward=True))

    def by_recipient(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what was sent to an address (in lower case), as a copy too, the latest first."""
        page = self._query(self.history, "by_recipient", ("recipient", email), limit, cursor)
        found = self._whole(self.history, page, lambda item_id: not item_id.startswith(places.BOUNCE))
        # A copy's item may outlive its mail by a day or two, and another mail may have come under the same key.
        return Page([row for row in found.items if email in places.recipients(row)], found.cursor)

    def by_delivery(self, delivery_id: str) -> Page:
        """List what was sent under the mail API's id."""
        return self._whole(self.history, self._delivery(delivery_id), places.is_mail)

    def has_delivery(self, delivery_id: str) -> bool:
        """Tell whether history has a mail under the mail API's id."""
        # A bounce may come before its mail: it must not make the mail look like another one.
        return any(places.is_mail(item["id"]) for item in self._delivery(delivery_id).items)

    def by_day(self, day: str, limit: int, cursor: str | None = None) -> Page:
        """List what was finished in one partition of a day, the latest first."""
        return self._whole(self.history, self._query(self.history, "by_day", ("day", day), limit, cursor))

    def bounces(self, delivery_id: str) -> list[Item]:
        """List what came back of a delivery, in no order."""
        page = self._delivery(delivery_id)
        return list(self._whole(self.history, page, lambda item_id: item_id.startswith(places.BOUNCE)).items)

    def bounces_of(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List what came back from an address (in lower case), the latest first; a page may be short."""
        page = self._query(self.history, "by_recipient", ("recipient", email), limit, cursor)
        return self._whole(self.history, page, lambda item_id: item_id.startswith(places.BOUNCE))

    def bounces_on(self, date: str, limit: int, cursor: str | None = None) -> Page:
        """List what came back on a UTC date (YYYY-MM-DD), the latest first."""
        return self.by_day(places.bounce_day(date), limit, cursor)

    def copies(self, email: str, limit: int, cursor: str | None = None) -> Page:
        """List everything history finds an address by, as it is stored: mails, copies' items, bounces."""
        page = self._query(self.history, "by_recipient", ("recipient", email), limit, cursor)
        return Page(self._rows(self.history, [item["id"] for item in page.items]), page.cursor)

    def every(self, table: str, limit: int, cursor: str | None = None) -> Page:
        """Go through a whole table, `outbox` or `history`, in no order: for an inspection, never to find work."""
        name = self._table(table)
        start: Any = {"ExclusiveStartKey": _start(cursor)} if cursor else {}
        answer = patiently(lambda: self.client.scan(TableName=name, Limit=limit, ConsistentRead=True, **start))
        return Page([from_wire(item) for item in answer["Items"]], cursor_of(answer.get("LastEvaluatedKey")))

    def entries(  # noqa: PLR0913  a place in an index has many parts
        self,
        index: Index,
        key: str,
        limit: int,
        *,
        after: Item | None = None,
        since: str = "",
        until: str = "",
        latest_first: bool = False,
    ) -> list[Item]:
        """List what an index itself shows under a key, by time, going on after an entry of it; reads no row."""
        table, name, sort = INDEXES[index]
        at = after[sort] if after else ""
        early, late = bool(after and since and at < since), bool(after and until and at > until)
        # AWS refuses a span that ends before it begins, and to go on after what lies outside of it.
        if since > (until or since) or (early if latest_first else late):
            return []
        cursor = cursor_of(to_wire({"id": after["id"], name: key, sort: at})) if after and not early | late else None
        found: list[Item] = []
        while len(found) < limit:
            page = self._query(
                self._table(table),
                index,
                (name, key),
                limit - len(found),
                cursor,
                forward=not latest_first,
                between=(sort, since, until),
            )
            found += page.items
            cursor = page.cursor
            if cursor is None:
                break
        return found

    def rows(self, table: str, ids: Sequence[str]) -> list[Item]:
        """Read whole rows of `outbox` or `history`, in the order of the ids; those that are gone are left out."""
        return self._rows(self._table(table), ids)

    def _table(self, table: str) -> str:
        return self.outbox if table == "outbox" else self.history

    def _delivery(self, delivery_id: str) -> Page:
        items: list[Item] = []
        cursor: str | None = None
        while True:
            page = self._query(self.history, "by_delivery", ("delivery_id", delivery_id), 1000, cursor)
            items += page.items
            cursor = page.cursor
            if cursor is None:
                return Page(items)

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

    def _query(  # noqa: PLR0913  a query has many parts
        self,
        table: str,
        index: str,
        key: tuple[str, str],
        limit: int,
        cursor: str | None,
        *,
        forward: bool = False,
        between: tuple[str, str, str] | None = None,
    ) -> Page:
        """Give what the index itself shows, within a span of times; an empty end of it bounds nothing."""
        request: Any = {
            "TableName": table,
            "IndexName": index,
            "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeNames": {"#key": key[0]},
            "ExpressionAttributeValues": {":value": {"S": key[1]}},
            "ScanIndexForward": forward,
            "Limit": limit,
        }
        sort, *span = between or ("", "", "")
        bounds = {name: {"S": moment} for name, moment in zip((":first", ":last"), span, strict=True) if moment}
        if bounds:
            request["KeyConditionExpression"] += SPANS[*bounds]
            request["ExpressionAttributeNames"]["#sort"] = sort
            request["ExpressionAttributeValues"] |= bounds
        answer = self.client.query(**request | ({"ExclusiveStartKey": _start(cursor)} if cursor else {}))
        items = [from_wire(attributes) for attributes in answer["Items"]]
        return Page(items, cursor_of(answer.get("LastEvaluatedKey")))

    def _whole(self, table: str, page: Page, wanted: Callable[[str], bool] = lambda _: True) -> Page:
        """Read the rows an index named, a copy's item standing for its mail; one that left meanwhile is left out."""
        ids = [places.owner(item["id"]) for item in page.items if wanted(item["id"])]
        return Page(self._rows(table, ids), page.cursor)

    def _rows(self, table: str, ids: Iterable[str], *, only_ids: bool = False) -> list[Item]:
        how: Mapping[str, Any] = NOW | {"ProjectionExpression": "id"} if only_ids else {}
        once = list(dict.fromkeys(ids))
        keys = [(table, to_wire({"id": mail_id})) for mail_id in once]
        found = {row["id"]: row for row in read_batch(self.client, keys, time.sleep, how=how).get(table, [])}
        return [found[mail_id] for mail_id in once if mail_id in found]


def _start(cursor: str) -> dict[str, Any]:
    try:
        return key_of(cursor)
    except (ValueError, TypeError) as error:
        raise InvalidRequest(Message("request.cursor", cursor=repr(cursor[:20]))) from error

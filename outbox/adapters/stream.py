"""Records of a table's stream -> doorbells or rows, and the answer the event source mapping understands.

Lambda brings everything again from the earliest reported record on, so each flow must bear hearing of a change twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import structlog
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import (
    DynamoDBRecord,
    DynamoDBRecordEventName,
)

from outbox.adapters.wire import plain
from outbox.core.doorbell import Doorbell, listen
from outbox.core.row import Item

log = structlog.get_logger()

# The function must end by itself before Lambda ends it.
MARGIN_SECONDS = 2.0
WRITES = {DynamoDBRecordEventName.INSERT, DynamoDBRecordEventName.MODIFY}
# So the stream marks what was removed because its time was over, and nothing else.
TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
T = TypeVar("T")


class Context(Protocol):
    """What Lambda tells a function about its own time."""

    def get_remaining_time_in_millis(self) -> int:
        """Give the milliseconds left."""


class Answering(Protocol):
    """A flow that answers doorbells and gives the positions of those to ring again."""

    def __call__(self, doorbells: Sequence[Doorbell], deadline: float) -> set[int]:
        """Answer them before the deadline (epoch seconds)."""


def for_each_doorbell(event: object, context: Context, clock: Callable[[], Any], answer: Answering) -> dict[str, Any]:
    """Hand the doorbells of a batch to a flow; report those to ring again, by sequence number. Never raises.

    Removals, records of other tables and garbage are logged and ignored: raising would ring the whole batch again.
    """
    heard = list(_each(event, _doorbell))
    again = answer([doorbell for doorbell, _ in heard], deadline(context, clock))
    return _answer("deliver.done", heard, again)


def for_each_kept(event: object, keep: Callable[[Sequence[Item]], set[int]]) -> dict[str, Any]:
    """Hand the new rows with files to a flow; report those to bring again, by sequence number. Never raises."""
    rows = list(_each(event, _new_row_with_files))
    return _answer("keep.done", rows, keep([row for row, _ in rows]))


def for_each_expired(event: object, cleanup: Callable[[Sequence[Item]], set[int]]) -> dict[str, Any]:
    """Hand the rows that TTL removed to a flow; report those to bring again, by sequence number. Never raises.

    What a person deleted, or the service moved, is left alone, as it was before.
    """
    rows = list(_each(event, _expired_row))
    return _answer("cleanup.done", rows, cleanup([row for row, _ in rows]))


def deadline(context: Context, clock: Callable[[], Any]) -> float:
    """Give the epoch second at which the function must have ended."""
    left = context.get_remaining_time_in_millis() / 1000
    return float(clock().timestamp()) + left - MARGIN_SECONDS


def _answer(done: str, taken: Sequence[tuple[object, str]], again: set[int]) -> dict[str, Any]:
    failed = [{"itemIdentifier": taken[position][1]} for position in sorted(again) if taken[position][1]]
    log.info(done, records=len(taken), again=len(failed))
    return {"batchItemFailures": failed}


def _each(event: object, take: Callable[[DynamoDBRecord], T | None]) -> Iterator[tuple[T, str]]:
    """Give what is taken of each record, with its sequence number; what is no such record harms no neighbour."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        log.warning("stream.no_records")
        return
    for raw in records:
        try:
            record = DynamoDBRecord(raw)
            taken = take(record)
            number = (record.dynamodb.sequence_number or "") if record.dynamodb else ""
        except Exception:
            log.exception("stream.garbage")
            continue
        if taken is not None:
            yield taken, number


def _doorbell(record: DynamoDBRecord) -> Doorbell | None:
    change = record.dynamodb
    if record.event_name not in WRITES or change is None or set(change.keys) != {"id"}:
        log.info("stream.ignored")
        return None
    return listen(plain(change.old_image or {}), plain(change.new_image or {}))


def _new_row_with_files(record: DynamoDBRecord) -> Item | None:
    if record.event_name is not DynamoDBRecordEventName.INSERT:
        log.info("stream.ignored")
        return None
    row = _row(record.dynamodb.new_image if record.dynamodb else None)
    return row if row and row.get("files") else None


def _expired_row(record: DynamoDBRecord) -> Item | None:
    user = record.user_identity
    by_ttl = isinstance(user, Mapping) and {name: user.get(name) for name in TTL} == TTL
    if record.event_name is not DynamoDBRecordEventName.REMOVE or not by_ttl:
        log.info("stream.ignored")
        return None
    return _row(record.dynamodb.old_image if record.dynamodb else None)


def _row(image: Mapping[str, Any] | None) -> Item | None:
    """Give a row of ours; None for whatever else it may be."""
    row = plain(image or {})
    return row if isinstance(row.get("id"), str) else None

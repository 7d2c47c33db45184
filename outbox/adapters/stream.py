"""Records of the outbox table's stream -> doorbells, and the answer the event source mapping understands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import structlog
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import (
    DynamoDBRecord,
    DynamoDBRecordEventName,
)

from outbox.adapters.wire import plain
from outbox.core.doorbell import Doorbell, listen

log = structlog.get_logger()

# The function must end by itself before Lambda ends it.
MARGIN_SECONDS = 2.0
WRITES = {DynamoDBRecordEventName.INSERT, DynamoDBRecordEventName.MODIFY}


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
    heard = list(_heard(event))
    again = answer([doorbell for doorbell, _ in heard], deadline(context, clock))
    failed = [{"itemIdentifier": heard[position][1]} for position in sorted(again) if heard[position][1]]
    log.info("deliver.done", doorbells=len(heard), again=len(failed))
    return {"batchItemFailures": failed}


def deadline(context: Context, clock: Callable[[], Any]) -> float:
    """Give the epoch second at which the function must have ended."""
    left = context.get_remaining_time_in_millis() / 1000
    return float(clock().timestamp()) + left - MARGIN_SECONDS


def _heard(event: object) -> Iterator[tuple[Doorbell, str]]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        log.warning("stream.no_records")
        return
    for record in records:
        try:
            found = _doorbell(record)
        except Exception:
            log.exception("stream.garbage")
            continue
        if found is not None:
            yield found


def _doorbell(raw: Any) -> tuple[Doorbell, str] | None:  # noqa: ANN401  whatever the event holds
    record = DynamoDBRecord(raw)
    change = record.dynamodb
    if record.event_name not in WRITES or change is None or set(change.keys) != {"id"}:
        log.info("stream.ignored")
        return None
    doorbell = listen(plain(change.old_image or {}), plain(change.new_image or {}))
    return (doorbell, change.sequence_number or "") if doorbell else None

"""Records of a table's stream -> doorbells or rows, and the answer the event source mapping understands.

Lambda brings everything again from the earliest reported record on, so each flow must bear hearing of a change twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import structlog

from outbox.adapters.wire import from_wire
from outbox.core.doorbell import Doorbell, listen
from outbox.core.row import Item

log = structlog.get_logger()

# The function must end by itself before Lambda ends it.
MARGIN_SECONDS = 2.0
INSERT, MODIFY, REMOVE = "INSERT", "MODIFY", "REMOVE"
# So the stream marks what was removed because its time was over, and nothing else.
TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
# A record as Lambda hands it over: what happened to which row, and the row before and after.
Record = Mapping[str, Any]
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


def _each(event: object, take: Callable[[Record], T | None]) -> Iterator[tuple[T, str]]:
    """Give what is taken of each record, with its sequence number; what is no such record harms no neighbour."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        log.warning("stream.no_records")
        return
    for record in records:
        try:
            taken = take(record)
            number = str(_change(record).get("SequenceNumber") or "")
        except Exception:
            log.exception("stream.garbage")
            continue
        if taken is not None:
            yield taken, number


def _doorbell(record: Record) -> Doorbell | None:
    if record.get("eventName") not in {INSERT, MODIFY} or set(_change(record).get("Keys", ())) != {"id"}:
        log.info("stream.ignored")
        return None
    return listen(_image(record, "OldImage"), _image(record, "NewImage"))


def _new_row_with_files(record: Record) -> Item | None:
    if record.get("eventName") != INSERT:
        log.info("stream.ignored")
        return None
    row = _row(record, "NewImage")
    return row if row and row.get("files") else None


def _expired_row(record: Record) -> Item | None:
    user = record.get("userIdentity")
    by_ttl = isinstance(user, Mapping) and {name: user.get(name) for name in TTL} == TTL
    if record.get("eventName") != REMOVE or not by_ttl:
        log.info("stream.ignored")
        return None
    return _row(record, "OldImage")


def _row(record: Record, name: str) -> Item | None:
    """Give a row of ours; None for whatever else it may be."""
    row = _image(record, name)
    return row if isinstance(row.get("id"), str) else None


def _image(record: Record, name: str) -> Item:
    """Read the row as it was, or is; without any, an empty one."""
    return from_wire(_change(record).get(name) or {})


def _change(record: Record) -> Mapping[str, Any]:
    change = record.get("dynamodb")
    return change if isinstance(change, Mapping) else {}

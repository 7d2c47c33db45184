"""One worker of the deployed service as a process that can be killed: `python -m tests.storm.worker ROLE NAME`.

ROLE `deliver` reads the real stream of the outbox table and answers its doorbells, `dispatch` works through what is
due, again and again; both are built by `outbox.wiring` from the environment. It ends when its standard input does.
Its place in the stream is kept in the file NAME.place, written after a batch: one that was killed hears it again.

With `OUTBOX_STORM_HASTE` set, what takes minutes in the service takes seconds, so that a storm sees all of it: the
constants below are replaced in this process. Nothing else is: leases are still longer than any call made under them.
"""

import json
import os
import random
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from outbox.adapters import api_client
from outbox.core import backoff, transitions
from outbox.flows import dispatch, lease, send
from outbox.local import deployment
from outbox.wiring import delivering, dispatching, sending

BATCH = 100
HASTE: list[tuple[Any, str, Any]] = [
    # All of these clocks are one clock; the mail API's whole seconds remain.
    (transitions, "CLOCKS_APART", timedelta(seconds=1.5)),
    (transitions, "LOST_EVENT", timedelta(seconds=12)),
    (backoff, "SHORTEST", 2.0),
    (backoff, "LONGEST", 10.0),
    (send, "SETTLING", 1.0),
    (api_client, "QUICK", 0.5),
    (lease, "SECONDS", 5.0),
    (dispatch, "RENEWED_EVERY", timedelta(seconds=1)),
]


LEASE_SECONDS = 10.0  # Still longer than a call and its settle: 0.5 + 3 * 1 + 2 * 1.5 + 1 seconds.


def hasten() -> None:
    """Replace the constants; one that is gone, or of another type, is an error."""
    # The settings allow no lease shorter than what the constants were before.
    whole = sending.load
    sending.load = lambda kind: whole(kind).model_copy(update={"lease_seconds": LEASE_SECONDS})  # type: ignore[assignment]
    for module, name, value in HASTE:
        if type(getattr(module, name)) is not type(value):
            msg = f"{module.__name__}.{name} is no longer what the storm takes it for"
            raise TypeError(msg)
        setattr(module, name, value)


class Context:
    """What Lambda tells a function about its own time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Give the milliseconds left."""
        return max(0, int((self._end - time.monotonic()) * 1000))


class Stream:
    """The table's stream from the place where this worker's predecessor was last."""

    def __init__(self, place: Path) -> None:
        keys = {"region_name": os.environ["AWS_DEFAULT_REGION"], "endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
        account = {name: os.environ[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
        tables = deployment.client("dynamodb", **keys, **account)
        self._arn = tables.describe_table(TableName=os.environ["OUTBOX_TABLE"])["Table"]["LatestStreamArn"]
        self._client = deployment.client("dynamodbstreams", **keys, **account)
        self._place = place

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Give batch after batch, empty ones as well; a batch counts as heard when the next one is asked for."""
        shard = self._client.describe_stream(StreamArn=self._arn)["StreamDescription"]["Shards"][0]["ShardId"]
        where: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if self._place.exists():
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._place.read_text()}
        answer = self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **where)
        iterator = answer["ShardIterator"]
        while True:
            answer = self._client.get_records(ShardIterator=iterator, Limit=BATCH)
            yield answer["Records"]
            iterator = answer["NextShardIterator"]
            if answer["Records"]:
                written = self._place.with_suffix(".new")
                written.write_text(answer["Records"][-1]["dynamodb"]["SequenceNumber"])
                written.replace(self._place)


def deliver(name: str) -> None:
    """Answer the doorbells of one half of the mails; some batches are heard twice, some never, some by both workers."""
    mine = int(name.rpartition("-")[2]) % 2
    twice, never, both = json.loads(os.environ.get("OUTBOX_STORM_STREAM", "[0, 0, 0]"))
    seconds = float(os.environ.get("OUTBOX_STORM_FUNCTION_SECONDS", "120"))
    again: list[dict[str, Any]] = []
    for batch in Stream(Path(f"{name}.place")).batches():
        wanted = batch if random.random() < both else [record for record in batch if _half(record) == mine]
        if wanted and random.random() < never:
            say("storm.not_heard", len(wanted))
            wanted = []
        if records := again + wanted:
            again = _answered(records, seconds)
            if random.random() < twice:
                say("storm.heard_again", len(records))
                again += records
        else:
            time.sleep(0.05)


def _half(record: dict[str, Any]) -> int:
    return zlib.crc32(record["dynamodb"]["Keys"]["id"]["S"].encode()[::-1]) % 2


def _answered(records: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Hand records to the function as the event source mapping does; give those it wants to hear again."""
    answer = delivering.deliver({"Records": records}, Context(seconds))
    failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    return [record for record in records if record["dynamodb"]["SequenceNumber"] in failed]


def dispatch_again_and_again() -> None:
    """Work through what is due as the schedule and deliver start it, only sooner."""
    seconds = float(os.environ.get("OUTBOX_STORM_FUNCTION_SECONDS", "120"))
    while True:
        counts = dispatching.dispatch({}, Context(seconds))
        if not counts or "busy" in counts or "stopped" in counts:
            time.sleep(0.25)


def say(event: str, count: int) -> None:
    """Write down what this process did to the service, among the service's own log lines."""
    print(json.dumps({"event": event, "count": count}), flush=True)  # noqa: T201


def _end_with_stdin() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


def main() -> None:
    """Work until killed, or until nobody holds the other end of standard input."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    if os.environ.get("OUTBOX_STORM_HASTE"):
        hasten()
    role, name = sys.argv[1:]
    if role == "deliver":
        deliver(name)
    else:
        dispatch_again_and_again()


if __name__ == "__main__":
    main()

"""A day of the deployed service on a fake clock: the real handlers' code, the template's stream mapping, all counted.

What is simulated is AWS alone: the stream hands on what passes the filter, in batches, retries and halves a batch that
fails as the template says; the schedule starts dispatch once a minute. A call takes no time, so that more of them fit
into the day than into a real one: the numbers are upper bounds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from outbox import Mail, Outbox
from outbox.adapters import stream
from outbox.core import clock as clocks
from outbox.core.outcomes import Terms
from outbox.core.ports import Due
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.core.row import Item
from outbox.flows.deliver import Deliver
from outbox.flows.dispatch import Dispatch
from outbox.flows.limiter import SharedLimiter
from outbox.flows.reconcile import Reconcile
from outbox.flows.send import Sender
from outbox.flows.switch import SharedSwitch
from outbox.local.filters import matches
from outbox.testing import (
    FakeMailApi,
    FakeRecords,
    MemoryChecks,
    MemoryFiles,
    MemoryRegister,
    MemoryStore,
    TickingClock,
)

MINUTES = 24 * 60
WRITES = ("add", "update", "finish", "drop", "keep", "annotate", "swap")
# No record may keep deliver busy within one look at the stream; far above what any case needs.
LOOP = 20_000

# Parts of a row that neither the filter nor a doorbell looks at; leaving them out halves the time of the test.
UNHEARD = {"timeline", "reason", "text", "html", "subject", "sender"}

other = TypeSerializer().serialize


def serialize(value: Any) -> dict[str, Any]:
    """Write a value as a stream record holds it; nearly all are text and quickly written."""
    return {"S": value} if type(value) is str else other(value)


class DayStore(MemoryStore):
    """The memory store with its `due` index kept up instead of made anew for each question."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: dict[str, dict[str, str]] = defaultdict(dict)

    def _write(self, mail_id: str, item: dict[str, Any] | None) -> None:
        super()._write(mail_id, item)
        for lane in self.lanes.values():
            lane.pop(mail_id, None)
        if item is not None and isinstance(item.get("lane"), str) and isinstance(item.get("due_at"), str):
            self.lanes[item["lane"]][mail_id] = item["due_at"]

    def due(self, lane: str, until: datetime, limit: int) -> list[Due]:
        """List what should be looked at by then, the longest due first."""
        then = clocks.text(until)
        found = sorted((due_at, mail_id) for mail_id, due_at in self.lanes[lane].items() if due_at <= then)
        return [Due(mail_id, lane, due_at) for due_at, mail_id in found[:limit]]


@dataclass
class Counted:
    """Counts every call of a store or a register, and the writes of each row."""

    inner: Any
    calls: Counter[str]
    by_row: Counter[str]
    broken: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        def counted(*args: Any, **more: Any) -> Any:
            self.calls[name] += 1
            if name in WRITES:
                key = args[0].get("id") if isinstance(args[0], Mapping) else args[0]
                self.by_row[str(key)] += 1
                if key in self.broken:
                    raise ConnectionError
            return method(*args, **more)

        return counted


class Inline(Executor):
    """Does everything at once, in its turn: the fake clock has no threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def submit(self, work: Any, /, *args: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **more))
        except Exception as error:  # noqa: BLE001  as a pool does
            future.set_exception(error)
        return future


class Context:
    """A function's time, at its start."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@dataclass
class Day:
    """The service for a day; `template` says how the stream is filtered, batched and retried."""

    mapping: Mapping[str, Any]
    patterns: Sequence[Mapping[str, Any]] | None
    answer: Callable[[Mail], Any] | None = None
    records: FakeRecords = field(default_factory=FakeRecords)
    crashes_at: str = ""
    broken_rows: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.clock, self.counts = TickingClock(), Counter[str]()
        self.calls, self.by_row, self.shared = Counter[str](), Counter[str](), Counter[str]()
        self.memory = DayStore()
        self.store = Counted(self.memory, self.calls, self.by_row, self.broken_rows)
        self.register = Counted(MemoryRegister(), self.shared, Counter())
        # What a call may take at most in the deployed service; its own number is not the point here.
        self.api = FakeMailApi(answer=self._call, longest_call=77.0)
        switch = SharedSwitch(self.register, self.clock)
        limiter = SharedLimiter(self.register, self.clock, Rate(500, 5), self._pause)
        reconcile = Reconcile(
            self.store, self.records, limiter, self.clock, self._pause, "dispatch", 180.0, Retention(400), MemoryFiles()
        )

        def sender(who: str) -> Sender:
            window = timedelta(minutes=15)
            return Sender(
                self.store,
                self.api,
                self.clock,
                switch,
                limiter,
                self._pause,
                who,
                180.0,
                Terms(Retention(400), window),
                MemoryChecks(self.store),
                MemoryFiles(),
            )

        self.switch, self.outbox = switch, Outbox(store=self.memory, now=self.clock, actor="shop")
        self._deliver = Deliver(sender("deliver"), 1, self._start)
        self._dispatch = Dispatch(sender("dispatch"), reconcile, self.register, self._start, 20, 1, Inline)
        self._waiting_starts = 0
        self._number = 0

    def run(self, each_minute: Callable[[int], object] = lambda _: None) -> "Day":
        """Let the day pass."""
        began = self.clock()
        for minute in range(MINUTES):
            moment = began + timedelta(minutes=minute)
            still_at_work, self.clock.now = self.clock.now > moment, max(self.clock.now, moment)
            each_minute(minute)
            self._hear()
            if still_at_work:
                # A run lasts for minutes here: what the schedule starts meanwhile finds its lease held, and ends.
                self.counts["dispatch"] += 1
                continue
            self._run_dispatch()
            self._hear()
        return self

    def enqueue(self, number: int, **parts: Any) -> None:
        """Write a mail, at the application's own cost."""
        defaults = {"sender": "shop@example.com", "to": "taro@example.com", "subject": "Hello", "text": "Good morning."}
        self.outbox.enqueue(Mail(**defaults | parts), idempotency_key=f"mail-{number}")

    def figures(self) -> dict[str, Any]:
        """Give what the day cost."""
        rows = self.by_row
        reads = sum(self.calls.values()) + sum(self.shared.values()) - self._writes(self.calls, self.shared)
        return {
            "records": self.counts["records"],
            "deliver": self.counts["deliver"],
            "retries": self.counts["retries"],
            "dispatch": self.counts["dispatch"],
            "starts": self.counts["starts"],
            "unheard": self.counts["unheard"],
            "api_calls": self.counts["api"] + self.records.looks,
            "row_writes": self._writes(self.calls),
            "row_writes_mean": round(sum(rows.values()) / max(1, len(rows)), 1),
            "rows": len(rows),
            "row_writes_most": max(rows.values(), default=0),
            "shared_writes": self._writes(self.shared),
            "reads": reads,
        }

    @staticmethod
    def _writes(*counted: Counter[str]) -> int:
        return sum(each[name] for each in counted for name in WRITES)

    def _call(self, mail: Mail) -> Any:
        self.counts["api"] += 1
        return self.answer(mail) if self.answer else self.api.accept(mail)

    def _pause(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)

    def _start(self) -> None:
        self.counts["starts"] += 1
        self._waiting_starts += 1

    def _run_dispatch(self) -> None:
        self.counts["dispatch"] += 1
        self.switch.forget()
        self._dispatch(stream.deadline(Context(900), self.clock))

    def _hear(self) -> None:
        """Hand on everything the stream has, until there is nothing more."""
        before = self.counts["deliver"]
        while self.memory.changes or self._waiting_starts:
            records = list(self._passing())
            self.counts["records"] += len(records)
            size = self.mapping["BatchSize"]
            for begin in range(0, len(records), size):
                self._invoke(records[begin : begin + size], self.mapping["MaximumRetryAttempts"])
            starts, self._waiting_starts = self._waiting_starts, 0
            for _ in range(starts):
                self._run_dispatch()
            assert self.counts["deliver"] - before < LOOP, "deliver rings itself"

    def _passing(self) -> Iterator[dict[str, Any]]:
        changes, self.memory.changes = self.memory.changes, []
        for change in changes:
            record = self._record(change.name, change.before, change.after)
            if self.patterns is None or any(matches(record, pattern) for pattern in self.patterns):
                yield record

    def _record(self, name: str, before: Item | None, after: Item | None) -> dict[str, Any]:
        self._number += 1
        images = {"OldImage": before, "NewImage": after}
        there = {
            key: {part: serialize(value) for part, value in row.items() if part not in UNHEARD}
            for key, row in images.items()
            if row
        }
        keys = {"id": serialize(str((after or before or {})["id"]))}
        change = {"Keys": keys, "SequenceNumber": str(self._number), "StreamViewType": "NEW_AND_OLD_IMAGES"}
        whole = {"eventID": str(self._number), "eventName": name, "eventSource": "aws:dynamodb"}
        return {**whole, "dynamodb": change | there}

    def _invoke(self, batch: Sequence[dict[str, Any]], left: int) -> None:
        """Invoke deliver as the mapping does: a batch that raises is halved, what is reported is tried again."""
        self.counts["deliver"] += 1
        try:
            answer = self._handle(batch)
        except MemoryError:
            if len(batch) > 1 and self.mapping["BisectBatchOnFunctionError"]:
                # Halving does not count as a retry.
                self.counts["retries"] += 2
                middle = len(batch) // 2
                self._invoke(batch[:middle], left)
                self._invoke(batch[middle:], left)
            else:
                self._again(batch, left)
            return
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        positions = [n for n, record in enumerate(batch) if record["dynamodb"]["SequenceNumber"] in failed]
        if positions:
            first = positions[0]
            self._again(batch[first:], left if first == 0 else self.mapping["MaximumRetryAttempts"])

    def _again(self, batch: Sequence[dict[str, Any]], left: int) -> None:
        if left > 0:
            self.counts["retries"] += 1
            self._invoke(batch, left - 1)
        else:
            self.counts["unheard"] += len(batch)

    def _handle(self, batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
        if self.crashes_at in {record["dynamodb"]["Keys"]["id"]["S"] for record in batch}:
            # A crash of the whole function, which no code of ours can catch.
            raise MemoryError
        self.switch.forget()
        return stream.for_each_doorbell({"Records": list(batch)}, Context(120), self.clock, self._deliver)

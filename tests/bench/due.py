"""Dispatch with the same number of rows due, while the table behind grows: what it reads, and how long it takes.

On the embedded AWS, whose index queries take as long as their page (`outbox.local.indexes`), with a mail API that takes
everything at once and no rate, so that the tables are all that is waited for. The other rows are scheduled for another
day and stand in the same index. A scan, which a design without the index would need, is computed from the rows' sizes.
"""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from outbox.adapters import aws
from outbox.adapters.checks import DynamoChecks
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.core import clock, places, transitions
from outbox.core.row import Item
from outbox.core.transitions import Stamp
from outbox.flows.dispatch import Dispatch
from outbox.flows.reconcile import Reconcile
from outbox.local.stack import LocalStack
from outbox.testing import FakeMailApi, FakeRecords, MemoryFiles, item_size
from tests.bench import rig
from tests.bench.counted import KB, Counted
from tests.bench.effort import Effort, clocked
from tests.storm import crew

SIZES, DUE = (1_000, 10_000, 100_000), 50
LATER = timedelta(days=30)
WRITERS = 8


def measure(effort: Effort) -> dict[str, Any]:
    """Let the table grow, and dispatch the same number of rows at each size."""
    with LocalStack(sandbox_arguments=rig.NO_RATE) as stack:
        crew.take_over(stack)
        tables = _Tables(stack)
        tables.dispatch(effort.pick(DUE, 5))
        grown = []
        for size in effort.pick(SIZES, (100, 200)):
            effort.say(f"due: {size} rows")
            tables.grow(size)
            grown.append(tables.measure(effort.pick(DUE, 5), effort))
        last, first = grown[-1], grown[0]
        return {
            "due": effort.pick(DUE, 5),
            "tables": grown,
            "times_the_time": round(last["seconds"] / first["seconds"], 2),
            "times_the_units": round(last["index_units"] / first["index_units"], 2),
        }


class _Tables:
    def __init__(self, stack: LocalStack) -> None:
        info, session = stack.info, stack.session()
        self.client: Any = aws.dynamodb(session, rig.THREADS + 2, endpoint_url=info.aws_endpoint_url)
        self.filler = DynamoStore(
            aws.dynamodb(session, WRITERS, endpoint_url=info.aws_endpoint_url), info.outbox_table, info.history_table
        )
        self.counted, self.table, self.rows, self.bytes = Counted(self.client), info.outbox_table, 0, 0
        store = DynamoStore(self.client, info.outbox_table, info.history_table)
        register = DynamoRegister(self.client, info.control_table)
        checks = DynamoChecks(self.client, info.history_table, info.suppression_table)
        self.api = FakeMailApi()
        sender = rig.deliver(rig.Tables(store, register, checks), self.api).sender
        reconcile = Reconcile(
            store,
            FakeRecords(),
            sender.limiter,
            clock.now,
            time.sleep,
            "dispatch",
            180.0,
            sender.terms.keep,
            MemoryFiles(),
        )
        self._dispatch = Dispatch(sender, reconcile, register, lambda: None, rig.THREADS)

    def grow(self, size: int) -> None:
        """Add rows that are due another day, up to so many."""
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._add, self._batches(size)))

    def measure(self, due: int, effort: Effort) -> dict[str, Any]:
        """Dispatch so many due rows, several times; give the least of each.

        Dispatch looks at all lanes until what is under way has ended, so whatever holds the machine up adds looks.
        """
        runs = [self.dispatch(due) for _ in effort.times()]
        names = ("seconds", "queries", "entries", "index_units", "row_units")
        scan, least = math.ceil(self.bytes / (4 * KB)) * 0.5, {name: min(run[name] for run in runs) for name in names}
        return {"rows": self.rows, **least, "seconds": round(least["seconds"], 3), "scan_units": scan}

    def dispatch(self, due: int) -> dict[str, float]:
        """Write so many due rows and dispatch them; give the time, and what was read."""
        for batch in _in_batches(rig.mails_of(due)):
            self._add(
                [
                    transitions.new(mail, places.new_id(clock.now()), Stamp(clock.now(), "bench"), bulk=True)
                    for mail in batch
                ]
            )
        index, seconds, before = f"{self.table}/due", list[float](), len(self.api.sent)
        for counts in (self.counted.calls, self.counted.entries, self.counted.read):
            counts.clear()
        with clocked(seconds):
            counts = self._dispatch(time.time() + 600)
        assert (counts, len(self.api.sent) - before) == ({"sent": due}, due)
        read = self.counted.read["other"]
        return {
            "seconds": seconds[0],
            "queries": self.counted.calls["Query"],
            "entries": self.counted.entries[index],
            "index_units": read[index],
            "row_units": sum(read.values()) - read[index],
        }

    def _batches(self, size: int) -> Iterator[list[Item]]:
        now = clock.now()
        while self.rows < size:
            count = min(25, size - self.rows)
            rows = [
                transitions.new(
                    mail, places.new_id(now), Stamp(now, "bench"), now + LATER + timedelta(seconds=self.rows + n)
                )
                for n, mail in enumerate(rig.mails_of(count, text=100))
            ]
            self.rows += count
            self.bytes += sum(map(item_size, rows))
            yield rows

    def _add(self, rows: list[Item]) -> None:
        while rows:
            rows = list(self.filler.add_all(rows))


def _in_batches(mails: list[Any]) -> Iterator[list[Any]]:
    return (mails[begin : begin + 25] for begin in range(0, len(mails), 25))

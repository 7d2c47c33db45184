"""What deliver itself costs a mail, warm: event read, claimed, checked, called, settled, with tables in memory.

The tables and the mail API are the fakes of `outbox.testing`, which answer at once; log lines are written as in Lambda,
to nowhere. The fakes' own work is in the figure: they copy each row they take or give.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from outbox.adapters import logs
from outbox.core.ports import LONG_AGO
from outbox.flows.send import Result
from outbox.testing import FakeMailApi
from tests.bench import profiled, rig
from tests.bench.effort import Effort, clocked

# What is measured: how many threads, and whether they may run on all processors.
WAYS = {"us": (rig.THREADS, False), "one_thread_us": (1, False), "everywhere_us": (rig.THREADS, True)}
PARTS = {
    "the fakes": ("outbox/testing",),
    "log lines": ("structlog", "adapters/logs", "/json/", "/logging/"),
    "reading the mail off its row": ("core/row", "core/mail.py", "core/address", "core/limits", "core/text"),
}


def measure(effort: Effort) -> dict[str, Any]:
    """Measure a batch of 100 with the threads of a function, with one, and with threads on all processors, in turn."""
    effort.say("overhead of deliver")
    count = effort.pick(100, 10)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    with _logging():
        for _ in range(effort.pick(10 * effort.runs, 2)):
            for name, (threads, everywhere) in WAYS.items():
                _deliver(count, threads, seconds[name], everywhere=everywhere)
        profile = _profile(count)
    middle = {name: round(sorted(each)[len(each) // 2] / count * 1e6) for name, each in seconds.items()}
    least = {f"least_{name}": round(min(each) / count * 1e6) for name, each in seconds.items()}
    return {"batch": count, "threads": rig.THREADS, **middle, **least, "profile": profile}


def _deliver(count: int, threads: int, seconds: list[float], *, everywhere: bool) -> None:
    rows = rig.rows_of(rig.mails_of(count))
    store, event = rig.in_memory(rows), rig.event_of(rows)
    flow = rig.deliver(rig.Tables.memory(store), FakeMailApi(), threads)
    with clocked(seconds):
        rig.hear(flow, event, everywhere=everywhere)
    assert (len(store.outbox), len(store.history)) == (0, count)


def _profile(count: int) -> dict[str, float]:
    """Share out the processor's time of the same work, one mail after the other."""
    rows = rig.rows_of(rig.mails_of(count))
    sender = rig.deliver(rig.Tables.memory(rig.in_memory(rows)), FakeMailApi()).sender

    def send() -> None:
        for row in rows:
            assert sender.send(row, LONG_AGO, time.time() + 600) is Result.SENT

    return profiled.shares(send, PARTS)


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Log as a function does, where nobody reads it."""
    handlers, level, known = logging.root.handlers[:], logging.root.level, structlog.get_config()
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        logs.configure()
        try:
            yield
        finally:
            structlog.configure(**known)
            logging.root.handlers, logging.root.level = handlers, level

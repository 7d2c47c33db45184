"""What deliver itself costs a mail, warm: event read, claimed, checked, called, settled, with tables in memory.

The tables and the mail API are the fakes of `outbox.testing`, which answer at once; log lines are written as in Lambda,
to nowhere. The fakes' own work is in the figure: they copy each row they take or give.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from outbox.adapters import logs
from outbox.testing import FakeMailApi
from tests.bench import rig
from tests.bench.effort import Effort, clocked


def measure(effort: Effort) -> dict[str, Any]:
    """Measure a batch of 100 with the threads of a function, and with one."""
    effort.say("overhead of deliver")
    figures = {name: _overhead(threads, effort) for name, threads in (("us", rig.THREADS), ("one_thread_us", 1))}
    return {"batch": effort.pick(100, 10), "threads": rig.THREADS, **figures}


def _overhead(threads: int, effort: Effort) -> float:
    """Give the microseconds a mail, of the middle batch of many."""
    count, seconds = effort.pick(100, 10), list[float]()
    mails = rig.mails_of(count)
    with _logging():
        for _ in range(effort.pick(10 * effort.runs, 2)):
            rows = rig.rows_of(mails)
            store, event = rig.in_memory(rows), rig.event_of(rows)
            flow = rig.deliver(rig.Tables.memory(store), FakeMailApi(), threads)
            with clocked(seconds):
                rig.hear(flow, event)
            assert (len(store.outbox), len(store.history)) == (0, count)
    return round(sorted(seconds)[len(seconds) // 2] / count * 1e6)


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

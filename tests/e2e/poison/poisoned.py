"""The deployed functions with a reader that kills or hangs them on a row whose subject is `poison`.

A function whose handler is `poisoned.deliver` or `poisoned.dispatch` finds this module by PYTHONPATH. POISON says what
its reader does, `kill` or `hang`; each reading of the row is noted in the file POISON_READS, with its moment.
"""

import importlib
import os
import signal
import time
from datetime import timedelta
from typing import Any

from outbox.core import backoff, row, transitions
from outbox.flows import dispatch as dispatching
from outbox.flows import lease, send, worker_pool
from outbox.wiring import sending

# All clocks here are one clock, and five seconds are a hang.
transitions.CLOCKS_APART = timedelta(seconds=1.5)
# A claim takes over a `due_at` that is a little later than its lease; here the lease alone counts.
transitions.LOST_EVENT = timedelta(seconds=1)
worker_pool.LONGEST_READING = 5.0
send.SETTLING = 1.0
lease.SECONDS, dispatching.RENEWED_EVERY = 5.0, timedelta(seconds=1)
backoff.SHORTEST, backoff.LONGEST = 2.0, 10.0
# Still longer than a call and its settling; the settings allow none that is shorter than it was before.
_whole = sending.load
sending.load = lambda kind: _whole(kind).model_copy(update={"lease_seconds": 10.0})  # type: ignore[assignment]

_read = row.mail_of


def _mail_of(item: Any) -> Any:
    if item.get("subject") == "poison":
        with open(os.environ["POISON_READS"], "a") as reads:  # noqa: PTH123
            reads.write(f"{time.time()}\n")
        if os.environ["POISON"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(3600)
    return _read(item)


row.mail_of = _mail_of


def deliver(event: Any, context: Any) -> Any:
    return importlib.import_module("deliver").handler(event, context)


def dispatch(event: Any, context: Any) -> Any:
    return importlib.import_module("dispatch").handler(event, context)

"""A row is read as a mail; and which threads do that just now, and since when.

Reading a mail and making its request takes milliseconds, whatever the row holds. A thread that does so for many seconds
is hung, and nobody waits for it. All other steps of a mail are calls, which have time-outs of their own.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from outbox.core.errors import RowBroken
from outbox.core.mail import Mail
from outbox.core.message import Message
from outbox.core.ports import Files
from outbox.core.row import Row
from outbox.flows.files import complete
from outbox.flows.reach import within_reach

log = structlog.get_logger()

# By the identity of the thread; each writes its own entry only.
_since: dict[int, float] = {}


@contextmanager
def reading() -> Iterator[None]:
    """Note that this thread reads the content of a mail until the block ends."""
    thread = threading.get_ident()
    _since[thread] = time.monotonic()
    try:
        yield
    finally:
        del _since[thread]


def seconds(thread: int) -> float:
    """Tell for how long a thread has been reading; 0 if it does not."""
    since = _since.get(thread)
    return 0.0 if since is None else time.monotonic() - since


def read(files: Files, row: Row) -> Mail:
    """Make the mail of a row. Raises `RowBroken`, also for content that nobody thought of; `TryLater`, `FileLost`."""
    with within_reach():
        whole = complete(files, row)
    try:
        with reading():
            return whole.mail()
    except RowBroken:
        raise
    except Exception as error:
        log.exception("mail.unreadable", id=row.id)
        raise RowBroken("row", Message("rule.reading-failed", kind=type(error).__name__)) from error

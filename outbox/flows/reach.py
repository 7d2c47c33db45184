"""A bucket that does not answer, or answers slowly, is a reason to wait and never the fault of a mail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import structlog

from outbox.core.errors import OutboxError, TryLater
from outbox.core.message import Message
from outbox.core.ports import Clock, Files

log = structlog.get_logger()


@contextmanager
def within_reach() -> Iterator[None]:
    """Take a bucket that does not answer for a reason to wait, not for the mail's fault. Raises `TryLater`."""
    try:
        yield
    except OutboxError:
        raise
    except Exception as error:
        log.exception("files.out_of_reach")
        raise TryLater(Message("files-unavailable", kind=type(error).__name__)) from error


@dataclass(frozen=True, slots=True)
class InTime:
    """A bucket that is read only until a moment (epoch seconds): a slow one must not outlast its worker."""

    files: Files
    clock: Clock
    latest: float

    def get(self, key: str) -> BinaryIO:
        """Open a stored file as a stream. Raises `FileLost`; `TryLater` past the moment, also while it is read."""
        self._check()
        return cast("BinaryIO", _Hurried(self.files.get(key), self._check))

    def _check(self) -> None:
        if self.clock().timestamp() > self.latest:
            raise TryLater(Message("files-slow"))


class _Hurried:
    """A stream that looks at the time before each piece."""

    def __init__(self, source: BinaryIO, check: Callable[[], None]) -> None:
        self._source, self._check = source, check

    def read(self, count: int = -1) -> bytes:
        self._check()
        return self._source.read(count)

    def close(self) -> None:
        self._source.close()

"""Carries batches out in the background of this process, while people look at other pages."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from outbox.core.errors import OutboxError
from outbox.core.message import message_of
from outbox.core.text import shorten
from outbox.flows.batch import Batches

log = structlog.get_logger()

# Each has sixteen threads of its own; what comes on top waits for its turn.
AT_ONCE = 3
# What went wrong is remembered of so many batches.
REMEMBERED = 50
LONGEST_TROUBLE = 500


class Runner(Protocol):
    """Carries batches out somewhere else than in the request that asked for it."""

    def run(self, batch: str, who: str = "") -> None:
        """Carry a batch out, or on, as soon as there is a hand free; one that is in hand already is left there.

        `who`: the person who continues it.
        """

    def has(self, batch: str) -> bool:
        """Tell whether a batch is in hand here: being run, or waiting for its turn."""

    def trouble(self, batch: str) -> str:
        """Say what ended the last run of a batch here before its time; empty if nothing did."""

    def close(self) -> None:
        """Stop what runs, as a person would, and take nothing more; it can be continued."""


@dataclass(slots=True)
class ThreadRunner:
    """Runs batches in threads; `make` gives what runs one, anew for each."""

    make: Callable[[], Batches]
    at_once: int = AT_ONCE
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor | None = None
    _in_hand: set[str] = field(default_factory=set)
    _troubles: dict[str, str] = field(default_factory=dict)

    def run(self, batch: str, who: str = "") -> None:
        """Carry a batch out, or on, as soon as there is a hand free; one that is in hand already is left there."""
        with self._lock:
            if self._ending.is_set() or batch in self._in_hand:
                return
            self._pool = self._pool or ThreadPoolExecutor(self.at_once, "batch")
            self._in_hand.add(batch)
            self._troubles.pop(batch, None)
            self._pool.submit(self._run, batch, who)

    def has(self, batch: str) -> bool:
        """Tell whether a batch is in hand here: being run, or waiting for its turn."""
        with self._lock:
            return batch in self._in_hand

    def trouble(self, batch: str) -> str:
        """Say what ended the last run of a batch here before its time; empty if nothing did."""
        with self._lock:
            return self._troubles.get(batch, "")

    def close(self) -> None:
        """Stop what runs, as a person would, and take nothing more; it can be continued."""
        self._ending.set()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        with self._lock:
            self._in_hand.clear()

    def _run(self, batch: str, who: str) -> None:
        trouble = ""
        try:
            self.make().run(batch, stopping=self._ending.is_set, who=who)
        except OutboxError as error:
            trouble = message_of(error)
        except Exception as error:
            log.exception("console.batch", batch=batch)
            trouble = shorten(f"{type(error).__name__}: {error}", LONGEST_TROUBLE)
        with self._lock:
            self._in_hand.discard(batch)
            if trouble:
                self._troubles[batch] = trouble
                for oldest in [*self._troubles][:-REMEMBERED]:
                    del self._troubles[oldest]

"""One run of a batch: pages of rows to threads, and after each page the item says how far it has come.

Before a page is touched its ids are written down as `open`. Whoever continues after a crash looks at those first: what
names the batch was done and is counted, the rest is done now. So the counts are exact as well.
"""

import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import structlog

from outbox.core import clock
from outbox.core.errors import OutboxError
from outbox.core.message import Message
from outbox.core.ports import Clock, Register
from outbox.core.row import Item, whole
from outbox.core.text import shorten
from outbox.flows.batch_report import (
    DONE,
    LEASE,
    RUNNING,
    STOPPED,
    BatchBusy,
    BatchOver,
    Progress,
    Report,
    alive,
    reasons_of,
    reasons_stored,
)
from outbox.flows.batch_row import DONE as ROW_DONE
from outbox.flows.batch_row import EARLIER, Deed
from outbox.flows.bulk_write import Judge

log = structlog.get_logger()

T = TypeVar("T")

# The lease is renewed so often, in seconds.
BEAT = 1.0
# Tries of what meets throttling: some ten seconds in all.
ROW_TRIES, FIRST_PAUSE = 8, 0.1
# So many rows that fail to be written, and the run ends: the rest would fare no better.
MOST_FAILED = 100
MOST_REASONS = 30
TRIES = 20
OPEN, FAILED = "open", "failed"
OTHERS = Message("skipped.others")

Pages = Callable[[Any], Iterator[tuple[list[str], Any]]]


@dataclass(slots=True)
class Run:
    """Carries one batch out while it holds its lease."""

    register: Register
    clock: Clock
    pause: Callable[[float], None]
    batch: str
    name: str
    deed: Deed
    pages: Pages
    threads: int
    asked: Callable[[], bool]
    judge: Judge
    noted: Item = field(default_factory=dict)
    holder: str = field(default_factory=lambda: secrets.token_hex(6))
    item: Item = field(default_factory=dict)
    done: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    failed: int = 0
    trouble: str = ""
    halted: bool = False

    def __call__(self, progress: Progress) -> Report:
        """Go on until it is done, stopped, or rows fail one after another.

        Raises `BatchOver`, `BatchBusy`, and what the store refuses.
        """
        self._take()
        finished = False
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                finished = self._go(pool, progress)
        except BaseException:
            self.halted = True
            with suppress(Exception):
                # What is open stays written down; only the lease ends, so that it can be continued at once.
                self._save({"state": STOPPED, "lease": ""})
            raise
        state = DONE if finished and not self.left else STOPPED
        self._save({**self._counts(), "state": state, "open": self.left, "lease": ""})
        report = Report.of(self.batch, self.item, self.clock())
        log.info("batch.ended", batch=self.batch, state=state, done=self.done, failed=self.failed)
        progress(report)
        return report

    def _go(self, pool: ThreadPoolExecutor, progress: Progress) -> bool:
        """Go through what is open from before, then the pages; tell whether the end was reached."""
        if before := list(self.item.get("open", [])):
            self._page(pool, before, again=True)
        for ids, place in self.pages(self.item.get("place")):
            if self._stopping():
                return False
            self._save({**self._counts(), "open": [*self.left, *ids], "place": place})
            self._page(pool, ids, again=False)
            progress(Report.of(self.batch, {**self.item, **self._counts()}, self.clock()))
        return not self._stopping()

    def _page(self, pool: ThreadPoolExecutor, ids: Sequence[str], *, again: bool) -> None:
        futures: dict[Future[str], str] = {pool.submit(self._one, mail_id, again): mail_id for mail_id in ids}
        try:
            waiting = set(futures)
            while waiting:
                _, waiting = wait(waiting, BEAT)
                if waiting:
                    self._save({})
        except BaseException:
            self.halted = True
            raise
        for future, mail_id in futures.items():
            self._count(mail_id, future.result())

    def _count(self, mail_id: str, outcome: str) -> None:
        if outcome == ROW_DONE:
            self.done += 1
        elif outcome in (OPEN, FAILED):
            self.left.append(mail_id)
            self.failed += outcome == FAILED
        elif outcome != EARLIER:
            # Each row may be wrong in its own words; the item has room for some.
            known = outcome in self.skipped or len(self.skipped) < MOST_REASONS
            self.skipped[outcome if known else OTHERS] += 1

    def _one(self, mail_id: str, again: bool) -> str:  # noqa: FBT001  handed to a thread
        """Do one row; a store that throttles or is away is tried again for some seconds."""
        for attempt in range(ROW_TRIES):
            if self._stopping():
                return OPEN
            try:
                return self.deed(mail_id, again=again or attempt > 0)
            except Exception as error:
                if self.judge(error) == "refused":
                    # No other row would fare better: the rest of the page stays open, and the run ends.
                    self.halted = True
                    raise
                log.warning("batch.row", id=mail_id, attempt=attempt + 1, error=type(error).__name__)
                self.trouble = shorten(f"{type(error).__name__}: {error}", 300)
                self.pause(_backoff(attempt))
        return FAILED

    def _stopping(self) -> bool:
        self.halted = self.halted or self.failed >= MOST_FAILED or self.asked()
        return self.halted

    def _counts(self) -> dict[str, Any]:
        counts = {"done": self.done, "skipped": reasons_stored(self.skipped), "failed": self.failed}
        return counts | {"trouble": self.trouble if self.failed else ""}

    def _take(self) -> None:
        seen = patiently(lambda: self.register.get(self.name), self.pause, self.judge) or {}
        if seen.get("state") == DONE:
            raise BatchOver(Message("batch.over", batch=self.batch))
        new = {**seen, **self.noted, "state": RUNNING, "holder": self.holder, "lease": self._lease()}
        won, there = False, None
        if not alive(seen, self.clock()):
            won, there = self._swap(seen or None, new)
        won = won or (there or {}).get("holder") == self.holder
        if not won:
            raise BatchBusy(Message("batch.busy", batch=self.batch, seconds=LEASE.seconds))
        self.item = there or new
        self.done, self.skipped = whole(seen.get("done")), reasons_of(seen)

    def _save(self, changes: Mapping[str, Any]) -> None:
        """Write down how far it is, and renew the lease; hears of a stop by that. Raises `BatchBusy` if it is lost."""
        for _ in range(TRIES):
            new = {**self.item, "lease": self._lease(), **changes}
            won, there = self._swap(self.item, new)
            if won or there is None or there.get("holder") != self.holder:
                break
            self.item = there
            self.halted = self.halted or there.get("state") == STOPPED
        if not won or there is None:
            raise BatchBusy(Message("batch.taken-over", batch=self.batch))
        self.item = there

    def _swap(self, seen: Item | None, new: Item) -> tuple[bool, Item | None]:
        return patiently(lambda: self.register.swap(self.name, seen, new), self.pause, self.judge)

    def _lease(self) -> str:
        return clock.text(self.clock() + LEASE)


def retried(_error: Exception) -> Literal["unknown"]:
    """Judge nothing: every error is tried again."""
    return "unknown"


def update(
    register: Register,
    name: str,
    change: Callable[[Item | None], Item | None],
    pause: Callable[[float], None],
    judge: Judge = retried,
) -> None:
    """Change a shared item by compare and swap; None from `change` leaves it alone."""
    seen = patiently(lambda: register.get(name), pause, judge)
    for _ in range(TRIES):
        new = change(seen)
        if new is None:
            return
        won, seen = patiently(partial(register.swap, name, seen, new), pause, judge)
        if won:
            return


def patiently(call: Callable[[], T], pause: Callable[[float], None], judge: Judge = retried) -> T:
    """Try again for some seconds what a store that throttles, or is away, does not do; the last error is raised.

    What is refused, is raised at once.
    """
    for attempt in range(ROW_TRIES - 1):
        try:
            return call()
        except OutboxError:
            raise
        except Exception as error:
            if judge(error) == "refused":
                raise
            log.warning("batch.throttled", attempt=attempt + 1, error=type(error).__name__)
            pause(_backoff(attempt))
    return call()


def never() -> bool:
    """Ask for no stop."""
    return False


def _backoff(attempt: int) -> float:
    return FIRST_PAUSE * 2.0**attempt * random.uniform(0.5, 1)  # noqa: S311  no secret

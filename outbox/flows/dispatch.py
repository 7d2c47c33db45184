"""Rows whose time has come -> mail API: scheduled, backoff, lost doorbell, worker that died."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from outbox.core import moves, places
from outbox.core.change import Patch, seen
from outbox.core.errors import Lost
from outbox.core.ports import Due
from outbox.core.row import Row
from outbox.core.states import DUE, IN_FLIGHT, PROBLEMS
from outbox.flows.explain import explain
from outbox.flows.send import Sender
from outbox.flows.write import write

log = structlog.get_logger()

PAGE = 100


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Works through what is due, urgent mail first; its cost follows what is due, not what is stored."""

    sender: Sender
    threads: int

    def __call__(self, deadline: float) -> dict[str, int]:
        """Send or explain everything due now until nothing is left or the time is up; count how it went.

        `deadline`: epoch seconds at which this worker ends. An index lags behind, and a row may resist (a store that
        is out of reach), so each entry is tried once a run: a run always ends.
        """
        counts: Counter[str] = Counter()
        tried: set[Due] = set()
        with ThreadPoolExecutor(max_workers=self.threads, thread_name_prefix="mail") as pool:
            while page := self._next_page(tried):
                tried.update(page)
                counts.update(pool.map(lambda due: self._look(due, deadline), page))
                if not self.sender.time_for_one(deadline):
                    log.info("dispatch.out_of_time", tried=len(tried))
                    break
        log.info("dispatch.done", **counts)
        return dict(counts)

    def _next_page(self, tried: set[Due]) -> list[Due]:
        for urgent in (True, False):
            if page := list(self._fresh(tried, urgent=urgent)):
                return page
        return []

    def _fresh(self, tried: set[Due], *, urgent: bool) -> Iterator[Due]:
        now = self.sender.clock()
        for lane in places.lanes(urgent=urgent):
            seen_here = sum(1 for due in tried if due.lane == lane)
            due_here = self.sender.store.due(lane, now, PAGE + seen_here)
            yield from [due for due in due_here if due not in tried][:PAGE]

    def _look(self, due: Due, deadline: float) -> str:
        try:
            return self._act(due, deadline)
        except Exception:
            log.exception("dispatch.failed", id=due.id)
            return "error"

    def _act(self, due: Due, deadline: float) -> str:
        item = self.sender.store.get(due.id)
        if item is None or item.get("due_at") != due.due_at:
            return "stale"
        row = Row(item)
        if row.status in DUE:
            return self.sender.send(item, deadline).name.lower()
        if row.status in IN_FLIGHT:
            return self._write(row, lambda: moves.expired(row, self.sender.clock(), self.sender.who))
        if row.status in PROBLEMS:
            return self._write(row, lambda: moves.filed(row, self.sender.clock(), self.sender.who))
        return "explained" if explain(self.sender.store, self.sender.clock, due.id, {}, self.sender.who) else "stale"

    def _write(self, row: Row, patch: Callable[[], Patch]) -> str:
        try:
            written = write(self.sender.store, row, seen(row.item, "revision", "status", "due_at"), patch())
        except Lost:
            return "stale"
        log.warning("row.set_aside", id=row.id, status=written.get("status"), error=written.get("error"))
        return str(written.get("status", "")).lower()

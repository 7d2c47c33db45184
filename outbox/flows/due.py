"""What is due, in the order it should go: urgent first, then by time; each entry once a minute."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

import structlog

from outbox.core import clock, places
from outbox.core.ports import Clock, Due, Store

log = structlog.get_logger()

PAGE = 50
# A run may last a quarter of an hour. A row that could not be handled is tried again as soon as the schedule would.
AGAIN_AFTER = timedelta(minutes=1)
# Urgent mail is looked for so often: its lanes are eight queries.
URGENT_EVERY = timedelta(seconds=0.2)


@dataclass(slots=True)
class DueRows:
    """Entries of the `due` index, of one of `parts` equal parts of its shards."""

    store: Store
    clock: Clock
    part: int = 0
    parts: int = 1
    tried: set[Due] = field(default_factory=set)
    _tried_before: set[Due] = field(default_factory=set)
    _since: datetime | None = None
    _no_urgent_at: datetime | None = None
    _bulk: deque[Due] = field(default_factory=deque)

    def next(self, count: int) -> tuple[list[Due], bool]:
        """Give up to so many entries of one kind, urgent ones if there are any, and whether they are urgent."""
        self._forget_the_old()
        if urgent := self._urgent():
            return self._hand_out(urgent[:count]), True
        if not self._bulk:
            self._bulk.extend(self._read(urgent=False))
        return self._hand_out([self._bulk.popleft() for _ in range(min(count, len(self._bulk)))]), False

    def never_due(self) -> list[Due]:
        """Give what a person's slip in `due_at` has put behind every moment."""
        lanes = (*places.lanes(urgent=True), *places.lanes(urgent=False))[self.part :: self.parts]
        return [entry for lane in lanes for entry in self.store.never_due(lane, PAGE)]

    def put_back(self, entries: list[Due], *, urgent: bool) -> None:
        """Take back entries for which there was no slot."""
        self.tried.difference_update(entries)
        self._tried_before.difference_update(entries)
        if not urgent:
            self._bulk.extendleft(reversed(entries))

    @property
    def backlog(self) -> bool:
        """Tell whether more is waiting than was asked for."""
        return bool(self._bulk)

    def _urgent(self) -> list[Due]:
        if clock.recent(self._no_urgent_at, self.clock(), URGENT_EVERY):
            return []
        found = self._read(urgent=True)
        # Where one was found there may be more.
        self._no_urgent_at = None if found else self.clock()
        return found

    def _forget_the_old(self) -> None:
        now = self.clock()
        if not clock.recent(self._since, now, AGAIN_AFTER):
            self._since, self._tried_before, self.tried = now, self.tried, set()

    def _hand_out(self, entries: list[Due]) -> list[Due]:
        self.tried.update(entries)
        return entries

    def _read(self, *, urgent: bool) -> list[Due]:
        found: list[Due] = []
        failures: list[Exception] = []
        for lane in (lanes := places.lanes(urgent=urgent)[self.part :: self.parts]):
            try:
                found += self._fresh(lane)
            except Exception as error:
                # One lane that cannot be read must not keep the others waiting.
                log.exception("due.lane_failed", lane=lane)
                failures.append(error)
        if failures and len(failures) == len(lanes):
            raise failures[0]
        return sorted(found, key=attrgetter("due_at", "id"))

    def _fresh(self, lane: str) -> Iterable[Due]:
        """Give entries not tried yet; an index that lags may still show what has been handled."""
        limit = PAGE
        while True:
            found = self.store.due(lane, self.clock(), limit)
            fresh = [entry for entry in found if entry not in self.tried and entry not in self._tried_before]
            if fresh or len(found) < limit:
                return fresh
            limit *= 2

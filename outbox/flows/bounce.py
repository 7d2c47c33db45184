"""Writes bounces down and, in the same step, what they mean for the address: once each, however often they come."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from outbox.core import bounce as bounces
from outbox.core.bounce import Bounce, Counts
from outbox.core.errors import Lost
from outbox.core.ports import BounceRecords, Clock, Suppressions
from outbox.core.suppression import SUPPRESSING, Rule, after_bounce

log = structlog.get_logger()

# Somebody else's write of the same address is what makes one lose; it cannot happen often in a row.
TRIES = 25


@dataclass(frozen=True, slots=True)
class RecordBounces:
    """Records the events of one call of the webhook; to record them again does nothing."""

    records: BounceRecords
    suppressions: Suppressions
    clock: Clock
    rule: Rule
    keep_days: int
    threads: int = 16

    def __call__(self, events: Sequence[object]) -> Counts:
        """Write all events down, those of one address in order by one thread; what is unreadable is kept as such.

        Raises an ExceptionGroup of what the store said when an event was not written down; all others were tried
        all the same, so the caller may ask for the whole lot again.
        """
        now = self.clock()
        by_address: dict[str, list[Bounce]] = {}
        for number, event in enumerate(events):
            bounce = bounces.read(event, number, now)
            by_address.setdefault(bounce.email or bounce.id, []).append(bounce)
        if not by_address:
            return Counts()
        with ThreadPoolExecutor(max_workers=min(self.threads, len(by_address))) as pool:
            answers = list(pool.map(self._record_all, by_address.values()))
        errors = [error for _, failed in answers for error in failed]
        if errors:
            kinds = sorted({type(error).__name__ for error in errors})
            log.error("bounce.not_recorded", events=len(events), failed=len(errors), errors=kinds)
            raise ExceptionGroup(f"{len(errors)} of {len(events)} events were not written down", errors)
        return _total([counts for counts, _ in answers])

    def _record_all(self, of_one_address: Sequence[Bounce]) -> tuple[Counts, list[Exception]]:
        recorded = known = unreadable = 0
        errors: list[Exception] = []
        for bounce in of_one_address:
            try:
                is_new = self._record(bounce)
            except Exception as error:  # noqa: BLE001  whatever the store raises: the others must still be tried
                errors.append(error)
                continue
            unreadable += bool(bounce.problem)
            recorded += is_new and not bounce.problem
            known += not is_new and not bounce.problem
        return Counts(recorded, known, unreadable), errors

    def _record(self, bounce: Bounce) -> bool:
        item, entry = bounce.item(self.keep_days), None
        for _ in range(TRIES):
            change = None
            if bounce.type in SUPPRESSING:
                entry = self.suppressions.get(bounce.email)
                new = after_bounce(entry, bounce, self.rule, self.clock())
                change = (entry, new) if new is not None else None
            try:
                return self.records.record(item, change)
            except Lost:
                continue
        raise Lost(entry)


def _total(counts: Sequence[Counts]) -> Counts:
    return Counts(
        sum(count.recorded for count in counts),
        sum(count.known for count in counts),
        sum(count.unreadable for count in counts),
    )

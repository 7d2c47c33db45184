"""Writes bounces down and, in the same step, what they mean for the address: once each, however often they come."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from outbox.core import bounce as bounces
from outbox.core.bounce import Bounce, Counts
from outbox.core.errors import Lost
from outbox.core.message import Language
from outbox.core.ports import BounceRecords, Clock, Suppressions
from outbox.core.row import Item
from outbox.core.suppression import SUPPRESSING, Rule, after_bounce

log = structlog.get_logger()

# Somebody else's write of the same address is what makes one lose; it cannot happen often in a row.
TRIES = 25
# Bounces of one address that are written in one step: a transaction takes 100 items.
TOGETHER = 90


@dataclass(frozen=True, slots=True)
class RecordBounces:
    """Records the events of one call of the webhook; to record them again does nothing."""

    records: BounceRecords
    suppressions: Suppressions
    clock: Clock
    rule: Rule
    keep_days: int
    threads: int = 16
    language: Language = "en"

    def __call__(self, events: Sequence[object]) -> Counts:
        """Write all events down, those of one address together and in order; what is unreadable is kept as such.

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
        counts: list[Counts] = []
        errors: list[Exception] = []
        for begin in range(0, len(of_one_address), TOGETHER):
            some = of_one_address[begin : begin + TOGETHER]
            try:
                counts.append(self._record(some))
            except Exception as error:  # noqa: BLE001  whatever the store raises: each must still be tried
                if len(some) > 1:
                    self._one_by_one(some, counts, errors)
                else:
                    errors.append(error)
        return _total(counts), errors

    def _one_by_one(self, some: Sequence[Bounce], counts: list[Counts], errors: list[Exception]) -> None:
        for bounce in some:
            try:
                counts.append(self._record([bounce]))
            except Exception as error:  # noqa: BLE001  as above
                errors.append(error)

    def _record(self, told: Sequence[Bounce]) -> Counts:
        """Write bounces of one address down in one step with its entry, leaving out those that are there already."""
        new = {bounce.id: bounce for bounce in told}
        lost: Lost | None = None
        for _ in range(TRIES):
            if not new:
                break
            try:
                known = self.records.record([bounce.item(self.keep_days) for bounce in new.values()], self._entry(new))
            except Lost as error:
                lost = error
                continue
            if not known:
                break
            new = {name: bounce for name, bounce in new.items() if name not in known}
        else:
            raise lost or AssertionError
        unreadable = sum(bool(bounce.problem) for bounce in told)
        recorded = sum(not bounce.problem for bounce in new.values())
        return Counts(recorded, len(told) - unreadable - recorded, unreadable)

    def _entry(self, new: Mapping[str, Bounce]) -> tuple[Item | None, Item] | None:
        """Give the entry of the address as it is and as these bounces make it; None when they change nothing."""
        heavy = [bounce for bounce in new.values() if bounce.email and bounce.type in SUPPRESSING]
        if not heavy:
            return None
        entry = self.suppressions.get(heavy[0].email)
        after, now = entry, self.clock()
        for bounce in heavy:
            after = after_bounce(after, bounce, self.rule, now, self.language) or after
        return (entry, after) if after is not None and after is not entry else None


def _total(counts: Sequence[Counts]) -> Counts:
    return Counts(
        sum(count.recorded for count in counts),
        sum(count.known for count in counts),
        sum(count.unreadable for count in counts),
    )

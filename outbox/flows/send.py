"""Claim a row, call the mail API, write down how it ended: the path of every mail.

    claim (one conditional write) -> call -> settle (one conditional write, or the move to history)

It may die at any arrow. Before the call: the lease runs out and the row shows up as UNKNOWN, since nobody can tell
that the call was not made. After the call: the same. After the settle: nothing is left to do.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

import structlog

from outbox.core import moves
from outbox.core.change import seen
from outbox.core.errors import (
    Lost,
    OutcomeUnknown,
    Problem,
    Rejected,
    RowBroken,
    Stop,
    TooLarge,
    TryLater,
)
from outbox.core.mail import Mail
from outbox.core.ports import Clock, Limiter, MailApi, Store, Switch
from outbox.core.row import Row
from outbox.flows import settle
from outbox.flows.write import write

log = structlog.get_logger()

# Time to settle after the call has ended, in seconds: retries of the store included.
SETTLING = 10.0


class Outcome(Enum):
    """How one try ended."""

    SENT = "sent"
    FAILED = "failed"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    STALE = "stale"
    NO_TIME = "no time"


@dataclass(frozen=True, slots=True)
class Sender:
    """One worker's way to send; shared by its threads, holds nothing between two mails."""

    store: Store
    api: MailApi
    clock: Clock
    switch: Switch
    limiter: Limiter
    who: str
    lease_seconds: float
    keep_days: int

    def send(self, item: Mapping[str, Any], deadline: float) -> Outcome:
        """Send the mail of a row if the row is still as seen. `deadline`: epoch seconds at which this worker ends."""
        if not self.time_for_one(deadline) or self.switch.stopped() or not self._booked(item):
            return Outcome.NO_TIME
        try:
            row = self._claim(item)
        except Lost:
            return Outcome.STALE
        except TooLarge:
            return self._no_room(str(item["id"]))
        outcome = self._call(row, deadline)
        log.info("mail.tried", id=row.id, outcome=outcome.name, attempts=row.attempts)
        return outcome

    def time_for_one(self, deadline: float) -> bool:
        """Tell whether a call begun now would end, and be written down, before the deadline."""
        return self.clock().timestamp() + self.api.longest_call + SETTLING <= deadline

    def _booked(self, item: Mapping[str, Any]) -> bool:
        return self.limiter.book(1, urgent=item.get("urgent") is True) == 1

    def _claim(self, item: Mapping[str, Any]) -> Row:
        lease = timedelta(seconds=self.lease_seconds)
        expect, patch = moves.claim(item, self.clock(), lease, secrets.token_hex(6))
        return Row(self.store.update(str(item["id"]), expect, patch))

    def _call(self, row: Row, deadline: float) -> Outcome:
        try:
            mail = row.mail()
        except RowBroken as broken:
            settle.write_if_mine(self.store, row, moves.unreadable(row, broken.problem, self.clock(), self.who))
            return Outcome.FAILED
        lease_end = row.due_at.timestamp() if row.due_at else 0.0
        # The claim itself may have taken long (retries of the store): look at the time again before the call.
        if not self.time_for_one(min(deadline, lease_end)):
            settle.write_if_mine(self.store, row, moves.given_back(row, self.clock()))
            return Outcome.NO_TIME
        return self._send(row, mail)

    def _send(self, row: Row, mail: Mail) -> Outcome:
        try:
            accepted = self.api.send(mail)
        except Rejected as error:
            settle.write_if_mine(self.store, row, moves.refused(row, str(error), self.clock(), self.who))
            return Outcome.FAILED
        except (TryLater, Stop) as error:
            settle.write_if_mine(self.store, row, moves.put_off(row, error, self.clock(), self.who))
            return Outcome.WAITING
        except OutcomeUnknown as error:
            settle.unknown(self.store, row, str(error), self.clock, self.who)
            return Outcome.UNKNOWN
        except Exception as error:
            log.exception("send.bug", id=row.id)
            settle.unknown(self.store, row, f"an unexpected {type(error).__name__}.", self.clock, self.who)
            return Outcome.UNKNOWN
        finished = moves.sent(row, accepted.delivery_id, self.clock(), self.keep_days, self.who)
        settle.sent(self.store, row, finished, self.clock, self.who)
        return Outcome.SENT

    def _no_room(self, mail_id: str) -> Outcome:
        """Put a row aside that has no room even for a claim; it was not sent."""
        current = self.store.get(mail_id)
        if current is None:
            return Outcome.STALE
        row = Row(current)
        problem = Problem("row", "is larger than the table takes (400 KB) with everything that is on it")
        try:
            row.mail()
        except RowBroken as broken:
            problem = broken.problem
        patch = moves.unreadable(row, problem, self.clock(), self.who)
        try:
            write(self.store, row, seen(current, "revision", "status"), patch)
        except Lost:
            return Outcome.STALE
        return Outcome.FAILED

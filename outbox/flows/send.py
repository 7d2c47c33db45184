"""Claim a row, call the mail API, write down how it ended: the path of every mail.

    claim (one conditional write) -> call -> settle (one conditional write, or the move to history)

It may die at any arrow. Before the call: the lease runs out and the row shows up as UNKNOWN, since nobody can tell
that the call was not made. After the call: the same. After the settle: nothing is left to do.
"""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import structlog

from outbox.core import transitions
from outbox.core.change import Patch, seen
from outbox.core.errors import (
    FileLost,
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
from outbox.core.mail_api import LONGEST_UPLOAD, MailApi
from outbox.core.ports import LONG_AGO, Checks, Clock, Files, Limiter, Store, Switch
from outbox.core.retention import Retention
from outbox.core.row import Item, Row
from outbox.core.states import Status
from outbox.core.text import shorten
from outbox.flows import settle
from outbox.flows.prepare import AlreadySent, Prepare, Suppressed
from outbox.flows.write import write

log = structlog.get_logger()

# Time to settle after the call has ended, in seconds: retries of the store included.
SETTLING = 15.0
# A call later than this after its slot would crowd those of other slots; it books anew.
LATEST = timedelta(seconds=0.5)
# A mail whose files or tables were slow looks for another slot this often, so many seconds apart.
SLOT_TRIES, SLOT_PAUSE = 20, 0.25
CROWDED = timedelta(seconds=5)


class Outcome(Enum):
    """How one try ended."""

    SENT = "sent"
    FAILED = "failed"
    WAITING = "waiting"
    IN_DOUBT = "in doubt"
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
    pause: Callable[[float], None]
    who: str
    lease_seconds: float
    keep: Retention
    look_up_window: timedelta
    checks: Checks
    files: Files

    def send(self, item: Item, slot: datetime, deadline: float) -> Outcome:
        """Send the mail of a row at its slot, if the row is still as seen.

        `deadline`: epoch seconds at which this worker ends. A slot that has gone by is not used: the row stays due.
        """
        self._wait_for(slot)
        if not self.time_for_one(deadline):
            return Outcome.NO_TIME
        if reason := self.switch.stopped():
            return self.postpone(item, "stopped", stopped_sentence(reason))
        try:
            self.api.ready()
        except Stop as error:
            # Before the claim: no mail must hang in SENDING because credentials are slow to come.
            self._tell_everybody(error)
            return self.postpone(item, "stopped", stopped_sentence(str(error)))
        try:
            row = self._claim(item)
        except Lost:
            return Outcome.STALE
        except TooLarge:
            return self._no_room(str(item["id"]))
        outcome = self._call(row, slot, deadline)
        log.info("mail.tried", id=row.id, outcome=outcome.name, attempts=row.attempts)
        return outcome

    def postpone(self, item: Item, error: str, sentence: str) -> Outcome:
        """Let a row wait for dispatch, if it is still as seen; nothing is counted against the mail."""
        if item.get("status") == Status.WAITING:
            return Outcome.WAITING
        expect, patch = transitions.postponed(item, self.clock(), error, sentence)
        try:
            self.store.update(str(item["id"]), expect, patch)
        except Lost:
            return Outcome.STALE
        except TooLarge:
            return self._no_room(str(item["id"]))
        return Outcome.WAITING

    def time_for_one(self, deadline: float) -> bool:
        """Tell whether a call begun now would end, and be written down, before the deadline."""
        return self.clock().timestamp() + self.api.longest_call + SETTLING <= deadline

    def _wait_for(self, slot: datetime) -> None:
        # A pause of nothing would still hand the processor to somebody else.
        if (seconds := (slot - self.clock()).total_seconds()) > 0:
            self.pause(seconds)

    def _claim(self, item: Item) -> Row:
        lease = timedelta(seconds=self.lease_seconds)
        expect, patch = transitions.claim(item, self.clock(), lease, secrets.token_hex(6))
        return Row(self.store.update(str(item["id"]), expect, patch))

    def _call(self, row: Row, slot: datetime, deadline: float) -> Outcome:
        with ExitStack() as stack:
            try:
                latest = min(deadline, _lease_end(row)) - self.api.longest_call - SETTLING
                row, mail = Prepare(self.checks, self.files, self.clock, latest)(row, stack)
                slot = self._slot_still_to_come(mail, slot)
            except AlreadySent as sent:
                settle.echo(self.store, row, sent.there, self.clock, self.who)
                return Outcome.STALE
            except (RowBroken, Suppressed, FileLost) as error:
                settle.write_if_mine(self.store, row, self._aside(row, error))
                return Outcome.FAILED
            except TryLater as error:
                settle.write_if_mine(self.store, row, transitions.put_off(row, error, self.clock(), self.who))
                return Outcome.WAITING
            except Exception as error:
                # Nothing has been called yet, and the row should say so while it can.
                log.exception("send.not_begun", id=row.id)
                why = TryLater(f"an unexpected {type(error).__name__}.")
                settle.write_if_mine(self.store, row, transitions.put_off(row, why, self.clock(), self.who))
                # The stream rings again, and alarms when that does not help.
                return Outcome.NO_TIME
            return self._send_in_time(row, mail, slot, deadline)

    def _aside(self, row: Row, error: RowBroken | Suppressed | FileLost) -> Patch:
        now = self.clock()
        if isinstance(error, RowBroken):
            return transitions.unreadable(row, error.problem, now, self.who)
        put_aside = transitions.suppressed if isinstance(error, Suppressed) else transitions.file_lost
        return put_aside(row, str(error), now, self.who)

    def _slot_still_to_come(self, mail: Mail, slot: datetime) -> datetime:
        """Book again for a mail that took its time to prepare: it would else come too late for its slot every time."""
        if not self._late(slot):
            return slot
        for _ in range(SLOT_TRIES):
            if slots := self.limiter.book(1, urgent=mail.urgent):
                self._wait_for(slots[0])
                return slots[0]
            self.pause(SLOT_PAUSE)
        return slot

    def _late(self, slot: datetime) -> bool:
        return slot is not LONG_AGO and self.clock() > slot + LATEST

    def _send_in_time(self, row: Row, mail: Mail, slot: datetime, deadline: float) -> Outcome:
        # The claim itself may have taken long (retries of the store): look at the time, and at the slot, once more.
        if self._late(slot):
            # Not due at once: nobody should take it, prepare it and come too late again, over and over.
            settle.write_if_mine(self.store, row, transitions.given_back(row, self.clock() + CROWDED))
            return Outcome.WAITING
        if not self.time_for_one(min(deadline, _lease_end(row)) - _uploading(mail)):
            settle.write_if_mine(self.store, row, transitions.given_back(row, self.clock()))
            return Outcome.NO_TIME
        return self._send(row, mail)

    def _send(self, row: Row, mail: Mail) -> Outcome:
        try:
            accepted = self.api.send(mail)
        except Rejected as error:
            settle.write_if_mine(self.store, row, transitions.refused(row, str(error), self.clock(), self.who))
            return Outcome.FAILED
        except (TryLater, Stop) as error:
            self._tell_everybody(error)
            settle.write_if_mine(self.store, row, transitions.put_off(row, error, self.clock(), self.who))
            return Outcome.WAITING
        except OutcomeUnknown as error:
            return self._in_doubt(row, str(error))
        except Exception as error:
            # A bug after the request may have left must not send twice.
            log.exception("send.bug", id=row.id)
            return self._in_doubt(row, f"an unexpected {type(error).__name__}.")
        # Should the store be out of reach now, this line is all that knows the id.
        log.info("mail.accepted", id=row.id, delivery_id=accepted.delivery_id)
        finished = transitions.sent(row, accepted.delivery_id, self.clock(), self.keep, self.who)
        settle.sent(self.store, row, finished, self.clock, self.who)
        if accepted.remaining == 0:
            self.limiter.hold_back(1.0 if accepted.wait is None else accepted.wait)
        return Outcome.SENT

    def _in_doubt(self, row: Row, doubt: str) -> Outcome:
        settle.doubtful(self.store, row, doubt, self.clock, self.who, self.look_up_window)
        return Outcome.IN_DOUBT

    def _tell_everybody(self, error: TryLater | Stop) -> None:
        """Let the other workers know what the API said; whether they hear it does not matter to this mail."""
        try:
            if isinstance(error, Stop):
                self.switch.trip(str(error), self.who, self._account())
            elif error.wait is not None:
                self.limiter.hold_back(error.wait)
        except Exception:
            log.exception("send.not_told")

    def _account(self) -> str:
        try:
            return self.api.account
        except Stop:
            return "none"

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
        patch = transitions.unreadable(row, problem, self.clock(), self.who)
        try:
            write(self.store, row, seen(current, "revision", "status"), patch)
        except Lost:
            return Outcome.STALE
        return Outcome.FAILED


def stopped_sentence(reason: str) -> str:
    """Say on a row that the line is stopped, and why."""
    reason = reason if reason.endswith((".", "!", "?")) else f"{reason}."
    return shorten(f"Nothing is being sent: {reason} It goes when the line is resumed.", 400)


def _uploading(mail: Mail) -> float:
    return LONGEST_UPLOAD if mail.attachments else 0.0


def _lease_end(row: Row) -> float:
    return row.due_at.timestamp() if row.due_at else 0.0

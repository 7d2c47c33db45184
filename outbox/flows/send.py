"""The path of a mail, read from top to bottom as it goes:

    claim ─▶ read ─▶ preflight ─▶ encode ─▶ call ─▶ outcome ─▶ transition ─▶ write

`claim` is one conditional write that gives the row as it is now. Everything up to `encode` may fail and nothing has
left: the mail is FAILED or deferred. `call` gives an outcome, or nobody knows. `settle` writes what `outcomes.decide`
makes of it, in one conditional write or the move to history.

It may die at any arrow. Before the write: the lease runs out, and the row is in doubt, since nobody can tell that the
call was not made; when that happens twice, it is left to a person. After the write: nothing is left to do.
"""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import structlog

from outbox.core import clock, transitions
from outbox.core.change import ABSENT, Expect, Patch, seen
from outbox.core.codes import ErrorCode
from outbox.core.errors import (
    AlreadySent,
    FileLost,
    Lost,
    MailApiError,
    NotEncodable,
    OutcomeUnknown,
    Problem,
    Rejected,
    RowBroken,
    Stop,
    Suppressed,
    TooLarge,
    TryLater,
)
from outbox.core.hand_edits import LEFT_AS
from outbox.core.mail import Mail
from outbox.core.mail_api import Accepted, MailApi, Request
from outbox.core.message import Language, Message, message_of
from outbox.core.outcomes import Called, GivenBack, Outcome, Terms
from outbox.core.ports import LONG_AGO, Checks, Clock, Files, Limiter, Store, Switch
from outbox.core.row import Item, Row
from outbox.core.states import Status, parse
from outbox.core.transitions import Stamp
from outbox.flows.preflight import check_recipients, open_files
from outbox.flows.reach import InTime
from outbox.flows.reading import read, reading
from outbox.flows.settle import settle
from outbox.flows.write import write

log = structlog.get_logger()

# Time to settle after the call has ended, in seconds: retries of the store included.
SETTLING = 15.0
# A call later than this after its slot would crowd those of other slots; it books anew.
LATEST = timedelta(seconds=0.5)
# A mail whose files or tables were slow looks for another slot this often, so many seconds apart.
SLOT_TRIES, SLOT_PAUSE = 20, 0.25
CROWDED = timedelta(seconds=5)


class Result(Enum):
    """How one try ended, for whoever counts them."""

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
    terms: Terms
    checks: Checks
    files: Files
    language: Language = "en"

    def send(self, item: Item, slot: datetime, deadline: float) -> Result:
        """Send the mail of a row at its slot, if the row is still as seen.

        `deadline`: epoch seconds at which this worker ends. A slot that has gone by is not used: the row stays due.
        """
        self._wait_for(slot)
        if not self.time_for_one(deadline):
            return Result.NO_TIME
        if (paused := self._paused()) is not None:
            return self.postpone(item, ErrorCode.PAUSED, why=paused)
        try:
            row = self._claim(item)
        except Lost:
            return Result.STALE
        except TooLarge:
            return self._no_room(str(item["id"]))
        with ExitStack() as files_open:
            row, outcome = self._try(row, slot, deadline, files_open)
        try:
            settle(self.store, row, outcome, self.clock, self.stamp(), self.terms)
        finally:
            self._tell_other_workers(outcome)
        result = _result(outcome)
        log.info("mail.tried", id=row.id, outcome=result.name, attempts=row.attempts)
        return result

    # --- claim ---

    def _claim(self, item: Item) -> Row:
        lease = timedelta(seconds=self.lease_seconds)
        expect, patch = transitions.claim(item, self.clock(), lease, secrets.token_hex(6))
        return Row(self.store.update(str(item["id"]), expect, patch))

    # --- read, preflight, encode: nothing has left ---

    def _try(self, row: Row, slot: datetime, deadline: float, files_open: ExitStack) -> tuple[Row, Outcome]:
        """Give how the try of a claimed row ends, and the row as the call saw it: who was left out stands on it."""
        try:
            mail = read(self.files, row)
            row, mail = check_recipients(row, mail, self.checks, self.clock, self.language)
            mail = open_files(mail, self._files_in_time(row, deadline), files_open)
            request = self._encode(mail)
            slot = self._slot_still_to_come(mail, slot)
        except RowBroken as broken:
            return row, self._left_before(row) or broken
        except (AlreadySent, NotEncodable, Suppressed, FileLost, TryLater) as outcome:
            return row, outcome
        except Exception as error:
            # A bug of ours: nothing has been called yet, and the row should say so while it can.
            log.exception("send.not_begun", id=row.id)
            return row, TryLater(Message("unexpected", kind=type(error).__name__))
        # The claim and the files may have taken long (retries of the store): look at slot and time once more.
        if self._late(slot):
            # Not due at once: nobody should take it, read it and come too late again, over and over.
            return row, GivenBack(self.clock() + CROWDED)
        if not self.time_for_one(min(deadline, _lease_end(row)) - request.upload_seconds):
            return row, GivenBack(self.clock(), no_time=True)
        return row, self._call(row, request)

    def _left_before(self, row: Row) -> AlreadySent | None:
        """Find out whether history has the mail of a broken row: an attribute saved after it has left makes one."""
        try:
            there = self.store.get_finished(row.id)
        except Exception:
            log.exception("send.tables_out_of_reach", id=row.id)
            return None
        return AlreadySent(there) if there else None

    def _files_in_time(self, row: Row, deadline: float) -> InTime:
        """Give the bucket, until there would be no time left for the call."""
        return InTime(self.files, self.clock, min(deadline, _lease_end(row)) - self.api.longest_call - SETTLING)

    def _encode(self, mail: Mail) -> Request:
        try:
            with reading():
                return self.api.encode(mail)
        except NotEncodable:
            raise
        except Exception as error:
            raise NotEncodable(type(error).__name__) from error

    # --- call ---

    def _call(self, row: Row, request: Request) -> Called:
        try:
            accepted = self.api.send(request)
        except MailApiError as outcome:
            return _called(outcome)
        except Exception as error:
            # A bug after the request may have left must not send twice.
            log.exception("send.bug", id=row.id)
            return OutcomeUnknown(Message("unexpected", kind=type(error).__name__))
        # Should the store be out of reach now, this line is all that knows the id.
        log.info("mail.accepted", id=row.id, delivery_id=accepted.delivery_id)
        return accepted

    def _tell_other_workers(self, outcome: Outcome) -> None:
        """Let the other workers know what the API said; whether they hear it does not matter to this mail."""
        try:
            match outcome:
                case Stop():
                    self.switch.trip(message_of(outcome), self.who, self._account())
                case Accepted(remaining=0) | TryLater(wait=float() | int()):
                    self.limiter.hold_back(1.0 if outcome.wait is None else outcome.wait)
                case _:
                    pass
        except Exception:
            log.exception("send.not_told")

    def _account(self) -> str:
        try:
            return self.api.account
        except Stop:
            return "none"

    # --- before a claim: time, slot, pause ---

    def time_for_one(self, deadline: float) -> bool:
        """Tell whether a call begun now would end, and be written down, before the deadline."""
        return self.clock().timestamp() + self.api.longest_call + SETTLING <= deadline

    def _paused(self) -> str | None:
        """Say why nothing may be sent now; no mail must hang in SENDING because credentials are slow to come."""
        if (why := self.switch.stopped()) is not None:
            return why
        try:
            self.api.ready()
        except Stop as outcome:
            self._tell_other_workers(outcome)
            return message_of(outcome)
        return None

    def _wait_for(self, slot: datetime) -> None:
        # A pause of nothing would still hand the processor to somebody else.
        if (seconds := (slot - self.clock()).total_seconds()) > 0:
            self.pause(seconds)

    def _slot_still_to_come(self, mail: Mail, slot: datetime) -> datetime:
        """Book again for a mail whose files or tables were slow: it would come too late for its slot every time."""
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

    # --- rows that are not tried ---

    def postpone(self, item: Item, error: ErrorCode, **details: Any) -> Result:  # noqa: ANN401  a code's parameters
        """Let a row wait for dispatch, if it is still as seen; no attempt is counted, and it is not read."""
        if parse(item.get("status")) is Status.WAITING:
            return Result.WAITING
        return self._write_unread(item, *transitions.postponed(item, self.stamp(), error, details))

    def keep_send_at(self, item: Item) -> Result | None:
        """Obey a `send_at` that a person typed on a row to be sent now: wait for it, or say that it is no moment.

        None: there is none to come, and the mail goes now.
        """
        if item.get("send_at") in (None, "") or parse(item.get("status")) is Status.WAITING:
            return None
        now, send_at = self.clock(), clock.typed(item["send_at"])
        if send_at is None:
            problems = [Problem("send_at", Message("rule.no-moment"))]
            patch = transitions.unreadable(Row(item), problems, self.stamp())
            expect = Expect({name: item.get(name, ABSENT) for name in ("revision", "status", "send_at")})
            result = self._write_unread(item, expect, patch.without("timeline", LEFT_AS))
            return Result.FAILED if result is Result.WAITING else result
        if send_at <= now:
            return None
        return self._write_unread(item, *transitions.scheduled_by_hand(item, send_at, self.stamp()))

    def stamp(self) -> Stamp:
        """Say who writes, when, and in which language."""
        return Stamp(self.clock(), self.who, self.language)

    def _write_unread(self, item: Item, expect: Expect, patch: Patch) -> Result:
        try:
            self.store.update(str(item["id"]), expect, patch)
        except Lost:
            return Result.STALE
        except TooLarge:
            return self._no_room(str(item["id"]))
        return Result.WAITING

    def _no_room(self, mail_id: str) -> Result:
        """Leave a row to a person that has no room even for a claim; it was not sent."""
        current = self.store.get(mail_id)
        if current is None:
            return Result.STALE
        row, stamp = Row(current), self.stamp()
        patch = transitions.unreadable(row, [Problem("row", Message("rule.row-too-large"))], stamp)
        try:
            # Written before it is read: without a claim, a death of its worker would not be counted.
            row = Row(write(self.store, row, seen(current, "revision", "status"), patch))
            with reading():
                row.mail()
        except RowBroken as broken:
            self._tell_more(row, transitions.unreadable(row, broken.problems, stamp).without("timeline"))
        except Lost:
            return Result.STALE
        except Exception:
            log.exception("mail.unreadable", id=row.id)
        return Result.FAILED

    def _tell_more(self, row: Row, patch: Patch) -> None:
        try:
            write(self.store, row, seen(row.item, "revision", "status"), patch)
        except Lost:
            log.info("row.changed_meanwhile", id=row.id)


def _called(error: MailApiError) -> Called:
    """Take a decision of the provider's for an outcome; one that says nothing of a mail leaves it in doubt."""
    if isinstance(error, (Rejected, TryLater, Stop, OutcomeUnknown)):
        return error
    return OutcomeUnknown(Message("unexpected", kind=type(error).__name__))


def _result(outcome: Outcome) -> Result:
    match outcome:
        case Accepted():
            return Result.SENT
        case OutcomeUnknown():
            return Result.IN_DOUBT
        case AlreadySent():
            return Result.STALE
        case GivenBack(no_time=True):
            return Result.NO_TIME
        case TryLater() | Stop() | GivenBack():
            return Result.WAITING
        case _:
            return Result.FAILED


def _lease_end(row: Row) -> float:
    return row.due_at.timestamp() if row.due_at else 0.0

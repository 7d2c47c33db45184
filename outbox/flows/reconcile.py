"""A mail in doubt -> the mail API's own records: found it is history, otherwise its policy decides in the end.

A hit is proof, a miss is only «not seen yet». A delivery belongs to one mail: those whose ids history has are other
mails; one younger than a lease may yet be claimed by the worker that got it as an answer, so it is left alone until
then; and the move to history marks the delivery as taken, so that of two mails of one content each finds its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from outbox.core import backoff, clock, places, transitions
from outbox.core.change import Patch, seen
from outbox.core.errors import AlreadySent, FileLost, Lost, NoRecords, NotAnswered, RowBroken, Stop, TryLater
from outbox.core.mail_api import Records, Seen
from outbox.core.message import Language, Message, message_of
from outbox.core.ports import LONG_AGO, Clock, Files, Limiter, Store
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.core.transitions import Stamp
from outbox.flows.reading import read
from outbox.flows.send import LATEST
from outbox.flows.settle import insert_history
from outbox.flows.write import finish, write

log = structlog.get_logger()

# When the rate has no room for a look, the mails themselves go first.
NO_ROOM = timedelta(seconds=10)
# An API that answers nothing for so long will not tell any more; then the policy decides.
GIVEN_UP = timedelta(hours=24)


class _NoSlot(Exception):
    """The rate has no room for another call now."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Looks for mails in doubt in the API's records, a call at a time within the rate."""

    store: Store
    records: Records
    limiter: Limiter
    clock: Clock
    pause: Callable[[float], None]
    who: str
    lease_seconds: float
    keep: Retention
    files: Files
    language: Language = "en"

    def __call__(self, row: Row, slot: datetime) -> str:
        """Look once for a CHECKING mail and write down what came of it; give the state it is in then, in lower case.

        `slot`: the moment of its first call, booked already.
        """
        if row.deaths >= transitions.MOST_DEATHS:
            return self._write(row, transitions.poisoned(row, row.deaths, self._stamp()))
        try:
            row = self._begun(row)
            patch = self._look(row, self._spender(slot))
        except Lost:
            return "stale"
        return "sent" if patch is None else self._write(row, patch)

    def _begun(self, row: Row) -> Row:
        """Note that the look begins, before the row is read: what kills its worker is counted. Raises `Lost`."""
        patch = transitions.look_begun(row, timedelta(seconds=self.lease_seconds), self._stamp())
        return Row(write(self.store, row, seen(row.item, "revision", "status"), patch))

    def _stamp(self) -> Stamp:
        return Stamp(self.clock(), self.who, self.language)

    def _write(self, row: Row, patch: Patch) -> str:
        try:
            written = write(self.store, row, seen(row.item, "revision", "status"), patch)
        except Lost:
            return "stale"
        log.info("mail.looked_up", id=row.id, status=written.get("status"))
        return str(written["status"]).lower()

    def _look(self, row: Row, spend: Callable[[], None]) -> Patch | None:  # noqa: PLR0911  a case an answer
        now = self.clock()
        # A person may have typed any moment.
        since = min(clock.parse(row.item.get("check_from")) or row.created_at or now, now)
        try:
            until = since + timedelta(seconds=self.lease_seconds)
            mail = read(self.files, row)
            return self._found(row, self.records.find(mail, since, until, self._is_other, spend), now)
        except Lost:
            raise
        except AlreadySent as sent:
            return transitions.left_the_outbox(row, sent.there, self._stamp())
        except RowBroken as broken:
            told = [{"field": problem.field, "rule": problem.rule} for problem in broken.problems]
            return self._undecided(row, "reconcile.unreadable", problems=told)
        except NoRecords as error:
            return self._undecided(row, "reconcile.no-records", why=message_of(error))
        except FileLost as error:
            return self._undecided(row, "reconcile.file-lost", why=message_of(error))
        except _NoSlot:
            return transitions.looked(row, now + NO_ROOM, "reconcile.no-slot", self._stamp(), counts=False)
        except (NotAnswered, TryLater, Stop) as error:
            return self._not_answered(row, error, now)
        except Exception as error:
            # A bug of ours, or a table that fails, is no death: the look ends, and the mail is looked for again.
            log.exception("reconcile.failed", id=row.id)
            return self._not_answered(row, NotAnswered(Message("unexpected", kind=type(error).__name__)), now)

    def _undecided(self, row: Row, code: str, **params: object) -> Patch:
        why = Message(code, doubt=transitions.doubt_of(row), **params)
        return transitions.undecided(row, why, self._stamp())

    def _found(self, row: Row, deliveries: Sequence[Seen], now: datetime) -> Patch | None:
        too_young = []
        for delivery in deliveries:
            ripe = delivery.created_at + timedelta(seconds=self.lease_seconds) + transitions.CLOCKS_APART
            if ripe > now:
                too_young.append(ripe)
            elif self._take(row, delivery.delivery_id, now):
                return None
        if too_young:
            return transitions.looked(row, min(too_young), "reconcile.too-young", self._stamp(), counts=False)
        until = clock.parse(row.item.get("check_until")) or now
        next_look = backoff.next_look(now, row.looks, until)
        if next_look is None:
            return self._undecided(row, "reconcile.never-seen", attempts=row.looks + 1)
        return transitions.looked(row, next_look, "reconcile.not-seen", self._stamp())

    def _take(self, row: Row, delivery_id: str, now: datetime) -> bool:
        """Move the mail to history as this delivery; False if another mail has taken it meanwhile.

        Raises `AlreadySent` when history has the mail: somebody saved an older version of it, and no look would end.
        """
        finished = transitions.found(row, delivery_id, Stamp(now, self.who, self.language), self.keep)
        try:
            finish(self.store, row.id, seen(row.item, "revision", "status"), finished, sole=True)
        except Lost as lost:
            if self._is_other(delivery_id):
                return False
            there = self.store.get_finished(row.id) if lost.finished else None
            if there is None:
                raise
            if there.get("status") == Status.SENT:
                # Whose this delivery is, a mail of the same content may still find out.
                raise AlreadySent(there) from None
            insert_history(self.store, finished, self.clock, self.who)
            raise AlreadySent(finished) from None
        log.info("mail.found", id=row.id, delivery_id=delivery_id)
        return True

    def _not_answered(self, row: Row, error: Exception, now: datetime) -> Patch:
        if isinstance(error, TryLater) and error.wait is not None:
            self.limiter.hold_back(error.wait)
        until = clock.parse(row.item.get("check_until")) or now
        if now >= until + GIVEN_UP:
            return self._undecided(row, "reconcile.never-answered", why=message_of(error))
        next_look = now + timedelta(seconds=backoff.wait_seconds(row.looks + 1))
        return transitions.looked(row, next_look, "reconcile.not-answered", self._stamp(), why=message_of(error))

    def _is_other(self, delivery_id: str) -> bool:
        taken = self.store.get_finished(places.delivery_mark(delivery_id)) is not None
        return taken or self.store.has_delivery(delivery_id)

    def _spender(self, slot: datetime) -> Callable[[], None]:
        """Make the step before each call: wait for its slot, the first of which is booked already if it is not over."""
        booked = [slot]

        def spend() -> None:
            slots: Sequence[datetime] = [booked.pop()] if booked else []
            if not slots or (slots[0] is not LONG_AGO and self.clock() > slots[0] + LATEST):
                # A thread that hung and goes on after all has no slot any more either.
                slots = self.limiter.book(1, urgent=False)
            if not slots:
                raise _NoSlot
            self.pause(max(0.0, (slots[0] - self.clock()).total_seconds()))

        return spend

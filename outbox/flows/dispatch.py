"""Rows whose time has come -> mail API, within the rate: scheduled, put off, over the rate, in doubt, left behind."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from outbox.core import clock, places, transitions
from outbox.core.change import Patch, seen
from outbox.core.doorbell import lost
from outbox.core.errors import Lost
from outbox.core.message import Message
from outbox.core.ports import Due, Register
from outbox.core.rate import URGENT_LOOK_AHEAD
from outbox.core.row import Row
from outbox.core.states import DUE, Status
from outbox.flows.daemon_executor import DaemonExecutor
from outbox.flows.due import DueRows
from outbox.flows.explain import explain
from outbox.flows.lease import Lease
from outbox.flows.reconcile import Reconcile
from outbox.flows.send import SETTLING, Sender
from outbox.flows.start import start
from outbox.flows.worker_pool import BEFORE, WorkerPool
from outbox.flows.write import write

log = structlog.get_logger()

# How long to wait, in seconds, when the line of slots is full, before looking at it (and for urgent mail) again.
FULL = 0.25
# While there is none at all, as after a 429, the waits grow to this: still less than the look-ahead of bulk mail.
FULL_FOR_LONG = 1.0
# Then one call asks whether the API takes mails again, before more are booked; nobody waits longer for its answer.
FIRST_ANSWER = 5.0
RENEWED_EVERY = timedelta(seconds=5)
# The schedule starts a dispatcher every minute; one of them comes while a run that ends soon may be taken over.
TAKEN_OVER_WITHIN = timedelta(seconds=75)
NEVER_DUE_EVERY = timedelta(minutes=1)
# Rows taken from the index at once, for each thread.
AT_ONCE = 4
# How it went with a row on which a worker died: it is to be tried alone.
SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Works through what is due, urgent mail first; its cost follows what is due, not what is stored.

    `parts`: how many dispatchers may work at once, each on its part of the index's shards.
    """

    sender: Sender
    reconcile: Reconcile
    register: Register
    start_dispatch: Callable[[], None]
    threads: int
    parts: int = 1
    pool: Callable[[int], Executor] = DaemonExecutor

    def __call__(self, deadline: float, *, helper: bool = False) -> dict[str, int]:
        """Send, look up or explain everything due until nothing is left or the time is up; count how it went.

        One worker at a time holds the lease of a part; one that has emptied its part goes on to the next free one, and
        one that finds all of them held ends at once. `deadline`: epoch seconds at which this worker ends. Each entry is
        tried once a minute, so a row that resists (an index that lags, a store out of reach) does not keep it going.
        A `helper`, which another dispatcher has started, starts none itself: no chain of starts gets long.
        """
        if not self._line_goes():
            return {"stopped": 1}
        counts: Counter[str] = Counter()
        busy = 0
        for part in self._in_turn():
            lease = Lease(self.register, self.sender.clock, f"dispatch-{part}")
            if not lease.take():
                busy += 1
                continue
            due = DueRows(self.sender.store, self.sender.clock, part, self.parts)
            run = self._work(lease, due, deadline, helper=helper)
            counts.update(run.counts)
            if run.out_of_time:
                break
        return {"busy": 1} if busy == self.parts else dict(counts)

    def _in_turn(self) -> list[int]:
        """Name the parts, another one first each second: one that never gets empty must not keep the others waiting."""
        first = int(self.sender.clock().timestamp()) % self.parts
        return [(first + number) % self.parts for number in range(self.parts)]

    def _work(self, lease: Lease, due: DueRows, deadline: float, *, helper: bool) -> "_Run":
        try:
            with self.pool(self.threads) as executor:
                seconds = deadline - self.sender.clock().timestamp()
                pool: WorkerPool[tuple[Due, str]] = WorkerPool(executor, self.threads, self.sender.clock, seconds)
                run = _Run(self, lease, due, pool, deadline, helped=helper or self.parts == 1)
                counts = run.until_done()
        finally:
            lease.free()
        log.info("dispatch.done", counts=counts)
        return run

    def _line_goes(self) -> bool:
        """Tell whether anything may be sent, ending a stop that was made for other credentials."""
        switch = self.sender.switch
        reason = switch.stopped()
        if reason is None:
            return True
        try:
            if switch.mend(self.sender.api.fresh_account()):
                return True
        except Exception:
            log.exception("dispatch.account")
        log.error("line.stopped", reason=reason)
        return False

    def act(self, entry: Due, slot: datetime, deadline: float, *, alone: bool) -> tuple[Due, str]:
        """Do for one row what its state asks for; give how it went in a word.

        `alone`: no other row on which a worker died is tried at this time.
        """
        try:
            return entry, self._act(entry, slot, deadline, alone=alone)
        except Exception:
            log.exception("dispatch.failed", id=entry.id)
            return entry, "error"

    def _act(self, entry: Due, slot: datetime, deadline: float, *, alone: bool) -> str:  # noqa: PLR0911  a case a state
        sender = self.sender
        item = sender.store.get(entry.id)
        if item is None or item.get("due_at") != entry.due_at:
            return "stale"
        row = Row(item)
        if lost(item) or not places.is_mail(entry.id):
            return "explained" if explain(sender.store, sender.stamp(), entry.id, None) else "stale"
        if not alone and self._is_suspect(row):
            return SUSPECT
        if row.status in DUE:
            # A person's `send_at`, whose event the stream has lost.
            result = sender.keep_send_at(item) or sender.send(item, slot, deadline)
            return result.name.lower()
        if row.status is Status.SENDING:
            return self._write(row, transitions.worker_died(row, sender.stamp(), sender.terms.window))
        if row.status is Status.CHECKING:
            return self.reconcile(row, slot) if sender.terms.window else self._undecided(row)
        return self._write(row, transitions.filed(row, sender.stamp()))

    @staticmethod
    def _is_suspect(row: Row) -> bool:
        """Tell whether a worker died with this row in its hands, and nobody has read it since."""
        if row.status is Status.CHECKING:
            return 0 < row.deaths < transitions.MOST_DEATHS and not row.looks
        return row.deaths > 0 and row.status in DUE

    def _undecided(self, row: Row) -> str:
        why = Message("reconcile.off", doubt=transitions.doubt_of(row))
        return self._write(row, transitions.undecided(row, why, self.sender.stamp()))

    def _write(self, row: Row, patch: Patch) -> str:
        try:
            written = write(self.sender.store, row, seen(row.item, "revision", "status", "due_at"), patch)
        except Lost:
            return "stale"
        log.warning("row.set_aside", id=row.id, status=written.get("status"), error=written.get("error"))
        return str(written.get("status", "")).lower()


@dataclass(slots=True)
class _Run:
    """One run of dispatch: books slots and hands rows to threads, never more than they can take."""

    dispatch: Dispatch
    lease: Lease
    due: DueRows
    pool: WorkerPool[tuple[Due, str]]
    deadline: float
    helped: bool
    counts: Counter[str] = field(default_factory=Counter)
    suspects: dict[str, Due] = field(default_factory=dict)
    suspect: Due | None = None
    yields_at: datetime = field(init=False)
    renewed_at: datetime | None = None
    never_due_at: datetime | None = None
    full: float = FULL
    out_of_time: bool = False

    def __post_init__(self) -> None:
        """Say from when on another dispatcher may take over: when little of the time to begin calls is left."""
        sender = self.dispatch.sender
        now, last = sender.clock(), self._last_booking() - sender.api.longest_call - SETTLING
        left = timedelta(seconds=max(0.0, last - now.timestamp()))
        self.yields_at = now + max(left / 2, left - TAKEN_OVER_WITHIN)

    def until_done(self) -> dict[str, int]:
        """Go on until nothing is due, the time is up, the line is stopped, all threads hang or the lease is lost."""
        try:
            while self._may_go_on():
                self._look_for_what_is_never_due()
                # Before all others: they would have taken every slot there is.
                self._hand_out_suspect()
                wanted = self.pool.room(1 if self.full == FULL_FOR_LONG else AT_ONCE * self.dispatch.threads)
                handed_out, left = self._hand_out(wanted) if wanted else (0, 0)
                self._count()
                if wanted and not handed_out and not left and self.pool.idle and not self.suspects:
                    break
                # With nothing under way a suspect can only be waiting for a slot.
                left += self.pool.idle and bool(self.suspects)
                self._wait(handed_out, left, all_handed_out=bool(wanted) and not left and not self.due.backlog)
        finally:
            # Also when a table fails: a call that nobody waits for would be in doubt.
            self.pool.wait_for_all()
            self._count()
        return dict(self.counts)

    def _count(self) -> None:
        for entry, word in self.pool.collect():
            if word == SUSPECT:
                self.suspects.setdefault(entry.id, entry)
                continue
            self._ended(entry.id)
            self.counts[word] += 1
        for abandoned in self.pool.abandoned():
            self._ended(abandoned.mail_id)
            self.counts["hung" if abandoned.begun else "not_begun"] += 1

    def _ended(self, mail_id: str) -> None:
        if self.suspect is not None and self.suspect.id == mail_id:
            self.suspect = None

    def _hand_out_suspect(self) -> None:
        """Try one row on which a worker died, if no other such row is under way.

        When a worker dies, every mail in its hands may be the cause. Tried one at a time, the innocent ones among them
        do not meet the poison again, and a second death tells which it is.
        """
        if self.suspect is not None or not self.suspects or not self.pool.room(1):
            return
        for slot in self.dispatch.sender.limiter.book(1, urgent=False):
            self.suspect = self.suspects.pop(next(iter(self.suspects)))
            self._submit(self.suspect, slot, alone=True)

    def _submit(self, entry: Due, slot: datetime, *, alone: bool = False) -> None:
        self.pool.submit(entry.id, slot, partial(self.dispatch.act, entry, slot, self.deadline, alone=alone))

    def _wait(self, handed_out: int, left: int, *, all_handed_out: bool) -> None:
        """Wait until there may be room again: in the line, or because a thread becomes free."""
        sender = self.dispatch.sender
        if left and not handed_out:
            sender.pause(self.full)
            self.full = min(2 * self.full, FULL_FOR_LONG)
            return
        was_full, self.full = self.full, FULL
        if was_full == FULL_FOR_LONG and handed_out:
            self.pool.wait_for_all(FIRST_ANSWER)
        elif self.pool.booked_until > sender.clock().timestamp() + FULL:
            # To book for each thread that becomes free meanwhile would be a write for each mail.
            self.pool.wait_for_all(FULL)
        else:
            self.pool.wait(FULL if all_handed_out else BEFORE)

    def _last_booking(self) -> float:
        # A slot booked now may lie that far ahead, and its call must still have time then.
        return self.deadline - URGENT_LOOK_AHEAD.total_seconds()

    def _may_go_on(self) -> bool:
        sender = self.dispatch.sender
        # A row given back for lack of time is due again at once: one is enough to know that the time is up.
        self.out_of_time = bool(self.counts["no_time"]) or not sender.time_for_one(self._last_booking())
        if self.out_of_time or self.pool.all_hang or sender.switch.stopped():
            return False
        now = sender.clock()
        if not clock.recent(self.renewed_at, now, RENEWED_EVERY):
            self.renewed_at = now
            return self.lease.take(self.yields_at)
        return True

    def _look_for_what_is_never_due(self) -> None:
        now = self.dispatch.sender.clock()
        if clock.recent(self.never_due_at, now, NEVER_DUE_EVERY):
            return
        self.never_due_at = now
        for entry in self.due.never_due():
            for slot in self.dispatch.sender.limiter.book(1, urgent=False):
                self._submit(entry, slot)

    def _hand_out(self, count: int) -> tuple[int, int]:
        """Start what there are slots for; tell how many that are and how many must wait for a slot."""
        entries, urgent = self.due.next(count)
        slots = self.dispatch.sender.limiter.book(len(entries), urgent=urgent) if entries else []
        for entry, slot in zip(entries, slots, strict=False):
            self._submit(entry, slot)
        self.due.put_back(entries[len(slots) :], urgent=urgent)
        self._call_for_help()
        return len(slots), len(entries) - len(slots)

    def _call_for_help(self) -> None:
        """Start the other dispatchers, once, when there is more to do."""
        if self.due.backlog and not self.helped:
            self.helped = True
            for _ in range(self.dispatch.parts - 1):
                if not start(self.dispatch.start_dispatch):
                    return

"""Rows whose time has come -> mail API, within the rate: scheduled, put off, over the rate, in doubt, left behind."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from outbox.core import places, transitions
from outbox.core.change import Patch, seen
from outbox.core.doorbell import lost
from outbox.core.errors import Lost
from outbox.core.message import Message
from outbox.core.ports import Due, Register
from outbox.core.rate import URGENT_LOOK_AHEAD
from outbox.core.row import Row
from outbox.core.states import DUE, Status
from outbox.flows.due import DueRows
from outbox.flows.explain import explain
from outbox.flows.lease import Lease
from outbox.flows.reconcile import Reconcile
from outbox.flows.send import Sender
from outbox.flows.write import write

log = structlog.get_logger()

# How long to wait, in seconds, when the line of slots is full, before looking at it (and for urgent mail) again.
FULL = 0.25
RENEWED_EVERY = timedelta(seconds=5)
# What a run that is worth going on with has done at least once.
PROGRESS = {"sent", "failed", "in_doubt", "checking", "unknown"}


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
    pool: Callable[[int], Executor] = ThreadPoolExecutor

    def __call__(self, deadline: float) -> dict[str, int]:
        """Send, look up or explain everything due until nothing is left or the time is up; count how it went.

        One worker at a time holds the lease of a part; one that has emptied its part goes on to the next free one, and
        one that finds all of them held ends at once. `deadline`: epoch seconds at which this worker ends. Each entry is
        tried once a run, so a row that resists (an index that lags, a store out of reach) does not keep it going.
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
            run = self._work(lease, DueRows(self.sender.store, self.sender.clock, part, self.parts), deadline)
            counts.update(run.counts)
            if run.out_of_time:
                break
        return {"busy": 1} if busy == self.parts else dict(counts)

    def _in_turn(self) -> list[int]:
        """Name the parts, another one first each second: one that never gets empty must not keep the others waiting."""
        first = int(self.sender.clock().timestamp()) % self.parts
        return [(first + number) % self.parts for number in range(self.parts)]

    def _work(self, lease: Lease, due: DueRows, deadline: float) -> "_Run":
        try:
            with self.pool(self.threads) as pool:
                run = _Run(self, lease, due, pool, deadline)
                counts = run.until_done()
        finally:
            lease.free()
        log.info("dispatch.done", counts=counts)
        if run.out_of_time and PROGRESS & counts.keys():
            # The next one goes on at once instead of at the next minute; only one that got somewhere starts another.
            self.start_dispatch()
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

    def act(self, entry: Due, slot: datetime, deadline: float) -> str:
        """Do for one row what its state asks for; give how it went in a word."""
        try:
            return self._act(entry, slot, deadline)
        except Exception:
            log.exception("dispatch.failed", id=entry.id)
            return "error"

    def _act(self, entry: Due, slot: datetime, deadline: float) -> str:
        sender = self.sender
        item = sender.store.get(entry.id)
        if item is None or item.get("due_at") != entry.due_at:
            return "stale"
        row = Row(item)
        if lost(item) or not places.is_mail(entry.id):
            return "explained" if explain(sender.store, sender.stamp(), entry.id, None) else "stale"
        if row.status in DUE:
            return sender.send(item, slot, deadline).name.lower()
        if row.status is Status.SENDING:
            return self._write(row, transitions.worker_died(row, sender.stamp(), sender.terms.window))
        if row.status is Status.CHECKING:
            return self.reconcile(row, slot) if sender.terms.window else self._undecided(row)
        return self._write(row, transitions.filed(row, sender.stamp()))

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
    pool: Executor
    deadline: float
    counts: Counter[str] = field(default_factory=Counter)
    under_way: set[Future[str]] = field(default_factory=set)
    renewed_at: datetime | None = None
    helped: bool = False
    out_of_time: bool = False

    def until_done(self) -> dict[str, int]:
        """Go on until nothing is due, the time is up, the line is stopped or the lease is lost."""
        for entry in self.due.never_due():
            for slot in self.dispatch.sender.limiter.book(1, urgent=False):
                self.counts[self.dispatch.act(entry, slot, self.deadline)] += 1
        while self._may_go_on():
            handed_out, left = self._hand_out()
            if not handed_out and not left and not self.under_way:
                break
            self._collect()
            if left and not handed_out:
                self.dispatch.sender.pause(FULL)
            elif not handed_out:
                wait(self.under_way, FULL, FIRST_COMPLETED)
        wait(self.under_way)
        self._collect()
        return dict(self.counts)

    def _may_go_on(self) -> bool:
        sender = self.dispatch.sender
        # A row given back for lack of time is due again at once: one is enough to know that the time is up.
        # A slot booked now may lie that far ahead, and its call must still have time then.
        last_booking = self.deadline - URGENT_LOOK_AHEAD.total_seconds()
        self.out_of_time = bool(self.counts["no_time"]) or not sender.time_for_one(last_booking)
        if self.out_of_time or sender.switch.stopped():
            return False
        now = sender.clock()
        if self.renewed_at is None or not self.renewed_at <= now < self.renewed_at + RENEWED_EVERY:
            self.renewed_at = now
            return self.lease.take()
        return True

    def _hand_out(self) -> tuple[int, int]:
        """Start what there are threads and slots for; tell how many that are and how many must wait for a slot."""
        entries, urgent = self.due.next(2 * self.dispatch.threads - len(self.under_way))
        slots = self.dispatch.sender.limiter.book(len(entries), urgent=urgent) if entries else []
        for entry, slot in zip(entries, slots, strict=False):
            self.under_way.add(self.pool.submit(self.dispatch.act, entry, slot, self.deadline))
        self.due.put_back(entries[len(slots) :], urgent=urgent)
        self._call_for_help()
        return len(slots), len(entries) - len(slots)

    def _call_for_help(self) -> None:
        """Start another dispatcher, once, when there is more to do and there may be more of us."""
        if self.dispatch.parts > 1 and self.due.backlog and not self.helped:
            self.helped = True
            self.dispatch.start_dispatch()

    def _collect(self) -> None:
        done = {future for future in self.under_way if future.done()}
        self.counts.update(future.result() for future in done)
        self.under_way -= done

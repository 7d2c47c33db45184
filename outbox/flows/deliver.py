"""Outbox stream -> mail API: answer the doorbells of a batch, several at once, within the rate."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from outbox.core import clock
from outbox.core.codes import ErrorCode
from outbox.core.doorbell import Ask, Doorbell
from outbox.core.ports import LONG_AGO
from outbox.core.rate import LOOK_AHEAD, URGENT_LOOK_AHEAD
from outbox.core.row import whole
from outbox.flows.daemon_executor import DaemonExecutor
from outbox.flows.explain import explain
from outbox.flows.send import Result, Sender
from outbox.flows.start import start
from outbox.flows.worker_pool import BEFORE, WorkerPool

log = structlog.get_logger()

# A slot that comes so soon shows that the threads hold up the batch, and not the line.
AT_ONCE = timedelta(seconds=0.3)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Sends what rings; what does not fit into the rate waits, and dispatch is started for it."""

    sender: Sender
    threads: int
    start_dispatch: Callable[[], None]

    def __call__(self, doorbells: Sequence[Doorbell], deadline: float) -> set[int]:
        """Answer all doorbells; give the positions of those to ring again (no time left, store out of reach).

        The doorbells of one mail are answered in order by one thread, so a stale one costs its failed claim and no
        more. `deadline`: epoch seconds at which this worker ends. A thread that hangs is not waited for: its row is
        found when its lease is over. Never raises.
        """
        by_mail: dict[str, list[int]] = {}
        for position, doorbell in enumerate(doorbells):
            by_mail.setdefault(doorbell.id, []).append(position)
        threads = max(1, min(self.threads, len(by_mail)))
        mails = [_Mail(positions[0], [doorbells[p] for p in positions]) for positions in by_mail.values()]
        with DaemonExecutor(threads) as executor:
            seconds = deadline - self.sender.clock().timestamp()
            batch = _Batch(self, WorkerPool(executor, threads, self.sender.clock, seconds), deadline)
            batch.hand_out(mails)
            results = batch.results()
        if any(Result.WAITING in result for result in results.values()):
            start(self.start_dispatch)
        return {position for position, result in results.items() if Result.NO_TIME in result}

    def answer(self, doorbells: Sequence[Doorbell], slot: datetime | None, deadline: float) -> set[Result]:
        """Answer the doorbells of one mail, in order; give how each ended. Never raises."""
        try:
            return {self._answer_one(doorbell, slot, deadline) for doorbell in doorbells}
        except Exception:
            log.exception("deliver.failed", id=doorbells[0].id)
            return {Result.NO_TIME}

    def _answer_one(self, doorbell: Doorbell, slot: datetime | None, deadline: float) -> Result:
        sender = self.sender
        if doorbell.ask is Ask.EXPLAIN:
            revision = whole(doorbell.seen.get("revision"))
            explain(sender.store, sender.stamp(), doorbell.id, doorbell.before, revision)
            return Result.STALE
        if (kept := sender.keep_send_at(doorbell.seen)) is not None:
            return Result.STALE if kept is Result.WAITING else kept
        if reason := sender.switch.stopped():
            # Not told apart from over the rate: while sending is paused there is nothing for dispatch to do.
            result = sender.postpone(doorbell.seen, ErrorCode.PAUSED, why=reason)
            return Result.STALE if result is Result.WAITING else result
        if slot is None:
            return sender.postpone(doorbell.seen, ErrorCode.OVER_RATE)
        result = sender.send(doorbell.seen, slot, deadline)
        if result is Result.NO_TIME and not _is_found_by_dispatch(doorbell):
            # A person's wish: the stream gives it up after a few tries.
            return sender.postpone(doorbell.seen, ErrorCode.NO_TIME)
        return result


def _is_found_by_dispatch(doorbell: Doorbell) -> bool:
    return clock.parse(doorbell.seen.get("due_at")) is not None


@dataclass(frozen=True, slots=True)
class _Mail:
    """The doorbells of one mail, in order; `position` is that of the first in its batch."""

    position: int
    doorbells: Sequence[Doorbell]

    @property
    def to_send(self) -> bool:
        return any(doorbell.ask is Ask.SEND for doorbell in self.doorbells)

    @property
    def urgent(self) -> bool:
        return self.doorbells[0].seen.get("urgent") is True

    @property
    def found_by_dispatch(self) -> bool:
        return all(map(_is_found_by_dispatch, self.doorbells))


class _Batch:
    """One batch of doorbells: books slots as threads become free, and lets wait what is over the rate."""

    def __init__(self, deliver: Deliver, pool: WorkerPool[tuple[int, set[Result]]], deadline: float) -> None:
        self._deliver, self._sender, self._pool, self._deadline = deliver, deliver.sender, pool, deadline
        self._began = self._sender.clock()
        self._mails: dict[str, _Mail] = {}
        self._results: dict[int, set[Result]] = {}

    def hand_out(self, mails: Sequence[_Mail]) -> None:
        """Hand every mail to a thread, urgent ones first, or note that it has to ring again."""
        self._mails = {mail.doorbells[0].id: mail for mail in mails}
        urgent, bulk = deque[_Mail](), deque[_Mail]()
        for mail in mails:
            if mail.to_send:
                (urgent if mail.urgent else bulk).append(mail)
            else:
                self._hand_out(mail, None)
        try:
            self._send(urgent)
            self._send(bulk)
        except Exception:
            log.exception("deliver.no_slots")
            self._results.update((mail.position, {Result.NO_TIME}) for mail in (*urgent, *bulk))

    def results(self) -> dict[int, set[Result]]:
        """Give how it went for each mail, by position, once all threads have ended or are abandoned."""
        self._pool.wait_for_all()
        self._results.update(self._pool.collect())
        for abandoned in self._pool.abandoned():
            mail = self._mails[abandoned.mail_id]
            # To ring for a claimed row again would be in vain, and the records behind it would come again with it.
            again = not abandoned.begun or not mail.found_by_dispatch
            self._results[mail.position] = {Result.NO_TIME} if again else set()
        return self._results

    def _send(self, waiting: deque[_Mail]) -> None:
        """Send mails of one kind, taking them from `waiting`; those the rate has no room for are made to wait."""
        room_left = True
        while waiting and room_left and not self._sender.switch.stopped():
            if self._pool.all_hang or not self._sender.time_for_one(self._deadline):
                # No slot is booked for what cannot be sent any more, and none of it is sent without one.
                self._deadline = 0.0
                self._hand_out_all(waiting, LONG_AGO)
            elif free := self._pool.room(len(waiting)):
                room_left = self._book(free, waiting)
            else:
                self._pool.wait(BEFORE)
                self._results.update(self._pool.collect())
        self._hand_out_all(waiting, None)

    def _book(self, count: int, waiting: deque[_Mail]) -> bool:
        """Hand out as many mails as get a slot; tell whether the line has room for more of this batch."""
        urgent = waiting[0].urgent
        slots = self._sender.limiter.book(count, urgent=urgent)
        for slot in slots:
            self._hand_out(waiting.popleft(), slot)
        # A batch does not sit on a long line: what comes behind it in the stream would wait with it.
        farthest = self._began + (URGENT_LOOK_AHEAD if urgent else LOOK_AHEAD)
        return len(slots) == count and slots[-1] <= max(farthest, self._sender.clock() + AT_ONCE)

    def _hand_out_all(self, waiting: deque[_Mail], slot: datetime | None) -> None:
        while waiting:
            self._hand_out(waiting.popleft(), slot)

    def _hand_out(self, mail: _Mail, slot: datetime | None) -> None:
        self._pool.submit(mail.doorbells[0].id, slot, self._answered, mail, slot)

    def _answered(self, mail: _Mail, slot: datetime | None) -> tuple[int, set[Result]]:
        return mail.position, self._deliver.answer(mail.doorbells, slot, self._deadline)

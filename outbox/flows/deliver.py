"""Outbox stream -> mail API: answer the doorbells of a batch, several at once, within the rate."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import structlog

from outbox.core import clock
from outbox.core.codes import ErrorCode
from outbox.core.doorbell import Ask, Doorbell
from outbox.flows.explain import explain
from outbox.flows.send import Result, Sender

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deliver:
    """Sends what rings; what does not fit into the rate waits, and dispatch is started for it."""

    sender: Sender
    threads: int
    start_dispatch: Callable[[], None]

    def __call__(self, doorbells: Sequence[Doorbell], deadline: float) -> set[int]:
        """Answer all doorbells; give the positions of those to ring again (no time left, store out of reach).

        The doorbells of one mail are answered in order by one thread, so a stale one costs its failed claim and no
        more. `deadline`: epoch seconds at which this worker ends. Never raises.
        """
        by_mail: dict[str, list[int]] = {}
        for position, doorbell in enumerate(doorbells):
            by_mail.setdefault(doorbell.id, []).append(position)
        try:
            slots = self._slots([[doorbells[position] for position in positions] for positions in by_mail.values()])
        except Exception:
            log.exception("deliver.no_slots")
            return {positions[0] for positions in by_mail.values()}
        with ThreadPoolExecutor(max_workers=max(1, min(self.threads, len(by_mail))), thread_name_prefix="mail") as pool:
            answers = [
                (
                    positions[0],
                    pool.submit(self._answer, [doorbells[p] for p in positions], slots.get(mail_id), deadline),
                )
                for mail_id, positions in by_mail.items()
            ]
        outcomes = {position: answer.result() for position, answer in answers}
        if any(Result.WAITING in outcome for outcome in outcomes.values()):
            self._start_dispatch()
        return {position for position, outcome in outcomes.items() if Result.NO_TIME in outcome}

    def _slots(self, mails: Iterable[Sequence[Doorbell]]) -> Mapping[str, datetime]:
        """Book one slot a mail that is to be sent, urgent mails first; a mail without one must wait."""
        if self.sender.switch.stopped():
            return {}
        sends = [bells[0] for bells in mails if any(bell.ask is Ask.SEND for bell in bells)]
        slots: dict[str, datetime] = {}
        for urgent in (True, False):
            ids = [bell.id for bell in sends if (bell.seen.get("urgent") is True) is urgent]
            if ids:
                slots |= dict(zip(ids, self.sender.limiter.book(len(ids), urgent=urgent), strict=False))
        return slots

    def _answer(self, doorbells: Sequence[Doorbell], slot: datetime | None, deadline: float) -> set[Result]:
        try:
            return {self._answer_one(doorbell, slot, deadline) for doorbell in doorbells}
        except Exception:
            log.exception("deliver.failed", id=doorbells[0].id)
            return {Result.NO_TIME}

    def _answer_one(self, doorbell: Doorbell, slot: datetime | None, deadline: float) -> Result:
        sender = self.sender
        if doorbell.ask is Ask.EXPLAIN:
            explain(sender.store, sender.stamp(), doorbell.id, doorbell.before)
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
        if result is Result.NO_TIME and clock.parse(doorbell.seen.get("due_at")) is None:
            # A person's wish on a row that dispatch would not find: the stream gives it up after a few tries.
            return sender.postpone(doorbell.seen, ErrorCode.NO_TIME)
        return result

    def _start_dispatch(self) -> None:
        try:
            self.start_dispatch()
        except Exception:
            # The schedule starts it within the minute all the same.
            log.exception("deliver.dispatch_not_started")

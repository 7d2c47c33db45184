"""Outbox stream -> mail API: answer the doorbells of a batch, several at once."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from outbox.core.doorbell import Ask, Doorbell
from outbox.flows.explain import explain
from outbox.flows.send import Outcome, Sender

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deliver:
    """Sends what rings; a doorbell it could not answer is given back to the caller."""

    sender: Sender
    threads: int

    def __call__(self, doorbells: Sequence[Doorbell], deadline: float) -> set[int]:
        """Answer all doorbells; give the positions of those to ring again (no time left, store out of reach).

        The doorbells of one mail are answered in order by one thread, so a stale one costs its failed claim and no
        more. `deadline`: epoch seconds at which this worker ends. Never raises.
        """
        by_mail: dict[str, list[int]] = {}
        for position, doorbell in enumerate(doorbells):
            by_mail.setdefault(doorbell.id, []).append(position)
        with ThreadPoolExecutor(max_workers=max(1, min(self.threads, len(by_mail))), thread_name_prefix="mail") as pool:
            answers: list[tuple[int, Future[bool]]] = [
                (positions[0], pool.submit(self._answer, [doorbells[position] for position in positions], deadline))
                for positions in by_mail.values()
            ]
        return {position for position, answer in answers if not answer.result()}

    def _answer(self, doorbells: Sequence[Doorbell], deadline: float) -> bool:
        try:
            answered = [self._answer_one(doorbell, deadline) for doorbell in doorbells]
            return all(answered)
        except Exception:
            log.exception("deliver.failed", id=doorbells[0].id)
            return False

    def _answer_one(self, doorbell: Doorbell, deadline: float) -> bool:
        if doorbell.ask is Ask.EXPLAIN:
            explain(self.sender.store, self.sender.clock, doorbell.id, doorbell.before, self.sender.who)
            return True
        return self.sender.send(doorbell.seen, deadline) is not Outcome.NO_TIME

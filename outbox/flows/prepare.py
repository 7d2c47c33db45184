"""What must be in order before a mail is sent: it can be read, was not sent, may go to its people, has its files."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from outbox.core.address import Address, key
from outbox.core.errors import TryLater
from outbox.core.mail import Mail
from outbox.core.ports import Clock, Files, Store
from outbox.core.row import Item, Row
from outbox.flows.files import complete, opened
from outbox.flows.reach import InTime, within_reach
from outbox.flows.suppression import NoSuppression, SuppressionList

log = structlog.get_logger()


class AlreadySent(Exception):
    """History has the mail; `there` is its row."""

    def __init__(self, there: Item) -> None:
        self.there = there
        super().__init__("history has it")


class Suppressed(Exception):
    """The mail's recipient is suppressed; the message says why."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Makes the mail of a claimed row ready for the call, one batch of reads each for its past and its people."""

    store: Store
    suppression: SuppressionList | NoSuppression
    files: Files
    clock: Clock
    # The moment (epoch seconds) after which there would be no time left for the call.
    latest: float

    def __call__(self, row: Row, stack: ExitStack) -> tuple[Row, Mail]:
        """Give the mail as it may go, its files open until the stack ends; and the row, noting who is left out.

        Raises `RowBroken`, `AlreadySent`, `Suppressed`, `FileLost`; `TryLater` when the files are out of reach. Any
        other error: a table is.
        """
        files = InTime(self.files, self.clock, self.latest)
        with within_reach():
            mail = complete(files, row).mail()
        there = self.store.get_finished(row.id)
        if there is not None:
            raise AlreadySent(there)
        row, mail = self._without_suppressed(row, mail)
        with within_reach():
            return row, stack.enter_context(opened(files, mail))

    def _without_suppressed(self, row: Row, mail: Mail) -> tuple[Row, Mail]:
        reasons = self._reasons([mail.to, *mail.cc, *mail.bcc])
        # What an earlier try, or a person, noted there is not so any more.
        row = Row({name: value for name, value in row.item.items() if name != "left_out"})
        to = key(mail.to.email)
        if to in reasons and row.item.get("send_anyway") != to:
            raise Suppressed(f"{mail.to.email} is suppressed {reasons[to]}.")
        left_out = [
            {"address": address.email, "reason": reasons[key(address.email)]}
            for address in (*mail.cc, *mail.bcc)
            if key(address.email) in reasons
        ]
        if not left_out:
            return row, mail
        cc, bcc = ([each for each in copies if key(each.email) not in reasons] for copies in (mail.cc, mail.bcc))
        return Row({**row.item, "left_out": left_out}), mail.but(cc=cc, bcc=bcc)

    def _reasons(self, people: Sequence[Address]) -> Mapping[str, str]:
        try:
            return self.suppression.reasons([address.email for address in people])
        except Exception as error:
            log.exception("suppression.out_of_reach")
            message = f"the suppression list cannot be read just now ({type(error).__name__})."
            raise TryLater(message) from error

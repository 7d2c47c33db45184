"""What must be in order before a mail is sent: it can be read, was not sent, may go to its people, has its files."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from outbox.core.address import key
from outbox.core.errors import OutOfReach
from outbox.core.mail import Mail
from outbox.core.ports import Checks, Clock, Files
from outbox.core.row import Item, Row
from outbox.flows.files import complete, opened
from outbox.flows.reach import InTime, within_reach
from outbox.flows.suppression import sentences

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
    """Makes the mail of a claimed row ready for the call; what it is checked against is one read."""

    checks: Checks
    files: Files
    clock: Clock
    # The moment (epoch seconds) after which there would be no time left for the call.
    latest: float

    def __call__(self, row: Row, stack: ExitStack) -> tuple[Row, Mail]:
        """Give the mail as it may go, its files open until the stack ends; and the row, noting who is left out.

        Raises `RowBroken`, `AlreadySent`, `Suppressed`, `FileLost`; `TryLater` when tables or files are out of reach.
        """
        files = InTime(self.files, self.clock, self.latest)
        with within_reach():
            mail = complete(files, row).mail()
        row, mail = self._without_suppressed(row, mail, self._checked(row, mail))
        with within_reach():
            return row, stack.enter_context(opened(files, mail))

    def _checked(self, row: Row, mail: Mail) -> Mapping[str, str]:
        """Make sure it was not sent, and say which of its people are suppressed. Raises `AlreadySent`, `OutOfReach`."""
        try:
            there, entries = self.checks.look(row.id, {key(each.email) for each in (mail.to, *mail.cc, *mail.bcc)})
        except Exception as error:
            # Not to know is not to be allowed; nothing has been called yet, and the row should say so.
            log.exception("send.tables_out_of_reach", id=row.id)
            message = f"history and the suppression list cannot be read just now ({type(error).__name__})."
            raise OutOfReach(message) from error
        if there is not None:
            raise AlreadySent(there)
        return sentences(entries, self.clock())

    def _without_suppressed(self, row: Row, mail: Mail, reasons: Mapping[str, str]) -> tuple[Row, Mail]:
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

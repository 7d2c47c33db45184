"""What must be in order before a mail is sent: it can be read, was not sent, may go to its people, has its files."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog

from outbox.core.address import Address
from outbox.core.errors import OutboxError, TryLater
from outbox.core.mail import Mail
from outbox.core.ports import Files, Store
from outbox.core.row import Item, Row
from outbox.flows.files import complete, opened
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

    def __call__(self, row: Row, stack: ExitStack) -> tuple[Row, Mail]:
        """Give the mail as it may go, its files open until the stack ends; and the row, noting who is left out.

        Raises `RowBroken`, `AlreadySent`, `Suppressed`, `FileLost`; `TryLater` when the files are out of reach. Any
        other error: a table is.
        """
        with _within_reach():
            mail = complete(self.files, row).mail()
        there = self.store.get_finished(row.id)
        if there is not None:
            raise AlreadySent(there)
        if row.item.get("send_anyway") is not True:
            row, mail = self._without_suppressed(row, mail)
        with _within_reach():
            return row, stack.enter_context(opened(self.files, mail))

    def _without_suppressed(self, row: Row, mail: Mail) -> tuple[Row, Mail]:
        people = [mail.to, *mail.cc, *mail.bcc]
        reasons = self.suppression.reasons([address.email for address in people])
        item = {name: value for name, value in row.item.items() if name != "left_out"}
        if not reasons:
            return Row(item), mail
        if why := reasons.get(mail.to.email.lower()):
            raise Suppressed(f"{mail.to.email} is suppressed {why}.")
        cc, bcc = (_kept(copies, reasons) for copies in (mail.cc, mail.bcc))
        left_out = [
            {"address": address.email, "reason": reasons[address.email.lower()]}
            for address in (*mail.cc, *mail.bcc)
            if address.email.lower() in reasons
        ]
        return Row(item | {"left_out": left_out}), mail.but(cc=cc, bcc=bcc)


@contextmanager
def _within_reach() -> Iterator[None]:
    """Take a bucket that does not answer for a reason to wait, not for the mail's fault."""
    try:
        yield
    except OutboxError:
        raise
    except Exception as error:
        log.exception("files.out_of_reach")
        message = f"its files cannot be read just now ({type(error).__name__})."
        raise TryLater(message) from error


def _kept(copies: tuple[Address, ...], reasons: Mapping[str, str]) -> list[Address]:
    return [address for address in copies if address.email.lower() not in reasons]

"""What must be in order before a mail is sent: it was not sent yet, it may go to its people, its files are there."""

from collections.abc import Mapping
from contextlib import ExitStack

import structlog

from outbox.core.address import key
from outbox.core.errors import AlreadySent, OutOfReach, Suppressed
from outbox.core.mail import Mail
from outbox.core.message import Language, Message, render, stored
from outbox.core.ports import Checks, Clock
from outbox.core.row import Row
from outbox.flows.files import Readable, opened
from outbox.flows.reach import within_reach
from outbox.flows.suppression import sentences

log = structlog.get_logger()


def check_recipients(row: Row, mail: Mail, checks: Checks, clock: Clock, language: Language = "en") -> tuple[Row, Mail]:
    """Give the mail as it may go, without suppressed copies; and the row, noting who is left out and why. One read.

    Raises `AlreadySent` for a mail that history has, `Suppressed` when its recipient gets no mail, `OutOfReach` when
    the tables do not answer: not to know is not to be allowed.
    """
    try:
        there, entries = checks.look(row.id, {key(each.email) for each in (mail.to, *mail.cc, *mail.bcc)})
    except Exception as error:
        log.exception("send.tables_out_of_reach", id=row.id)
        raise OutOfReach(Message("tables-unavailable", kind=type(error).__name__)) from error
    if there is not None:
        raise AlreadySent(there)
    return _without_suppressed(row, mail, sentences(entries, clock()), language)


def open_files(mail: Mail, files: Readable, stack: ExitStack) -> Mail:
    """Give the mail with its files open until the stack ends. Raises `FileLost`, `TryLater`."""
    with within_reach():
        return stack.enter_context(opened(files, mail))


def _without_suppressed(row: Row, mail: Mail, reasons: Mapping[str, Message], language: Language) -> tuple[Row, Mail]:
    # What an earlier try, or a person, noted there is not so any more.
    row = Row({name: value for name, value in row.item.items() if name != "left_out"})
    to = key(mail.to.email)
    if to in reasons and row.item.get("send_anyway") != to:
        raise Suppressed(Message("suppressed", address=mail.to.email, why=reasons[to]))
    left_out = [
        {"address": address.email, "reason": render(why, language), "details": stored(why)}
        for address in (*mail.cc, *mail.bcc)
        if (why := reasons.get(key(address.email)))
    ]
    if not left_out:
        return row, mail
    cc, bcc = ([each for each in copies if key(each.email) not in reasons] for copies in (mail.cc, mail.bcc))
    return Row({**row.item, "left_out": left_out}), mail.but(cc=cc, bcc=bcc)

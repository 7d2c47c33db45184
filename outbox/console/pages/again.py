"""Send a mail of history again: as a new mail, to the same people or to somebody else."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus

from starlette.responses import Response

from outbox.console.ask import Ask, Page
from outbox.core import places
from outbox.core.errors import InvalidMail, MissingSettings, NeedsConfirmation, Problem
from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.states import FINISHED
from outbox.flows.again import can_be_resent, links
from outbox.wiring.desk import Desk

LONGEST_WORD = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants of a mail: to whom it goes (None: as before), and what they said yes to.

    `asked` names the page that asks; `seen` is the revision of the mail it was drawn of.
    """

    row: Row
    to: str | None = None
    anyway: bool = False
    confirmed: bool = False
    asked: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    seen: str = ""

    @property
    def goes_to(self) -> str:
        """Give the address it goes to, as lists know it."""
        return places.recipient(self.row.item.get("to", "") if self.to is None else self.to)

    @property
    def wish(self) -> str:
        """Name what is wanted, so that a form sent twice makes one mail, and another of the same page one more."""
        if not self.asked:
            return ""
        return sha256(json.dumps([self.asked, self.to, self.anyway]).encode()).hexdigest()[:LONGEST_WORD]


def look(ask: Ask, desk: Desk) -> Response:
    """Show the mail and ask to whom it should go."""
    return _form(ask, desk, Wanted(desk.support.show(ask.mail_id)))


def send(ask: Ask, desk: Desk) -> Response:
    """Make the new mail and go to it; or ask first, where somebody should think twice."""
    wanted = _wanted(ask, desk.support.show(ask.mail_id))
    if wanted.to == "":
        return _form(ask, desk, wanted, [Problem("to", ask.words("An address is needed."))])
    suppressed = None if wanted.anyway else _why_suppressed(desk, wanted.goes_to)
    if suppressed and can_be_resent(wanted.row):
        return _question(ask, wanted, [suppressed, *desk.again.warnings(wanted.row, wanted.to)], anyway=True)
    # What was confirmed was meant for the mail as it was then.
    confirmed = wanted.confirmed and wanted.seen == str(wanted.row.revision)
    try:
        new = desk.again(
            wanted.row.id,
            ask.person.name,
            wanted.to,
            confirmed=confirmed,
            anyway=wanted.anyway,
            asked=wanted.wish,
        )
    except InvalidMail as wrong:
        return _form(ask, desk, wanted, wrong.problems)
    except NeedsConfirmation as needed:
        return _question(ask, wanted, needed.warnings, anyway=wanted.anyway)
    ask.tell("A new mail was made of it and goes now. What becomes of it is told here.")
    return ask.to("/mail", id=new.id)


def _wanted(ask: Ask, row: Row) -> Wanted:
    return Wanted(
        row,
        ask.one("to") if ask.one("target") == "other" else None,
        anyway=ask.one("anyway") == "1",
        confirmed=ask.one("confirmed") == "1",
        asked=ask.one("asked")[:LONGEST_WORD],
        seen=ask.one("seen"),
    )


def _form(ask: Ask, desk: Desk, wanted: Wanted, problems: Sequence[Problem] = ()) -> Response:
    row = wanted.row
    return ask.page(
        "again.html",
        HTTPStatus.BAD_REQUEST if problems else HTTPStatus.OK,
        wanted=wanted,
        row=row,
        possible=can_be_resent(row),
        unsent=row.status not in FINISHED,
        links=links(row),
        problem=next((problem.rule for problem in problems if wanted.to is not None and problem.field == "to"), ""),
        others=[problem for problem in problems if wanted.to is None or problem.field != "to"],
        suppressed=_why_suppressed(desk, places.recipient(row.item.get("to", ""))),
        copies=sum(len(row.item[name]) for name in ("cc", "bcc") if isinstance(row.item.get(name), (list, set))),
        files=row.item.get("attachments") if isinstance(row.item.get("attachments"), list) else [],
    )


def _question(ask: Ask, wanted: Wanted, warnings: Sequence[str], *, anyway: bool) -> Response:
    values = {"wanted": wanted, "row": wanted.row, "warnings": warnings, "anyway": anyway}
    return ask.page("again_asked.html", HTTPStatus.CONFLICT, **values)


def _why_suppressed(desk: Desk, email: str) -> Message | None:
    """Say since when and why an address gets no mail; None where it does, or where nobody knows."""
    try:
        reasons = desk.suppression.reasons([email])
    except MissingSettings:
        return None
    return next((Message("suppressed", address=address, why=why) for address, why in reasons.items()), None)


PAGES: tuple[Page, ...] = (Page("/mail/again", look), Page("/mail/again", send, "POST"))

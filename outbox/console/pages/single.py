"""One decision about one mail: send again, hold, release, cancel, confirm, take back; told where one came from."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.responses import Response

from outbox.console import times
from outbox.console.ask import Ask, Kind, Page, own_path
from outbox.console.correction import doubtful, just_done
from outbox.core.codes import EventCode
from outbox.core.errors import ChangedMeanwhile, WrongState
from outbox.core.message import message_of
from outbox.core.row import Row
from outbox.core.shown import safe, words
from outbox.core.states import Status
from outbox.core.text import bad_character, shorten
from outbox.wiring.desk import Desk

# Lists one goes on with after a decision about one of their rows.
LISTS = ("/", "/history", "/batch")
LONGEST_DELIVERY, LONGEST_SUBJECT, LONGEST_NOTE = 50, 60, 500
GOES = frozenset({Status.PENDING, Status.WAITING, Status.SENDING, Status.CHECKING, Status.SENT})
# Where a mail is after what was done to it; anywhere else, the same is a new wish.
AFTER: Mapping[EventCode, frozenset[Status]] = {
    EventCode.RESENT: GOES,
    EventCode.RESENT_THOUGH_SUPPRESSED: GOES,
    EventCode.RELEASED: GOES,
    EventCode.HELD: frozenset({Status.HELD}),
    EventCode.REOPENED: frozenset({Status.HELD}),
    EventCode.CANCELLED: frozenset({Status.CANCELLED}),
    EventCode.CONFIRMED: frozenset({Status.SENT}),
}
# What sends, or says that it was sent: only the mail the person saw.
DECIDED = frozenset({EventCode.RESENT, EventCode.RESENT_THOUGH_SUPPRESSED, EventCode.RELEASED, EventCode.CONFIRMED})

Deed = Callable[[str], Row]


def resend(ask: Ask, desk: Desk) -> Response:
    """Send a mail again, or now; what may have been sent only if the person says so knowing it."""
    anyway = ask.one("anyway") == "yes"
    if (refusal := _asked_first(ask, desk, "resend")) and not anyway:
        return refusal
    what = EventCode.RESENT_THOUGH_SUPPRESSED if anyway else EventCode.RESENT

    def deed(version: str) -> Row:
        return desk.support.resend(ask.mail_id, ask.person.name, anyway=anyway, version=version)

    row = _done(ask, desk, what, deed)
    if row:
        ask.tell("«%(subject)s» goes now.", subject=_subject(row))
    return _back(ask) if row else _look(ask)


def hold(ask: Ask, desk: Desk) -> Response:
    """Put a mail aside."""
    note = shorten(ask.one("note"), 500)
    row = _done(ask, desk, EventCode.HELD, lambda _: desk.support.hold(ask.mail_id, ask.person.name, note))
    if row:
        ask.tell("«%(subject)s» is held: it does not go until it is released.", subject=_subject(row))
        ask.offer("Release", "/mail/release", id=row.id)
    return _back(ask) if row else _look(ask)


def release(ask: Ask, desk: Desk) -> Response:
    """Let a held mail go; what may have been sent only if the person says so knowing it."""
    if refusal := _asked_first(ask, desk, "release"):
        return refusal
    who = ask.person.name
    row = _done(ask, desk, EventCode.RELEASED, lambda version: desk.support.release(ask.mail_id, who, version=version))
    if row and row.status is Status.WAITING and row.due_at:
        when = times.shown(row.due_at, ask.zone)
        ask.tell("«%(subject)s» is released and goes at %(when)s.", subject=_subject(row), when=when)
    elif row:
        ask.tell("«%(subject)s» is released and goes now.", subject=_subject(row))
    return _back(ask) if row else _look(ask)


def cancel(ask: Ask, desk: Desk) -> Response:
    """Move a mail to history without sending it; it can be taken back."""
    row = _done(ask, desk, EventCode.CANCELLED, lambda _: desk.support.cancel(ask.mail_id, ask.person.name))
    if row and row.status is Status.CANCELLED:
        ask.tell("«%(subject)s» is cancelled and not sent.", subject=_subject(row))
        ask.offer("Undo", "/mail/reopen", id=row.id)
    elif row:
        ask.tell("The second row of «%(subject)s» is cancelled; history has the mail as it was.", subject=_subject(row))
    return _back(ask) if row else _look(ask)


def confirm(ask: Ask, desk: Desk) -> Response:
    """Close a mail as sent, because a person says it was."""
    delivery_id = ask.one("delivery_id")
    if len(delivery_id) > LONGEST_DELIVERY or not delivery_id.isascii() or bad_character(delivery_id):
        ask.tell("A delivery id has at most 50 plain characters. Nothing was done.", Kind.ERROR)
        return ask.to("/mail", id=ask.mail_id, open="confirm")

    def deed(version: str) -> Row:
        return desk.support.confirm(ask.mail_id, ask.person.name, delivery_id, version=version)

    row = _done(ask, desk, EventCode.CONFIRMED, deed)
    if row:
        ask.tell("«%(subject)s» is in history as SENT, with your name.", subject=_subject(row))
    return _back(ask) if row else _look(ask)


def reopen(ask: Ask, desk: Desk) -> Response:
    """Take a cancelled mail back into the outbox; it is held there."""
    row = _done(ask, desk, EventCode.REOPENED, lambda _: desk.support.reopen(ask.mail_id, ask.person.name))
    if row:
        ask.tell("«%(subject)s» is back in the outbox and held: send it, or release it.", subject=_subject(row))
        ask.offer("Release", "/mail/release", id=row.id)
    return _back(ask) if row else _look(ask)


def _asked_first(ask: Ask, desk: Desk, name: str) -> Response | None:
    """Send a person who has not been asked yet to where they are, if the mail may have been sent."""
    if ask.one("sure") == "yes" or not doubtful(desk.support.show(ask.mail_id)):
        return None
    ask.tell("This mail may have been sent already. Nothing was done yet: decide here.", Kind.WARNING)
    return ask.to("/mail", id=ask.mail_id, open=name)


def _done(ask: Ask, desk: Desk, what: EventCode, deed: Deed) -> Row | None:
    """Do it and give the mail; None if it cannot be done, which is told. One wish that comes twice is done once."""
    row = desk.support.show(ask.mail_id)
    if _wished(ask, row, what):
        return row
    try:
        return deed(_decided(ask, row) if what in DECIDED else "")
    except (WrongState, ChangedMeanwhile) as error:
        row = desk.support.show(ask.mail_id)
        if _wished(ask, row, what):
            return row
        ask.tell("%(why)s", Kind.WARNING, why=safe(ask.words.said(message_of(error))))
    return None


def _decided(ask: Ask, row: Row) -> str:
    """Give the version of the mail the person decided about: as their page showed it, at the least as it is here.

    Raises `ChangedMeanwhile` where that was another state, or a doubt that they were not asked about.
    """
    if version := ask.one("version"):
        return version
    if doubtful(row) or ask.one("status") not in ("", row.item.get("status")):
        raise ChangedMeanwhile(row.id)
    return row.version


def _wished(ask: Ask, row: Row, what: EventCode) -> bool:
    """Tell whether this very person has done this very thing just now, and the mail is still where that leads."""
    return just_done(ask, row) == what and row.status in AFTER[what]


def _subject(row: Row) -> str:
    return shorten(safe(words(row.item.get("subject", ""))), LONGEST_SUBJECT)


def _back(ask: Ask) -> Response:
    """Go back to the list that was come from, else to the mail."""
    wanted = own_path(ask.one("next")) if ask.one("next") else _came_from(ask)
    return ask.to(wanted) if wanted else _look(ask)


def _came_from(ask: Ask) -> str:
    # Our pages tell it to our pages alone; the guard has seen that one of ours has asked.
    try:
        said = urlsplit(ask.request.headers.get("referer", ""))
    except ValueError:
        return ""
    if said.path not in LISTS or said.netloc != ask.request.headers.get("host"):
        return ""
    return own_path(f"{said.path}?{said.query}" if said.query else said.path)


def _look(ask: Ask) -> Response:
    return ask.to("/mail", id=ask.mail_id)


PAGES: tuple[Page, ...] = (
    Page("/mail/resend", resend, "POST"),
    Page("/mail/hold", hold, "POST"),
    Page("/mail/release", release, "POST"),
    Page("/mail/cancel", cancel, "POST"),
    Page("/mail/confirm", confirm, "POST"),
    Page("/mail/reopen", reopen, "POST"),
)

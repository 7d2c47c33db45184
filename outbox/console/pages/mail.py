"""One mail: what it is, what happened to it, why it is where it is, and what can be done about it."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from outbox.console import content, failures, mail_frame, times
from outbox.console.ask import Ask, Page
from outbox.console.content import File
from outbox.console.correction import doubtful
from outbox.console.guard import FILE_POLICY, POLICY
from outbox.console.timeline import moving, timeline
from outbox.core import places
from outbox.core.errors import FileLost, InvalidRequest, MissingSettings, NotFound
from outbox.core.message import Message
from outbox.core.row import Row
from outbox.core.shown import dumps, safe
from outbox.core.states import DUE, Status
from outbox.core.text import shorten
from outbox.flows import files
from outbox.flows.again import links
from outbox.flows.choices import Choice, choices
from outbox.flows.history import Kept
from outbox.flows.outlook import outlook
from outbox.wiring.desk import Desk

# A mail that is due within so many seconds is worth a look every few.
SOON = 600
PIECE = 64 * 1024
LONGEST_NAME = 200
BODIES = ("text", "html")


def mail(ask: Ask, desk: Desk) -> Response:
    """Show everything about a mail, wherever it is."""
    try:
        kept = _kept(ask, desk)
    except NotFound as error:
        return ask.page("mail_missing.html", HTTPStatus.NOT_FOUND, mail_id=error.mail_id)
    whole, trouble = content.whole(desk.files, kept.row)
    return ask.page(
        "mail.html",
        **_state(ask, desk, kept),
        beside=False,
        text=content.text(whole, "text"),
        html=content.text(whole, "html"),
        subject=content.filled(whole.item.get("subject"), whole.item.get("insert_code"), content.LONGEST),
        trouble=failures.sentences(trouble, ask) if trouble else [],
        codes=content.codes(whole),
        files=content.attached(kept.row),
        source=_source(kept.row)[: content.LONGEST],
        **_facts(kept.row),
    )


def state(ask: Ask, desk: Desk) -> Response:
    """Give what a page says of a mail's state, what can be done and what happened; nothing if it is known there."""
    values = _state(ask, desk, _kept(ask, desk))
    if ask.one("seen") == values["seen"]:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return ask.part("mail_state.html", **values, beside=True)


def html(ask: Ask, desk: Desk) -> Response:
    """Give the HTML of a mail as it goes, for a frame in which it can do nothing."""
    row, trouble = content.whole(desk.files, _kept(ask, desk).row)
    if trouble:
        raise trouble
    return mail_frame.html(content.filled(row.item.get("html"), row.item.get("insert_code")))


def source(ask: Ask, desk: Desk) -> Response:
    """Give the row of a mail as it is stored, as a file."""
    row = _kept(ask, desk).row
    return Response(_source(row).encode(errors="replace"), headers=_attachment(f"{shorten(row.id, 60)}.json"))


def file(ask: Ask, desk: Desk) -> Response:
    """Give a file of a mail, in pieces: an attachment by its number, or one of its texts by name."""
    row, number = _kept(ask, desk).row, ask.one("n")
    if number in BODIES:
        whole, trouble = content.whole(desk.files, row)
        if trouble:
            raise trouble
        text = content.filled(whole.item.get(number), whole.item.get("insert_code"))
        return Response(
            text.encode(errors="replace"), headers=_attachment("mail.html" if number == "html" else "mail.txt")
        )
    found = next((each for each in content.attached(row) if str(each.number) == number), None)
    if found is None:
        raise InvalidRequest(Message("request.no-file", written=repr(number[:40])))
    return _file(desk, found)


def _file(desk: Desk, found: File) -> Response:
    headers = _attachment(found.name)
    if found.content is not None:
        return Response(found.content, headers=headers)
    if found.stored is None:
        raise FileLost(found.name, "file-problem", problem=found.problem)
    if desk.files is None:
        raise MissingSettings(["OUTBOX_BUCKET"], Message("bucket-missing"))
    # The whole is checked before the first piece goes out: nobody opens what was not enqueued.
    stream = files.verified(desk.files, found.stored, found.name)
    return StreamingResponse(_pieces(stream), headers=headers | {"Content-Length": str(found.stored.size)})


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with closing(stream):
        yield from iter(partial(stream.read, PIECE), b"")


def _attachment(name: str) -> dict[str, str]:
    """Have a file saved, whatever it is, never shown as a page of ours."""
    plain = shorten("".join("_" if char in '\\/"' else char for char in safe(name)).strip(". "), LONGEST_NAME) or "file"
    simple = "".join(char if char.isascii() and char not in "%;" else "_" for char in plain)
    disposition = f"attachment; filename=\"{simple}\"; filename*=UTF-8''{quote(plain, safe='', errors='replace')}"
    return {"Content-Disposition": disposition, "Content-Type": "application/octet-stream", POLICY: FILE_POLICY}


def _kept(ask: Ask, desk: Desk) -> Kept:
    kept = desk.history.show(ask.mail_id)
    if kept.row.status is None and not places.is_mail(kept.row.id):
        # The service's own items in history are no mails.
        raise NotFound(kept.row.id)
    return kept


def _state(ask: Ask, desk: Desk, kept: Kept) -> dict[str, Any]:
    """Give what a page says of the state of a mail; `seen` tells one state from the next."""
    row = kept.row
    stopped = _stopped(desk) if row.status in DUE else ""
    happened = timeline(kept, ask)
    told = (row.item.get("status"), row.reason, row.revision, row.item.get("due_at"), happened, stopped)
    return {
        "row": row,
        "bounces": kept.bounces,
        "next": outlook(row, lambda written: times.shown(written, ask.zone)),
        "stopped": stopped,
        "can": choices(row) if ask.person.acts else (),
        "Choice": Choice,
        "doubtful": doubtful(row),
        "opened": ask.one("open"),
        "timeline": happened,
        "moving": moving(row, ask.now, SOON),
        "seen": hashlib.sha256(repr(told).encode(errors="replace")).hexdigest()[:16],
    }


def _stopped(desk: Desk) -> str:
    """Tell why nothing is sent at all; empty when mails go, or nobody here knows."""
    try:
        state = desk.switch.state()
    except MissingSettings:
        return ""
    return (state.reason or Message("paused-without-reason")) if state.stopped else ""


def _facts(row: Row) -> dict[str, Any]:
    expires = row.item.get("expires_at")
    return {
        "people": list(content.people(row)),
        "tags": content.listed_words(row.item.get("tags")),
        "times": list(content.times(row)),
        "expires": _moment(expires) or expires,
        "made_of": row.item.get("resend_of"),
        "links": links(row),
        "left_out": row.left_out,
        "odd": content.odd(row),
        "Status": Status,
    }


def _moment(epoch: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(epoch, UTC) if isinstance(epoch, int) else None
    except (ValueError, OverflowError, OSError):
        return None


def _source(row: Row) -> str:
    return dumps(dict(row.item), indent=2)


PAGES: tuple[Page, ...] = (
    Page("/mail", mail),
    Page("/mail/state", state),
    Page("/mail/html", html),
    Page("/mail/source", source),
    Page("/mail/file", file),
)

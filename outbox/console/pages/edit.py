"""Correct a mail and, if asked, send it again; with a preview, and with both versions when somebody was faster."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError
from starlette.responses import Response

from outbox.console import content, failures, mail_frame, times
from outbox.console.ask import Ask, Kind, Page
from outbox.console.correction import (
    FIELDS,
    LABELS,
    SCHEDULE,
    SURE,
    Form,
    Meeting,
    Wish,
    done_already,
    doubtful,
    label,
    met,
    shown,
    typed,
    wish,
)
from outbox.console.correction import broken as is_broken
from outbox.console.guard import LONGEST_BODY
from outbox.console.written import read_addresses
from outbox.core.errors import ChangedMeanwhile, InvalidMail, NotFound, Problem, TooLarge, WrongState
from outbox.core.message import message_of
from outbox.core.row import PART, Row
from outbox.core.states import FINISHED, IN_FLIGHT, Status
from outbox.flows.choices import Choice, choices
from outbox.flows.edited import changed
from outbox.wiring.desk import Desk

TRIES = 3
UNREACHABLE = (BotoCoreError, ClientError, TooLarge)
LISTS = ("cc", "bcc")
PREVIEWED = ("subject", "text", "html")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said beside the form: what is wrong, what changed meanwhile, what keeps it from being saved."""

    problems: Sequence[Problem] = ()
    meeting: Meeting | None = None
    sentences: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """A row as it is now: itself, with the texts that lie in the bucket, and as a form."""

    row: Row
    whole: Row
    form: Form
    trouble: Exception | None = None


def edit(ask: Ask, desk: Desk) -> Response:
    """Show the form, filled in with the mail as it is."""
    row = desk.support.show(ask.mail_id)
    if not ask.person.acts or Choice.EDIT not in choices(row):
        status = HTTPStatus.CONFLICT if ask.person.acts else HTTPStatus.FORBIDDEN
        return ask.page("edit_not.html", status, row=row, typed={}, sentences=[], labels={})
    now = _look(ask, desk, row)
    said = Said(sentences=failures.sentences(now.trouble, ask) if now.trouble else [])
    return _page(ask, now, now.form, said)


def save(ask: Ask, desk: Desk) -> Response:
    """Save what was typed, or say why not; what was typed stays on the page."""
    for _ in range(TRIES):
        try:
            return _answer(ask, desk, typed(ask))
        except (ChangedMeanwhile, WrongState):
            # It was written between our look and our save: another look tells how.
            continue
    raise ChangedMeanwhile(ask.mail_id)


def _answer(ask: Ask, desk: Desk, form: Form) -> Response:
    """Save if the mail is still what the person saw, else say what it is now."""
    try:
        row = desk.support.show(ask.mail_id)
    except NotFound as error:
        return _lost(ask, Row({"id": ask.mail_id}), form, ask.words.said(message_of(error)), HTTPStatus.NOT_FOUND)
    now = _look(ask, desk, row)
    if form.version != row.version and row.status is not Status.CANCELLED and _came_twice(ask, now, form):
        _tell(ask, row)
        return ask.to("/mail", id=row.id)
    if row.status not in IN_FLIGHT and Choice.EDIT not in choices(row):
        why = ask.words("This mail cannot be edited as it is now.")
        if row.status in FINISHED:
            why = ask.words("It has left the outbox meanwhile; nothing was saved.")
        return _lost(ask, row, form, why)
    if row.status in IN_FLIGHT:
        flying = ask.words("It is just being sent, so nothing was saved. What you typed is still here: try again soon.")
        return _page(ask, now, replace(form, apart=now.form.apart), Said(sentences=[flying]), HTTPStatus.CONFLICT)
    meeting = met(form, now.form)
    if form.version != row.version:
        return _page(ask, now, meeting.form, Said(meeting=meeting), HTTPStatus.CONFLICT)
    return _save(ask, desk, now, meeting.form)


def _came_twice(ask: Ask, now: Look, form: Form) -> bool:
    return done_already(ask, met(form, now.form).form, now.form, now.whole, send=bool(ask.one("send")))


def _save(ask: Ask, desk: Desk, now: Look, form: Form) -> Response:
    """Save what is different, if nothing is wrong with it. Raises `ChangedMeanwhile`, `WrongState`."""
    row, send = now.row, bool(ask.one("send"))
    wished = wish(form, now.form, now.whole, ask, send=send)
    if problems := _problems(row, wished):
        return _page(ask, now, form, Said(problems), HTTPStatus.BAD_REQUEST)
    if not (wished.changes or wished.send_at or send):
        ask.tell("Nothing was changed.", Kind.WARNING)
        return ask.to("/mail", id=row.id)
    try:
        saved = desk.support.edit(
            row.id, wished.changes, ask.person.name, version=form.version, send_at=wished.send_at, send=send
        )
    except InvalidMail as wrong:
        return _page(ask, now, form, Said(wrong.problems), HTTPStatus.BAD_REQUEST)
    except UNREACHABLE as error:
        # What was typed must not be lost for it.
        return _page(ask, now, form, Said(sentences=failures.sentences(error, ask)), failures.status(error))
    _tell(ask, saved)
    return ask.to("/mail", id=row.id)


def _look(ask: Ask, desk: Desk, row: Row) -> Look:
    whole, trouble = content.whole(desk.files, row)
    return Look(row, whole, shown(row, whole, ask.zone, ask.now), trouble)


def _problems(row: Row, wished: Wish) -> list[Problem]:
    """List all that is wrong, once each."""
    try:
        changed(row, wished.changes)
    except InvalidMail as wrong:
        return list(dict.fromkeys([*wished.problems, *wrong.problems]))
    return wished.problems


def _page(ask: Ask, now: Look, form: Form, said: Said, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return ask.page(
        "edit.html",
        status,
        row=now.row,
        form=form,
        labels=_labels(ask),
        problems=_beside(ask, form, said.problems),
        meeting=said.meeting,
        sentences=said.sentences,
        mended={name for name in FIELDS if is_broken(name, now.whole.item.get(name))},
        doubtful=doubtful(now.row),
        files=content.attached(now.row),
        offset=_offset(ask),
        has_seconds=form.values[SCHEDULE].count(":") > 1,
    )


def _beside(ask: Ask, form: Form, problems: Sequence[Problem]) -> dict[str, list[str]]:
    """Put each problem to its field, in the viewer's language; under "" those of no field in the form."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        match = PART.match(problem.field)
        name, number = (match["name"], match["number"]) if match else ("", None)
        rule = ask.words.said(problem.rule)
        if name not in (*FIELDS, SCHEDULE, SURE):
            name, rule = "", f"{problem.field}: {rule}"
        elif number is not None and name in LISTS:
            listed = read_addresses(form.values[name])
            rule = f"{listed[int(number)]}: {rule}" if int(number) < len(listed) else rule
        found.setdefault(name, []).append(rule)
    order = ("", *LABELS)
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[0])))


def _labels(ask: Ask) -> dict[str, str]:
    return {name: label(ask, name) for name in LABELS}


def _offset(ask: Ask) -> str:
    """Say what the viewer's zone is apart from UTC just now."""
    return ask.now.astimezone(ask.zone).isoformat()[-len("+09:00") :]


def _lost(ask: Ask, row: Row, form: Form, sentence: str, status: HTTPStatus = HTTPStatus.CONFLICT) -> Response:
    """Say that there is nothing left to correct, and show what was typed."""
    said = {name: form.values[name] for name in FIELDS if form.touched(name) and form.values[name]}
    return ask.page("edit_not.html", status, row=row, typed=said, sentences=[sentence], labels=_labels(ask))


def _tell(ask: Ask, row: Row) -> None:
    if row.status is Status.PENDING or row.status in IN_FLIGHT:
        ask.tell("Saved. It goes within moments.")
    elif row.status is Status.SENT:
        ask.tell("Saved, and sent.")
    elif row.status is Status.WAITING and row.due_at:
        ask.tell("Saved. It goes at %(when)s.", when=times.shown(row.due_at, ask.zone))
    elif row.status is Status.HELD:
        ask.tell("Saved. It stays HELD: it does not go until somebody releases or sends it.")
    else:
        word = str(row.item.get("status", "?"))
        ask.tell("Saved. It is still %(state)s and does not go by itself: send it again when it is right.", state=word)


def preview(ask: Ask, desk: Desk) -> Response:
    """Show what was typed as it would go, or what is wrong with it; nothing is saved."""
    now = _look(ask, desk, desk.support.show(ask.mail_id))
    form = met(typed(ask), now.form).form
    wished = wish(form, now.form, now.whole, ask, send=False)
    if problems := [problem for problem in _problems(now.row, wished) if problem.field != SCHEDULE]:
        title = ask.words("It cannot go like this:")
        told = [
            f"{label(ask, name)}: {said}" if name else said
            for name, several in _beside(ask, form, problems).items()
            for said in several
        ]
        return mail_frame.problems(told, title, ask.words.code)
    going = {**now.whole.item, **wished.changes}
    subject, text, html = (content.filled(going.get(name), going.get("insert_code")) for name in PREVIEWED)
    if html and ask.one("part") != "text":
        return mail_frame.html(html)
    return mail_frame.text(text, subject, ask.words.code)


PAGES: tuple[Page, ...] = (
    Page("/mail/edit", edit),
    Page("/mail/edit", save, method="POST", longest=LONGEST_BODY),
    Page("/mail/preview", preview, method="POST", own=True, longest=LONGEST_BODY),
)

"""A mail as a form to correct it: what was shown, what was typed, and what of that is a change.

The form carries a mark of each field as it was shown, so that after somebody else's change it is known what the person
has typed and what only stood there: that takes the new value, and nothing of theirs is undone by accident.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Any

from outbox.console import times, written
from outbox.console.ask import Ask
from outbox.console.content import LONGEST
from outbox.core import clock, transitions
from outbox.core.codes import EventCode
from outbox.core.errors import InvalidMail, InvalidRequest, Problem, RowBroken
from outbox.core.mail import BODY
from outbox.core.message import Message
from outbox.core.row import Row, part_of
from outbox.core.states import Status
from outbox.flows.edited import changed, differences

FIELDS = tuple(written.WRITE)
ONE_LINE = ("sender", "to", "reply_to", "subject")
SCHEDULE, SURE = "schedule", "sure"
LABELS: Mapping[str, str] = {
    "sender": "Sender",
    "to": "To",
    "cc": "Cc",
    "bcc": "Bcc",
    "reply_to": "Reply to",
    "subject": "Subject",
    "text": "Text",
    "html": "HTML",
    "insert_code": "Insert codes",
    "tags": "Tags",
    "urgent": "Urgent: it overtakes other mail",
    "encoding": "Encoding",
    "list_unsubscribe": "Unsubscribe",
    "on_unknown": "If nobody can tell whether it was sent",
    SCHEDULE: "Send at",
    SURE: "I have looked: it was not sent",
}
# A form that is sent twice is one wish; later the same is asked anew.
SAME_WISH = timedelta(seconds=30)
LATEST = 5
PASSED = Message("rule.past")
NO_MOMENT = Message("rule.no-local-moment")
NOT_TAKEN_AWAY = Message("rule.schedule-kept")
NOT_SURE = Message("rule.not-sure")


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in each field, and the mark of what stood there first; `version` is that of the row then.

    `apart`: fields whose text is too long for a form, or lies out of reach; what is typed there replaces it.
    """

    values: Mapping[str, str]
    marks: Mapping[str, str]
    version: str
    apart: frozenset[str] = frozenset()

    def touched(self, name: str) -> bool:
        """Tell whether a person has typed something else than what stood there."""
        return mark(self.values[name]) != self.marks.get(name)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What was typed and what stands there now, after somebody else's change.

    `differing`: fields with theirs and yours; `taken`: fields that were theirs alone to change.
    """

    form: Form
    differing: Mapping[str, tuple[str, str]]
    taken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a form asks for: fields to change as rows hold them, when to send, and what cannot be read."""

    changes: Mapping[str, Any]
    send_at: datetime | None = None
    problems: list[Problem] = field(default_factory=list)


def label(ask: Ask, name: str) -> str:
    """Call a field as the form calls it; one that is none as it calls itself."""
    return ask.words(LABELS[name]) if name in LABELS else name


def mark(text: str) -> str:
    """Give what a text is recognised by."""
    return sha256(text.encode(errors="replace")).hexdigest()[:16]


def shown(row: Row, whole: Row, zone: tzinfo, now: datetime) -> Form:
    """Make the form of a row; `whole` is the row with the texts that lie in the bucket, as far as they can be read."""
    apart = {name for name in BODY if "body" in row.item and name not in row.item and _is_apart(whole, name)}
    values = {name: "" if name in apart else write(whole.item.get(name)) for name, write in written.WRITE.items()} | {
        SCHEDULE: _schedule(row, zone, now)
    }
    return Form(values, {name: mark(value) for name, value in values.items()}, row.version, frozenset(apart))


def typed(ask: Ask) -> Form:
    """Read a form as it was sent; a field that it does not have counts as untouched."""
    values, marks = {}, {}
    for name in (*FIELDS, SCHEDULE):
        text = ask.text(name) if name != "urgent" else ask.one(name)
        marks[name] = ask.one(f"was-{name}")
        values[name] = text or ""
        if text is None:
            marks[name] = mark("")
    return Form(values, marks, ask.one("version"))


def met(mine: Form, theirs: Form) -> Meeting:
    """Put what was typed beside what stands there now; what was not touched becomes as it is now."""
    values, differing, taken = {}, {}, []
    for name, value in theirs.values.items():
        values[name] = mine.values[name] if mine.touched(name) else value
        if values[name] != value:
            differing[name] = (value, values[name])
        elif not mine.touched(name) and mine.values[name] != value:
            taken.append(name)
    return Meeting(replace(theirs, values=values), differing, tuple(taken))


def wish(form: Form, there: Form, row: Row, ask: Ask, *, send: bool) -> Wish:
    """Work out what a form asks for, against the form of the row as it is now, whose texts were read."""
    changes: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in FIELDS:
        value, before = form.values[name], row.item.get(name)
        if value == there.values[name] and (name in there.apart or not broken(name, before)):
            continue
        try:
            changes[name] = written.like(before, written.READ.get(name, str)(value))
        except InvalidMail as wrong:
            problems += wrong.problems
    send_at = None
    try:
        send_at = _send_at(form.values[SCHEDULE], there.values[SCHEDULE], row, ask, send=send)
    except InvalidMail as wrong:
        problems += wrong.problems
    if (send or send_at) and doubtful(row) and ask.one(SURE) != "yes":
        problems.append(Problem(SURE, NOT_SURE))
    return Wish(changes, send_at, problems)


def broken(name: str, value: object) -> bool:
    """Tell whether a value is one no mail can have and no form can show, so that a save must put it right."""
    if value is None:
        return False
    try:
        part_of({name: value}, name)
    except RowBroken:
        return True
    unshowable = isinstance(value, str) and written.UNSHOWABLE.search(value)
    return bool(unshowable or (name in ONE_LINE and isinstance(value, str) and {"\r", "\n"} & set(value)))


def doubtful(row: Row) -> bool:
    """Tell whether a mail may have been sent, so that one who sends it again may send it twice."""
    return row.status is Status.UNKNOWN or transitions.may_have_been_sent(row)


def just_done(ask: Ask, row: Row) -> str:
    """Give the word for what this very person has done to a mail just now; empty if that was nothing."""
    mine = [event for event in row.timeline[-LATEST:] if event.get("who") == ask.person.name]
    at = clock.parse(mine[-1].get("at")) if mine else None
    return str(mine[-1].get("what")) if at is not None and abs(ask.now - at) < SAME_WISH else ""


def done_already(ask: Ask, form: Form, there: Form, row: Row, *, send: bool) -> bool:
    """Tell whether this very person has saved, and sent, just this just now: the form came twice."""
    at = form.values[SCHEDULE].strip()
    if at != there.values[SCHEDULE] and (at or not send):
        return False
    wanted = {EventCode.EDITED, EventCode.RESENT, EventCode.SCHEDULED}
    if send:
        wanted = {EventCode.SCHEDULED} if at else {EventCode.RESENT}
    if just_done(ask, row) not in wanted:
        return False
    wished = wish(form, there, row, ask, send=False)
    try:
        mail = changed(row, wished.changes)
    except InvalidMail:
        return False
    return not differences(row, mail, wished.changes) and all(each.field == SCHEDULE for each in wished.problems)


def _is_apart(whole: Row, name: str) -> bool:
    return "body" in whole.item or len(written.WRITE[name](whole.item.get(name))) > LONGEST


def _schedule(row: Row, zone: tzinfo, now: datetime) -> str:
    """Write the time a mail is to go, if that is still to come, for a browser's field."""
    if row.send_at is None or row.send_at <= now:
        return ""
    try:
        local = row.send_at.astimezone(zone)
    except OverflowError:
        return ""
    return local.strftime("%Y-%m-%dT%H:%M:%S" if local.second else "%Y-%m-%dT%H:%M")


def _send_at(given: str, before: str, row: Row, ask: Ask, *, send: bool) -> datetime | None:
    """Read when a mail is to go, None if that is not asked for. Raises `InvalidMail`."""
    given = given.strip()
    if given == before:
        return row.send_at if given and send else None
    if not given:
        if send:
            return None
        raise InvalidMail([Problem(SCHEDULE, NOT_TAKEN_AWAY)])
    try:
        moment = times.typed(given, SCHEDULE, ask.zone)
    except InvalidRequest:
        raise InvalidMail([Problem(SCHEDULE, NO_MOMENT)]) from None
    if moment is None or moment <= ask.now:
        raise InvalidMail([Problem(SCHEDULE, PASSED)])
    return moment

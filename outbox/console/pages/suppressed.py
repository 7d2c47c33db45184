"""The addresses that get no mail: looked up, listed, lifted and added to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from http import HTTPStatus

from starlette.responses import Response

from outbox.console import times
from outbox.console.ask import Answer, Ask, Kind, Page
from outbox.core import clock, places, suppression
from outbox.core.address import Address
from outbox.core.errors import ChangedMeanwhile, InvalidMail, InvalidRequest, MissingSettings, OutboxError
from outbox.core.message import Message
from outbox.core.row import Item, Row
from outbox.core.states import Status
from outbox.core.text import bad_character, shorten
from outbox.flows.find import SUPPRESSED
from outbox.wiring.desk import Desk

SIZE = 50
# As many as a person waits for; what is left is sent from the list, in the background.
MOST_SENT = 200
# What fits into a cookie beside the rest.
LONGEST_KEPT = 80
NAMES = ("email", "reason", "until")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of an address, as a page shows it."""

    item: Item
    now: datetime

    @property
    def is_suppressed(self) -> bool:
        """Whether it gets no mail now."""
        return suppression.suppressed(self.item, self.now) is not None

    @property
    def why(self) -> str:
        """Why it gets no mail, or got none."""
        return suppression.why(self.item)

    @property
    def until(self) -> datetime | None:
        """When it gets mail again by itself; None for never."""
        moment = clock.parse(self.item.get("suppressed_until"))
        return moment if moment and moment < suppression.FAR else None

    @property
    def errors(self) -> int:
        """How many hard errors are counted against it."""
        counted = self.item.get("errors")
        return len(counted) if isinstance(counted, Mapping) else 0


def _friendly(answer: Answer) -> Answer:
    """Tell, where no list is known, that there is none, instead of what is not set."""

    @wraps(answer)
    def answering(ask: Ask, desk: Desk) -> Response:
        try:
            return answer(ask, desk)
        except MissingSettings as missing:
            return ask.page("suppressed_missing.html", HTTPStatus.NOT_IMPLEMENTED, names=missing.names)

    return answering


@_friendly
def suppressed(ask: Ask, desk: Desk) -> Response:
    """Show the list, or what is known of one address."""
    q = ask.one("q")
    if not q:
        return _list(ask, desk, {}, {})
    email = places.recipient(q)
    if not _is_address(email):
        return _list(ask, desk, {"q": q}, {"q": ask.words("A whole address is needed, such as taro@example.com.")})
    entry = desk.suppression.show(email)
    return ask.page(
        "suppressed.html",
        entries=[] if entry is None else [Entry(entry, desk.now())],
        after="",
        email=email,
        typed=_typed({"q": q, "email": email}),
        problems={},
        opened=ask.one("lift") == "1",
    )


@_friendly
def lift(ask: Ask, desk: Desk) -> Response:
    """Let an address get mail again; with `resend`, send what waits for it."""
    email = places.recipient(ask.one("email"))
    before = desk.suppression.show(email)
    if desk.suppression.lift(email, ask.person.name):
        ask.tell("%(email)s gets mail again.", email=email)
        _offer_back(ask, email, before or {})
    else:
        ask.tell("%(email)s was not suppressed; nothing was changed.", Kind.WARNING, email=email)
    if ask.one("resend") == "1":
        _send(ask, desk, desk.find.suppressed(email))
    return ask.to("/suppressed", q=email)


@_friendly
def add(ask: Ask, desk: Desk) -> Response:
    """Let an address get no mail."""
    typed = {name: ask.one(name) for name in NAMES}
    until, problems = _checked(ask, typed)
    if problems:
        return _list(ask, desk, typed, problems)
    email, who = places.recipient(typed["email"]), ask.person.name
    desk.suppression.add(email, who, typed["reason"] or Message("suppression.added", who=who), until)
    ask.tell("%(email)s gets no mail from now on.", email=email)
    ask.offer("Undo", "/suppressed/lift", email=email)
    return ask.to("/suppressed", q=email)


def _list(ask: Ask, desk: Desk, typed: Mapping[str, str], problems: Mapping[str, str]) -> Response:
    page = desk.suppression.entries(SIZE, ask.query.get("after") or None)
    return ask.page(
        "suppressed.html",
        HTTPStatus.BAD_REQUEST if problems else HTTPStatus.OK,
        entries=[Entry(item, desk.now()) for item in page.items],
        after=page.cursor or "",
        email="",
        typed=_typed(typed),
        problems=problems,
        opened=False,
    )


def _typed(given: Mapping[str, str]) -> dict[str, str]:
    return {**dict.fromkeys(("q", *NAMES), ""), **given}


def _checked(ask: Ask, typed: Mapping[str, str]) -> tuple[datetime | None, dict[str, str]]:
    """Read until when, and say what is wrong with the fields."""
    problems: dict[str, str] = {}
    until = None
    if not _is_address(places.recipient(typed["email"])):
        problems["email"] = ask.words("A whole address is needed, such as taro@example.com.")
    if len(typed["reason"]) > suppression.LONGEST_REASON or bad_character(typed["reason"]):
        problems["reason"] = ask.words(
            "At most %(most)d characters in one line are kept.", most=suppression.LONGEST_REASON
        )
    try:
        until = times.typed(typed["until"], "until", ask.zone, last=True)
        if until is not None and until <= ask.now:
            problems["until"] = ask.words("That time has passed.")
    except InvalidRequest:
        problems["until"] = ask.words("A day or a time is needed, such as 2026-01-31 or 2026-01-31T09:00.")
    return until, problems


def _is_address(email: str) -> bool:
    try:
        Address(email)
    except InvalidMail:
        return False
    return True


def _offer_back(ask: Ask, email: str, before: Item) -> None:
    """Offer to suppress an address as it was, as far as a person can."""
    until = Entry(before, ask.now).until
    fields = {"email": email, "reason": shorten(str(before.get("reason", "")), LONGEST_KEPT)}
    if until:
        fields["until"] = f"{until.astimezone(ask.zone):%Y-%m-%dT%H:%M:%S}"
    ask.offer("Undo", "/suppressed/add", **fields)


def _send(ask: Ask, desk: Desk, waiting: Sequence[Row]) -> None:
    """Send what waited for an address, as much as a person waits for, and tell what came of it."""
    refused = 0
    for row in waiting[:MOST_SENT]:
        try:
            _resend(ask, desk, row.id)
        except OutboxError:
            refused += 1
    sent = min(len(waiting), MOST_SENT) - refused
    ask.tell("Mails to it that go again: %(sent)d.", sent=sent)
    if refused or len(waiting) > MOST_SENT:
        left = refused + max(0, len(waiting) - MOST_SENT)
        ask.tell("Mails to it that are still in the outbox: %(left)d. Look at them there.", Kind.WARNING, left=left)


def _resend(ask: Ask, desk: Desk, mail_id: str) -> None:
    """Send a mail that still waits for the address alone; somebody may have been faster, and it in doubt by now."""
    row = desk.support.show(mail_id)
    if row.status is not Status.FAILED or row.error != SUPPRESSED:
        raise ChangedMeanwhile(mail_id)
    desk.support.resend(mail_id, ask.person.name, version=row.version)


PAGES: tuple[Page, ...] = (
    Page("/suppressed", suppressed),
    Page("/suppressed/lift", lift, "POST"),
    Page("/suppressed/add", add, "POST"),
)

"""What was sent and what was cancelled, to be searched, with what came back of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from outbox.console.ask import Ask, Page
from outbox.console.fields import days_problems, key_problems, midnight, problem_of_days
from outbox.core.errors import InvalidRequest, NotFound
from outbox.core.row import Row
from outbox.core.states import FINISHED, Status
from outbox.flows.again import can_be_resent
from outbox.flows.history import Found, Sought
from outbox.wiring.desk import Desk

SIZE = 25
# What the form asks for: what is in hand, and what else is known.
MORE = ("to", "id", "delivery", "since", "until", "tag", "text", "status", "bounced")
KEYS = ("q", "to", "id", "delivery")
STATES = tuple(sorted(FINISHED))
# The names of a `Sought` that can be meant by what is in hand, and those of the form.
NAMED = {"to": "to", "delivery_id": "delivery", "mail_id": "id"}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where else something is, when history shows nothing: the mail itself, and whether it waits in the outbox."""

    row: Row

    @property
    def waits(self) -> bool:
        """Whether it has not left the outbox."""
        return self.row.status not in FINISHED


def history(ask: Ask, desk: Desk) -> Response:
    """Show what was found, the latest first; without a question that of today and yesterday."""
    typed = {name: ask.one(name) for name in ("q", *MORE)}
    after = ask.query.get("after", "")
    problems = _problems(ask, typed)
    guesses = [] if problems else _guesses(typed)
    sought, found = Sought(), Found()
    try:
        for sought in guesses:
            found = desk.history.page(sought, SIZE, after)
            # Only a first guess has a second page.
            if found.mails or found.after or after:
                break
    except InvalidRequest as error:
        if after:
            raise
        problems["until"] = problem_of_days(ask, error)
    nothing = not (problems or found.mails or found.after or after)
    values = _shown(ask, typed, guesses) | {
        "found": found,
        "sought": sought,
        "problems": problems,
        "after": after,
        "short": len(found.mails) < SIZE and bool(found.after),
        "elsewhere": _elsewhere(desk, guesses) if nothing else None,
    }
    return ask.page("history.html", HTTPStatus.BAD_REQUEST if problems else HTTPStatus.OK, **values)


def _shown(ask: Ask, typed: Mapping[str, str], guesses: list[Sought]) -> dict[str, Any]:
    return {
        "typed": typed,
        "query": {name: value for name, value in typed.items() if value},
        "more": any(typed[name] for name in MORE),
        "guesses": guesses,
        "by_day": all(_by_day(sought) for sought in guesses),
        "states": STATES,
        "midnight": midnight(ask),
        "can_be_resent": can_be_resent,
    }


def _problems(ask: Ask, typed: Mapping[str, str]) -> dict[str, str]:
    found = days_problems(ask, typed) | key_problems(ask, typed, *KEYS)
    if typed["status"] and typed["status"] not in STATES:
        found["status"] = ask.words("No mail in history has this state.")
    for name in [NAMED[kind] for kind in _kinds(typed["q"])]:
        if typed[name] not in ("", typed["q"]):
            found[name] = ask.words("The field at the top says something else.")
    return found


def _guesses(typed: Mapping[str, str]) -> list[Sought]:
    """Give what may be meant, the likeliest first: keys are free, and may look like an address or a number."""
    asked = Sought(
        to=typed["to"],
        mail_id=typed["id"],
        delivery_id=typed["delivery"],
        since=typed["since"],
        until=typed["until"],
        tag=typed["tag"],
        text=typed["text"],
        status=Status(typed["status"]) if typed["status"] else None,
        bounced=bool(typed["bounced"]),
    )
    found = []
    for kind in _kinds(typed["q"]):
        said: dict[str, Any] = {kind: typed["q"]}
        found.append(replace(asked, **said))
    return found or [asked]


def _kinds(in_hand: str) -> list[str]:
    """Name what that can be which somebody has in hand."""
    if not in_hand:
        return []
    if "@" in in_hand:
        return ["to", "mail_id"]
    return ["delivery_id", "mail_id"] if in_hand.isascii() and in_hand.isdigit() else ["mail_id"]


def _by_day(sought: Sought) -> bool:
    return not (sought.to or sought.mail_id or sought.delivery_id)


def _elsewhere(desk: Desk, guesses: list[Sought]) -> Elsewhere | None:
    """Look for a mail by its id alone, wherever it may be."""
    mail_id = guesses[-1].mail_id
    if not mail_id:
        return None
    try:
        return Elsewhere(desk.support.show(mail_id))
    except NotFound:
        return None


PAGES: tuple[Page, ...] = (Page("/history", history),)

"""The first page: how the service stands, and the mails that need a person, or those that wait for their time."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.responses import Response

from outbox.console import failures, filters
from outbox.console.ask import Ask, Page, address
from outbox.console.filters import UNDER_WAY, Asked
from outbox.core.errors import MissingSettings
from outbox.core.states import Status
from outbox.core.transitions import may_have_been_sent
from outbox.flows.choices import Choice, choices
from outbox.flows.listing import NEEDS_A_PERSON, Listing
from outbox.flows.overview import Count, Overview, overview
from outbox.wiring.desk import Desk

SIZE = 25
# The page asks every five seconds; who needs to know more looks at the list.
COUNTED = 250


@dataclass(frozen=True, slots=True)
class Card:
    """A number that leads to the list of what it counts."""

    name: str
    label: str
    count: Count
    address: str


def home(ask: Ask, desk: Desk) -> Response:
    """Show how it stands and a page of the list; a filter nothing can be made of is told and left out."""
    asked = filters.read(ask)
    after = ask.query.get("after", "")
    shown = Listing(desk.store)(asked.filter, SIZE, after)
    status = HTTPStatus.BAD_REQUEST if asked.problems else HTTPStatus.OK
    values = standing(ask, desk) | _listed(ask, asked)
    return ask.page("home.html", status, shown=shown, after=after, **values)


def overview_part(ask: Ask, desk: Desk) -> Response:
    """Show how it stands, to be put in place of what the page says of it."""
    return ask.part("overview.html", **standing(ask, desk))


def standing(ask: Ask, desk: Desk) -> dict[str, Any]:
    """Look how the service stands: bounded reads, whatever the outbox holds; why not, if that cannot be read now."""
    try:
        seen = overview(desk.store, desk.line.register, desk.line.rate, desk.switch.state(), ask.now, COUNTED)
    except (BotoCoreError, ClientError, MissingSettings) as error:
        # The list needs the outbox alone.
        return {"seen": None, "unread": failures.sentences(error, ask)[0]}
    return {"seen": seen, "cards": _cards(ask, seen), "slot": _seconds_to_slot(ask, seen)}


def _listed(ask: Ask, asked: Asked) -> dict[str, Any]:
    return {
        "asked": asked,
        "states": filters.states(ask),
        "errors": filters.errors(ask, asked),
        "actions": _actions(asked),
        "all_that_match": not asked.problems and asked.filter.where is not None,
        "days": filters.days(ask),
        "tick_all": ask.one("tick") == "all",
        "choices": choices,
        "in_doubt": may_have_been_sent,
        "Choice": Choice,
    }


def _actions(asked: Asked) -> list[str]:
    """Name what can be done to many of a list, as the page for that takes it."""
    states = asked.filter.states
    if states == {Status.HELD}:
        return ["release", "cancel"]
    held = ["release"] if Status.HELD in states else []
    return ["resend", "hold", *held, "cancel"]


def _cards(ask: Ask, seen: Overview) -> list[Card]:
    labels: Mapping[str, str] = {
        Status.FAILED: ask.words("could not be sent"),
        Status.UNKNOWN: ask.words("may have been sent"),
        Status.HELD: ask.words("held by somebody"),
    }
    order = [Status.FAILED, Status.UNKNOWN, Status.HELD]
    assert {*order} == NEEDS_A_PERSON  # noqa: S101  a state more would have no card
    problems = [Card(state, labels[state], seen.problems[state], address("/", state=state.lower())) for state in order]
    now = filters.typed(ask.now, ask)
    return [
        *problems,
        Card("due", ask.words("due now"), seen.due_now, address("/", state=UNDER_WAY, until=now)),
        Card("later", ask.words("scheduled or deferred"), seen.due_later, address("/", state=UNDER_WAY, since=now)),
    ]


def _seconds_to_slot(ask: Ask, seen: Overview) -> float:
    return max(0.0, (seen.next_slot - ask.now).total_seconds()) if seen.next_slot else 0.0


PAGES: tuple[Page, ...] = (
    Page("/", home),
    Page("/overview", overview_part),
)

"""What came back, with the mail each belongs to."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from outbox.console.ask import Ask, Page
from outbox.console.fields import days_problems, key_problems, midnight, problem_of_days
from outbox.core.errors import InvalidRequest
from outbox.flows.history import CameBack
from outbox.wiring.desk import Desk

SIZE = 25
NAMES = ("to", "delivery", "since", "until", "unmatched")


def bounces(ask: Ask, desk: Desk) -> Response:
    """Show what came back, the latest first; without a question that of today and yesterday."""
    typed = {name: ask.one(name) for name in NAMES}
    after = ask.query.get("after", "")
    problems = days_problems(ask, typed) | key_problems(ask, typed, "to", "delivery")
    found = CameBack()
    try:
        found = found if problems else _page(desk, typed, after)
    except InvalidRequest as error:
        if after:
            raise
        problems["until"] = problem_of_days(ask, error)
    return ask.page(
        "bounces.html",
        HTTPStatus.BAD_REQUEST if problems else HTTPStatus.OK,
        typed=typed,
        query={name: value for name, value in typed.items() if value},
        found=found,
        problems=problems,
        after=after,
        short=len(found.bounces) < SIZE and bool(found.after),
        midnight=midnight(ask),
    )


def _page(desk: Desk, typed: Mapping[str, str], after: str) -> CameBack:
    return desk.history.bounces_page(
        to=typed["to"],
        delivery_id=typed["delivery"],
        since=typed["since"],
        until=typed["until"],
        unmatched=bool(typed["unmatched"]),
        size=SIZE,
        after=after,
    )


PAGES: tuple[Page, ...] = (Page("/bounces", bounces),)

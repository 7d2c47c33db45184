"""What the last hour and the last day brought, as charts."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from outbox.console.ask import Ask, Page
from outbox.console.chart import Bars, bars
from outbox.core.errors import InvalidRequest
from outbox.core.message import Message
from outbox.flows.activity import DAY, HOUR, Activity, Chart
from outbox.wiring.desk import Desk

SPANS = {"hour": HOUR, "day": DAY}


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing that was counted: what it is called, what it means, its bars, and whether all was counted."""

    name: str
    label: str
    meaning: str
    bars: Bars
    exact: bool

    @property
    def style(self) -> str:
        """How the style sheet calls it."""
        return "sent" if self.name == "finished" else self.name


def activity(ask: Ask, desk: Desk) -> Response:
    """Show both charts: each loaded by the page itself or, asked for `whole`, on it from the beginning."""
    charts = [_drawn(ask, desk, name) for name in SPANS] if ask.one("whole") else []
    return ask.page("activity.html", spans=[*SPANS], charts=charts)


def chart(ask: Ask, desk: Desk) -> Response:
    """Show the charts of one span, as a part of the page. Raises `InvalidRequest`."""
    name = ask.one("span")
    if name not in SPANS:
        raise InvalidRequest(Message("request.span", written=repr(name)))
    return ask.part("chart.html", **_drawn(ask, desk, name))


def _drawn(ask: Ask, desk: Desk, name: str) -> dict[str, Any]:
    found = Activity(desk.store, desk.now)(SPANS[name])
    return {"name": name, "series": _series(ask, found), "buckets": found.buckets}


def _series(ask: Ask, found: Chart) -> list[Series]:
    moments = [bucket.since for bucket in found.buckets]
    told = {
        "finished": (ask.words("Left the outbox"), ask.words("Mails that were sent, or cancelled.")),
        "failed": (ask.words("Failed"), ask.words("Mails that came to need a person then, and still do.")),
        "waiting": (ask.words("Waiting"), ask.words("Mails that were due then, and still wait.")),
    }
    return [
        Series(
            name, *words, bars([getattr(each, name) for each in found.buckets], moments, ask.zone), found.exact[name]
        )
        for name, words in told.items()
    ]


PAGES: tuple[Page, ...] = (
    Page("/activity", activity),
    Page("/activity/chart", chart),
)

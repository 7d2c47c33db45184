"""One decision about many mails: shown first with its count and a sample, then started."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from outbox.console import chosen, filters
from outbox.console.ask import Ask, Kind, Page
from outbox.console.chosen import Chosen, Group
from outbox.core import clock, places
from outbox.core.errors import InvalidRequest, OutboxError
from outbox.core.message import Message, message_of
from outbox.core.row import Row
from outbox.core.shown import safe
from outbox.core.text import shorten
from outbox.flows.batch import ID, Action, Batches, NoBatch, Preview
from outbox.wiring.desk import Desk

# Rows that are gone through to tell how many are meant: some seconds' worth of reading at the most.
LOOK = 5000
SAMPLE = 5


@dataclass(frozen=True, slots=True)
class Looked:
    """A group and what a batch would meet in it; `batch` is the id under which it can be started once."""

    group: Group
    preview: Preview
    batch: str

    @property
    def possible(self) -> bool:
        """Whether there is, or may be, anything to do."""
        return self.preview.count > 0 or self.preview.more


def many(ask: Ask, desk: Desk) -> Response:
    """Show what an action would meet; changes nothing."""
    return _page(ask, desk, chosen.read(ask, desk, ask.now), ask.now)


def start(ask: Ask, desk: Desk) -> Response:
    """Start what was looked at, in the person's name; what may have been sent only if that was confirmed."""
    seen_at = min(clock.parse(ask.one("seen_at")) or ask.now, ask.now)
    asked = chosen.read(ask, desk, seen_at)
    already = _started(ask, desk)
    shown = [group for group in asked.groups if _batch(ask, group) and _batch(ask, group) not in already]
    sure = [group for group in shown if not group.doubt or ask.one(f"sure-{group.name}")]
    waiting = [row for row in asked.waiting if _as_seen(row) in ask.several("waiting")]
    if already and not sure:
        ask.tell("This was started already; nothing was started twice.", Kind.WARNING)
        return ask.to("/batch", id=already[0])
    if not sure and not waiting:
        problem = ask.words("Tick that you know that they may arrive twice.") if shown else ""
        return _page(ask, desk, asked, seen_at, problem)
    if waiting:
        _at_once(ask, desk, asked.action, waiting)
    if not sure:
        return ask.to("/", state=filters.UNDER_WAY)
    started = [_start(ask, desk, asked, group) for group in sure]
    if len(sure) < len(asked.groups):
        ask.tell("What was not confirmed, or came meanwhile, was left alone.", Kind.WARNING)
    ask.tell("Started. It goes on while you look at other pages.")
    return ask.to("/batch", id=started[0]) if len(started) == 1 else ask.to("/batches")


def _page(ask: Ask, desk: Desk, asked: Chosen, seen_at: datetime, problem: str = "") -> Response:
    batches = _batches(desk)
    looked = [
        Looked(group, batches.preview(group.where, SAMPLE, asked.action), places.new_id(ask.now))
        for group in asked.groups
    ]
    possible = [each for each in looked if each.possible]
    values: dict[str, Any] = {"asked": asked, "looked": looked, "possible": possible, "problem": problem}
    values |= {
        "as_seen": _as_seen,
        "fields": _fields(ask),
        "seen_at": clock.text(seen_at),
        "sample": SAMPLE,
        "look": LOOK,
    }
    return ask.page("many.html", HTTPStatus.CONFLICT if problem else HTTPStatus.OK, **values)


def _fields(ask: Ask) -> list[tuple[str, str]]:
    """Give what the form must say again of which rows are meant."""
    if not ask.one("all"):
        return [("ids", each) for each in ask.several("ids")]
    return [("all", "1"), *filters.read(ask).query.items()]


def _batch(ask: Ask, group: Group) -> str:
    """Give the id under which the page that was looked at lets a group be started; empty if it did not show it."""
    batch = ask.one(f"batch-{group.name}")
    if batch and not ID.fullmatch(batch):
        raise InvalidRequest(Message("batch.no-id", written=repr(batch)))
    return batch


def _start(ask: Ask, desk: Desk, asked: Chosen, group: Group) -> str:
    batch = _batches(desk).start(group.where, asked.action, ask.person.name, batch=_batch(ask, group))
    ask.runner.run(batch)
    return batch


def _started(ask: Ask, desk: Desk) -> list[str]:
    """Name the batches that this very page has started: it was sent twice."""
    shown = [str(batch) for name, batch in ask.form.items() if name.startswith("batch-")]
    return [batch for batch in shown if ID.fullmatch(batch) and _is_there(desk.batches, batch)]


def _is_there(batches: Batches, batch: str) -> bool:
    try:
        batches.show(batch)
    except NoBatch:
        return False
    return True


def _batches(desk: Desk) -> Batches:
    """Give what shows and starts batches without counting for long."""
    return replace(desk.batches, look=LOOK)


def _as_seen(row: Row) -> str:
    """Name a row as it is now, so that what was decided about it is not done twice."""
    return f"{row.revision}:{row.id}"


def _at_once(ask: Ask, desk: Desk, action: Action, rows: Sequence[Row]) -> None:
    """Do it to rows that wait for their time, of which there are never more than a page shows."""
    support, who, note = desk.support, ask.person.name, action.note
    acts: Mapping[str, Callable[[Row], Row]] = {
        "resend": lambda row: support.resend(row.id, who, version=row.version),
        "hold": lambda row: support.hold(row.id, who, note),
        "cancel": lambda row: support.cancel(row.id, who),
    }
    done, wrong = 0, []
    for row in rows:
        try:
            acts[action.kind](row)
            done += 1
        except OutboxError as error:
            wrong.append(ask.words.said(message_of(error)))
    told = {
        "resend": ask.words("sent now"),
        "hold": ask.words("held"),
        "cancel": ask.words("cancelled"),
    }
    ask.tell("%(what)s: %(number)s", what=told[action.kind], number=f"{done:,}")
    if wrong:
        first = safe(shorten(wrong[0], 150))
        ask.tell("Left alone: %(number)s. %(first)s", Kind.WARNING, number=f"{len(wrong):,}", first=first)


PAGES: tuple[Page, ...] = (
    Page("/many", many),
    # Two hundred ids of 256 bytes in percents.
    Page("/many", start, "POST", longest=262_144),
)

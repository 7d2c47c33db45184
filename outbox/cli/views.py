"""Mails as people see them: a table of many, everything about one; and the same as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from outbox.cli import advice, bounced, language
from outbox.cli.connect import Options
from outbox.cli.safe import cell, local
from outbox.core.mail import FIELDS
from outbox.core.row import Event, Row
from outbox.core.shown import safe, words
from outbox.core.states import FINISHED, Status
from outbox.flows.history import Kept

COLORS = {
    Status.SENT: "green",
    Status.CANCELLED: "dim",
    Status.FAILED: "bold red",
    Status.UNKNOWN: "bold magenta",
    Status.HELD: "yellow",
}
BODY_LINES, BODY_CHARS = 12, 1000
# In words of their own above, or for the service alone.
SHOWN = {"id", "resend_of", "resent_as", "left_out", "status", "timeline", "reason", "files", "body", *FIELDS}
SERVICE = {
    "lane", "due_at", "problem", "problem_at", "claim", "claimed_at", "fingerprint", "day", "recipient", "details",
    "doubt", "left_as",
}  # fmt: skip
# Of an event, in words of their own; the last ones are what its reason is made of.
TOLD = {"at", "who", "what", "details", "reason", "why"}
TIMES = (
    "created_at",
    "send_at",
    "due_at",
    "claimed_at",
    "check_from",
    "check_until",
    "problem_at",
    "finished_at",
    "forgotten_at",
)


def where(row: Row) -> str:
    """Name the table a mail is in."""
    return "history" if row.status in FINISHED else "outbox"


def as_json(row: Row) -> dict[str, Any]:
    """Give a mail for a script: its row exactly as it is stored."""
    return {"id": row.id, "where": where(row), "row": dict(row.item)}


def with_bounces(kept: Kept) -> dict[str, Any]:
    """Give a mail and what came back of it for a script, as they are stored."""
    return as_json(kept.row) | {"bounces": [dict(bounce) for bounce in kept.bounces]}


def listing(rows: Iterable[Row], *, wide: bool) -> Table:
    """Draw a table of mails: where each is and why; on a narrow terminal with fewer columns of more lines."""
    table = Table(show_lines=not wide)
    # An id must never be cut: a usual one fits on a line, a long idempotency key is folded.
    table.add_column("id", overflow="fold", min_width=26)
    table.add_column("status", no_wrap=True)
    for name in ("when", "to", "subject", "why") if wide else ("mail",):
        table.add_column(name, overflow="fold")
    for row in rows:
        facts = [when(row), words(row.item.get("to", "")), words(row.item.get("subject", "")), language.why(row)]
        cells = map(cell, facts) if wide else [cell("\n".join(map(safe, filter(None, facts))), lines=True)]
        table.add_row(cell(row.id), status(row), *cells)
    return table


def status(row: Row) -> Text:
    """Give the state in its colour; a word that is none, as a person typed it."""
    return cell(words(row.item.get("status", "none")), COLORS.get(row.status, "") if row.status else "bold red")


def when(row: Row) -> str:
    """Say the moment that matters in its state."""
    if row.status in FINISHED:
        return f"{str(row.status).lower()} {local(row.item.get('finished_at', ''))}"
    if row.due_at and row.status in {Status.WAITING, Status.SENDING, Status.CHECKING}:
        return f"due {local(row.due_at)}"
    return f"since {local(row.item.get('problem_at') or row.item.get('created_at', ''))}"


def page(kept: Kept, options: Options, *, full: bool = False) -> Iterator[RenderableType]:
    """Draw everything about one mail: where it is, why, its parts, what happened, what came back, what one can do."""
    row = kept.row
    yield _facts(row)
    yield from _bodies(row, full=full)
    if kept.bounces:
        yield bounced.came_back(kept.bounces)
    if row.timeline:
        yield _timeline(row.timeline)
    yield from todo(row, options)


def todo(row: Row, options: Options) -> Iterator[Text]:
    """Say what happens next and which commands can be given now, each on a line to be copied."""
    yield cell(advice.outlook(row))
    for command, purpose in advice.steps(row):
        yield Text.assemble((f"  {safe(to_copy(options, command, row.id))}", "bold"), (f"  # {purpose}", "dim"))


def to_copy(options: Options, command: str, mail_id: str) -> str:
    """Write a command on a mail for a shell; an id that looks like an option is told apart."""
    return options.command(*command.split(), *(["--"] if mail_id.startswith("-") else []), mail_id)


def _facts(row: Row) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("id", cell(row.id))
    table.add_row("status", status(row))
    table.add_row("where", cell(where(row)))
    table.add_row("why", cell(language.why(row) or advice.outlook(row)))
    for name, value in _attributes(row):
        table.add_row(cell(name), cell(value))
    return table


def _attributes(row: Row) -> Iterator[tuple[str, str]]:
    item = row.item
    for name in FIELDS:
        if name not in {"text", "html", "attachments"} and item.get(name) not in (None, "", [], {}, False):
            yield name, words(item[name])
    for attached in item.get("attachments") or []:
        yield "attachment", _file(attached)
    yield from bounced.linked(row)
    if "body" in item:
        yield "texts", f"in the bucket, {_size(item['body'])}"
    for name in TIMES:
        if name in item:
            yield name, local(item[name])
    for name in sorted(item.keys() - SHOWN - SERVICE - set(TIMES)):
        yield name, words(item[name])


def _file(attached: Any) -> str:  # noqa: ANN401  a person may have typed anything
    if not isinstance(attached, dict):
        return words(attached)
    return ", ".join([*(words(attached.get(name, f"no {name}")) for name in ("name", "mime")), _size(attached)])


def _size(stored: Any) -> str:  # noqa: ANN401  as above
    if not isinstance(stored, dict):
        return words(stored)
    size = stored.get("size")
    return f"{size:,} bytes" if isinstance(size, int) else words(stored.get("content", "no size"))


def _bodies(row: Row, *, full: bool) -> Iterator[RenderableType]:
    for name in ("text", "html"):
        if body := row.item.get(name):
            # In a frame, so that no body can pass for a part of the page.
            yield Panel(cell(_shortened(safe(words(body), lines=True), full=full), lines=True), title=name)


def _shortened(body: str, *, full: bool) -> str:
    if full:
        return body
    short = "\n".join(body[:BODY_CHARS].split("\n")[:BODY_LINES])
    left = len(body) - len(short)
    return f"{short}\n[{left:,} more characters: --full]" if left > 0 else short


def _timeline(events: Iterable[Event]) -> Table:
    table = Table()
    for name in ("when", "who", "what", "details"):
        table.add_column(name, overflow="fold")
    for event in events:
        facts = [f"{name}: {local(value) if name in TIMES else words(value)}" for name, value in _rest(event).items()]
        details = "; ".join([*filter(None, [language.why_event(event)]), *facts])
        at, who = local(event.get("at", "")), words(event.get("who", ""))
        table.add_row(cell(at), cell(who), cell(language.event(event.get("what", ""))), cell(details))
    return table


def _rest(event: Event) -> Event:
    """Give what an event tells beside when, who, what and why."""
    return {name: value for name, value in event.items() if name not in TOLD}

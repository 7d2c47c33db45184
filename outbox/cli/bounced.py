"""What came back, and what hangs together with a mail, as people see it."""

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from outbox.cli.language import told
from outbox.cli.safe import cell, local
from outbox.core.bounce import problem_of
from outbox.core.row import Item, Row
from outbox.core.shown import words
from outbox.flows.again import links
from outbox.flows.history import Returned


def short(bounce: Item) -> str:
    """Say in a few words what came back, and from whom."""
    said = [words(bounce[name]) for name in ("type", "code", "recipient") if name in bounce]
    return " ".join(said)


def came_back(bounces: Iterable[Item]) -> Table:
    """Draw what came back of one mail."""
    table = Table(title="came back", title_justify="left")
    for name in ("when", "from", "what", "message"):
        table.add_column(name, overflow="fold")
    for bounce in bounces:
        table.add_row(*_event(bounce))
    return table


def returned(events: Iterable[Returned]) -> Table:
    """Draw bounces with the mail each belongs to."""
    table = Table()
    for name in ("when", "from", "what", "message", "delivery", "mail"):
        table.add_column(name, overflow="fold")
    for event in events:
        bounce = event.bounce
        mail = cell(event.mail_id) if event.mail_id else cell("none here", "yellow")
        table.add_row(*_event(bounce), cell(words(bounce.get("delivery_id", ""))), mail)
    return table


def linked(row: Row) -> Iterator[tuple[str, str]]:
    """Name the mail this one was made of, those made of it, and who was left out of it."""
    if "resend_of" in row.item:
        yield "resend of", words(row.item["resend_of"])
    for link in links(row):
        yield "resent as", f"{link['id']}, {local(link['at'])}, by {link['who']}"
    for part in row.left_out:
        yield "left out", ": ".join(filter(None, [part["address"], str(told(part["reason"]))]))


def _event(bounce: Item) -> Iterator[Text]:
    message = bounce.get("message") or told(problem_of(bounce)) or bounce.get("said", "")
    yield cell(local(bounce.get("finished_at", "")))
    yield cell(words(bounce.get("recipient", "nobody we can read")))
    yield cell(" ".join(words(bounce[name]) for name in ("type", "code") if name in bounce))
    yield cell(words(message))

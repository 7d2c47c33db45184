"""A list of mails of history with what came back of each."""

from collections.abc import Iterable

from rich.table import Table

from outbox.cli import views
from outbox.cli.bounced import short
from outbox.cli.safe import cell
from outbox.core.shown import safe, words
from outbox.flows.history import Kept


def listing(mails: Iterable[Kept], *, wide: bool) -> Table:
    """Draw a table of mails and what came back of each."""
    table = Table(show_lines=not wide)
    table.add_column("id", overflow="fold", min_width=26)
    table.add_column("status", no_wrap=True)
    for name in ("when", "to", "subject", "came back") if wide else ("mail",):
        table.add_column(name, overflow="fold")
    for kept in mails:
        facts = [views.when(kept.row), *(words(kept.row.item.get(name, "")) for name in ("to", "subject"))]
        facts.append("; ".join(map(short, kept.bounces)))
        cells = map(cell, facts) if wide else [cell("\n".join(map(safe, filter(None, facts))), lines=True)]
        table.add_row(cell(kept.row.id), views.status(kept.row), *cells)
    return table

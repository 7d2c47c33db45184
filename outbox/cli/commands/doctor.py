"""`outbox doctor`: inspects both tables, row by row."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from outbox.cli import output
from outbox.cli.desk import Cli, begin
from outbox.cli.options import Json
from outbox.cli.safe import cell
from outbox.flows.doctor import Finding, Progress

# More than anybody reads; the rest is counted.
SHOWN = 1000


def doctor(
    context: typer.Context,
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend what is certain: ends of history rows, rows nobody would find."),
    ] = False,
    pages: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many pages of 100 rows of each table.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read both tables as a whole and list what is wrong; exit status 1 if anything is left.

    It costs one read of every row. Found: unsent mails nobody would ever look at, history rows DynamoDB would never
    delete (their expires_at is missing or no whole number of seconds), copies without a mail, attachments without a
    file. --repair sets such an end (a row that is long over is deleted within days then) and, if the bucket is named,
    lets the files of all mails stay: the remedy after `keep` was out of order.
    """
    cli = begin(context, as_json=as_json)
    found: list[Finding] = []
    kinds: Counter[str] = Counter()
    left = 0
    for finding in cli.desk.doctor(_who(cli, repair=repair), repair=repair, pages=pages, progress=_progress(cli)):
        kinds[finding.kind] += 1
        left += not finding.repaired
        if len(found) < SHOWN:
            found.append(finding)
    _tell(cli, found, kinds, left)
    if left:
        raise typer.Exit(1)


def _who(cli: Cli, *, repair: bool) -> str:
    # Only a repair stands in a timeline.
    return cli.desk.who if repair else "doctor"


def _progress(cli: Cli) -> Progress | None:
    if cli.as_json:
        return None
    return lambda table, rows: output.note(f"{table}: {rows:,} rows")


def _tell(cli: Cli, found: list[Finding], kinds: Counter[str], left: int) -> None:
    if cli.as_json:
        findings = [asdict(finding) for finding in found]
        output.document({"findings": findings, "counts": dict(kinds), "left": left})
        return
    if found:
        output.show(_table(found))
    if kinds.total() > len(found):
        output.say(f"These are the first {len(found):,} of {kinds.total():,}.")
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    output.say(f"{counts}; {kinds.total() - left:,} repaired, {left:,} left." if kinds else "Nothing is wrong.")


def _table(found: list[Finding]) -> Table:
    table = Table()
    for name in ("table", "id", "what", "why", "repaired"):
        table.add_column(name, overflow="fold")
    for finding in found:
        table.add_row(*map(cell, (finding.table, finding.id, finding.kind, finding.sentence, finding.repaired or "no")))
    return table

"""`outbox export`: a filtered list of mails to a file, for a spreadsheet or a script."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError
from rich.progress import Progress, TextColumn

from outbox.cli import many, output
from outbox.cli import options as opt
from outbox.cli.desk import Cli, begin
from outbox.cli.sheet import Encoding, Format, Sheet, whole_file
from outbox.core.errors import InvalidRequest
from outbox.core.row import Row
from outbox.flows import export as flow
from outbox.flows.history import Sought


def export(  # noqa: PLR0913  each is one option
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to; written whole, or not at all.")],
    where: many.Wheres = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait for a person.")] = False,
    history: Annotated[bool, typer.Option("--history", help="What was sent or cancelled, instead.")] = False,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="History: whole address, copies too.")] = "",
    day: opt.Day = "",
    since: opt.Since = "",
    until: opt.Until = "",
    tag: Annotated[str, typer.Option(help="History: tag the application gave it.")] = "",
    text: Annotated[str, typer.Option("--text", help="History: part of the subject.")] = "",
    form: Annotated[Format, typer.Option("--format", help="CSV, or one JSON object a line.")] = "csv",
    encoding: Annotated[
        Encoding | None, typer.Option(help="Of CSV: utf-8-sig unless said; cp932 for old spreadsheets in Japan.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write ? for what the encoding has not.")] = False,
    bodies: Annotated[bool, typer.Option("--bodies", help="With text and HTML.")] = False,
    as_json: opt.Json = False,
) -> None:
    """Write mails to a file, one a line: those that wait for a person, or those of history.

    Columns: id, status, since, to, sender, subject, reason, error, tags, attempts, created_at, delivery_id.
    --where as for resend, but without a state all three are meant; or --history with its own options (today and
    yesterday unless said). In CSV a cell that begins with = + - @, also after blanks or full-width, gets an
    apostrophe before it, so that no spreadsheet runs it.
    """
    cli = begin(context, as_json=as_json)
    sought = Sought(to, since=day or since, until=day or until, tag=tag, text=text)
    _check(sought, where, history=history, everything=everything, days=bool(day and (since or until)))
    if form == "jsonl" and (encoding not in (None, "utf-8") or replace):
        message = "--encoding and --replace belong to CSV; JSON Lines are UTF-8"
        raise InvalidRequest(message)
    columns = [*flow.COLUMNS, *(flow.BODIES if bodies else ())]
    sheet = Sheet(columns, form, encoding or "utf-8-sig", replace)
    rows = _finished(cli, sought) if history else _unsent(cli, where, everything=everything)
    number = _write(cli, out, sheet, _whole(cli, rows) if bodies else rows, bodies=bodies)
    if cli.as_json:
        output.document({"file": str(out), "mails": number, "columns": columns})
    else:
        output.say(f"{number:,} mails are in {out}.")


def _check(sought: Sought, where: list[str] | None, *, history: bool, everything: bool, days: bool) -> None:
    if history and (where or everything):
        message = "--where and --all ask what waits for a person, --history what was sent; give one"
        raise InvalidRequest(message)
    if not history and sought != Sought():
        message = "--to, --day, --from, --until, --tag and --text belong to --history; --where KEY=VALUE asks the rest"
        raise InvalidRequest(message)
    if days:
        message = "--day is --from and --until in one; give it alone"
        raise InvalidRequest(message)


def _finished(cli: Cli, sought: Sought) -> Iterable[Row]:
    return flow.finished(cli.desk.store, cli.desk.now, sought)


def _unsent(cli: Cli, pairs: list[str] | None, *, everything: bool) -> Iterable[Row]:
    meant, _ = many.asked(pairs, everything=everything)
    return flow.unsent(cli.desk.store, meant)


def _whole(cli: Cli, rows: Iterable[Row]) -> Iterator[Row]:
    return flow.with_bodies(cli.desk.store, cli.desk.files, rows)


def _write(cli: Cli, out: Path, sheet: Sheet, rows: Iterable[Row], *, bodies: bool) -> int:
    number = 0
    try:
        with whole_file(out) as file, _counter(cli) as counter:
            file.write(sheet.head())
            for number, row in enumerate(rows, 1):
                file.write(sheet.line(flow.record(row, bodies=bodies)))
                counter.update(counter.task_ids[0], completed=number)
    except BotoCoreError:
        # Some of these are an OSError too, and no fault of the file's.
        raise
    except OSError as error:
        message = f"--out {out}: {error.strerror or error}"
        raise InvalidRequest(message) from None
    return number


@contextmanager
def _counter(cli: Cli) -> Iterator[Progress]:
    printer = output.console(stderr=True)
    columns = TextColumn("{task.completed:,.0f} mails")
    with Progress(columns, console=printer, disable=cli.as_json or not printer.is_terminal) as progress:
        progress.add_task("", total=None)
        yield progress

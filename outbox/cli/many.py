"""`--where`: one decision about many rows, looked at first, then carried out as a batch one can stop and continue."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from outbox.cli import output, views
from outbox.cli.desk import Cli
from outbox.cli.language import told
from outbox.cli.safe import cell, local
from outbox.core.errors import InvalidRequest
from outbox.core.places import LONGEST_KEY, OURS
from outbox.core.states import Status
from outbox.core.text import size
from outbox.flows import where
from outbox.flows.batch import Action, Batches, Preview, Report
from outbox.flows.batch_report import DONE, reasons_stored
from outbox.flows.where import Where

IDS = "ids=@"
SAMPLE = 5
UNKNOWN = (
    "These mails MAY HAVE BEEN SENT: nobody could tell. Whoever got one of them gets it twice. Look in the mail API's "
    "records first."
)

Wheres = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="KEY=VALUE",
        help="Rows that wait for a person, instead of ids; may be repeated, and all must hold. state (failed unless "
        "said, unknown, held), error, text (in the reason), day, since, until (when it got there: a UTC date or a time "
        "with a zone), domain (of the recipient), to and subject (a part of them), tag, ids=@FILE (one id a line).",
    ),
]
All = Annotated[bool, typer.Option("--all", help="With nothing said by --where: all that FAILED.")]
Start = Annotated[bool, typer.Option("--send", help="With --where: do it; without, it is only shown.")]


def asked(pairs: Sequence[str] | None, *, everything: bool) -> tuple[Where, int]:
    """Read what rows are meant, and how many ids of the file were blank or there twice. Raises `InvalidRequest`."""
    files = [pair.removeprefix(IDS) for pair in pairs or [] if pair.startswith(IDS)]
    if len(files) > 1:
        message = "ids: is given twice"
        raise InvalidRequest(message)
    lines = _lines(Path(files[0])) if files else []
    ids = dict.fromkeys(line for line in lines if line)
    if files and not ids:
        message = f"ids: {files[0]} holds no id"
        raise InvalidRequest(message)
    meant = where.of((pair for pair in pairs or [] if not pair.startswith(IDS)), ids)
    if meant.empty and not everything:
        message = "which rows? Say it by --where KEY=VALUE, or give --all for all that FAILED"
        raise InvalidRequest(message)
    return meant, len(lines) - len(ids)


def decide(cli: Cli, action: Action, pairs: Sequence[str] | None, *, everything: bool, start: bool) -> None:
    """Show what an action would meet and the command that does it or, with `start`, do it."""
    meant, unread = asked(pairs, everything=everything)
    action.check(meant)
    if start:
        carry_out(cli, meant, action)
        return
    more = [*(["--note", action.note] if action.note else []), *(["--all"] if everything else [])]
    go_on = again(cli, action.kind, pairs, *more, "--send")
    tell_preview(cli, meant, cli.control.batches.preview(meant, action=action), go_on, unread)


def carry_out(cli: Cli, meant: Where, action: Action) -> None:
    """Start a batch and run it; exit status 1 if it was stopped."""
    batches = cli.control.batches
    batch = batches.start(meant, action, cli.control.who, everything=True)
    if not cli.as_json:
        output.note(f"Batch {batch}.")
    run(cli, batches, batch)


def run(cli: Cli, batches: Batches, batch: str, who: str = "") -> None:
    """Run a batch, or continue it as `who`, under a bar; Ctrl-C stops it, and the command that continues it is told."""
    try:
        with _interruptible() as stopping, _bar(batches.show(batch)) as progress:
            report = batches.run(batch, progress, stopping, who)
    except KeyboardInterrupt:
        report = batches.show(batch)
    except (BotoCoreError, ClientError):
        output.note(f"To go on, when AWS answers again: {cli.options.command('batch', 'continue', batch)}")
        raise
    tell(cli, report)
    if report.state != DONE:
        raise typer.Exit(1)


def tell(cli: Cli, report: Report) -> None:
    """Tell how far a batch has come, and what can be done next."""
    if cli.as_json:
        output.document({"batch": as_json(report), "go_on": _next(cli, report)})
        return
    output.show(listing([report]))
    for why, number in report.skipped.items():
        output.say(f"  left alone: {number:,} {told(why)}")
    if report.failed:
        output.say(f"  not written: {report.failed:,}, left to be continued; the last error was {report.trouble}")
    if report.stopped_by:
        output.say(f"  stopped by {report.stopped_by}, {local(report.stopped_at)}")
    if report.continued_by:
        output.say(f"  continued by {report.continued_by}, {local(report.continued_at)}")
    if command := _next(cli, report):
        output.say(f"To go on: {command}")


def as_json(report: Report) -> dict[str, Any]:
    """Give a report for a script."""
    names: tuple[str, ...] = ("id", "state", "who", "at", "expected", "more", "done", "failed", "trouble", "alive")
    names += ("stopped_by", "stopped_at", "continued_by", "continued_at")
    said: Mapping[str, Any] = {name: getattr(report, name) for name in names}
    maps = {name: dict(getattr(report, name)) for name in ("where", "action")}
    return {**said, **maps, "skipped": reasons_stored(report.skipped)}


def listing(reports: Sequence[Report]) -> Table:
    """Draw batches, one a line."""
    table = Table()
    for name in ("batch", "state", "since", "who", "what", "rows", "done", "left alone", "failed"):
        table.add_column(name, overflow="fold", no_wrap=name in ("batch", "state"))
    for each in reports:
        what = f"{_words(each.action)}; {_words(each.where)}"
        met = (each.done, sum(each.skipped.values()), each.failed)
        numbers = (_count(each.expected, more=each.more), *(f"{number:,}" for number in met))
        facts = (each.id, state(each), local(each.at), each.who, what, *numbers)
        table.add_row(*map(cell, facts))
    return table


def state(report: Report) -> str:
    """Say the state; a run without a runner was interrupted."""
    return "interrupted" if report.state == "running" and not report.alive else report.state


def tell_preview(cli: Cli, meant: Where, preview: Preview, go_on: str, unread: int) -> None:
    """Show what a batch would meet and the command that starts it."""
    if cli.as_json:
        output.document(preview_json(meant, preview) | {"lines_ignored": unread, "go_on": go_on})
        return
    if preview.sample:
        output.show(views.listing(preview.sample, wide=output.is_wide()))
    output.say(f"{_count(preview.count, more=preview.more)} mails are meant.")
    tell_warnings(meant, preview, unread)
    output.say(f"Nothing was done. To go on: {go_on}")


def preview_json(meant: Where, preview: Preview) -> dict[str, Any]:
    """Give a preview for a script."""
    sample = [views.as_json(row) for row in preview.sample]
    counts = {"count": preview.count, "more": preview.more, "suppressed": preview.suppressed}
    warnings = [UNKNOWN] if meant.state is Status.UNKNOWN else []
    return counts | {"excluded": reasons_stored(preview.excluded), "warnings": warnings, "sample": sample}


def tell_warnings(meant: Where, preview: Preview, unread: int) -> None:
    """Say what one should know before."""
    if meant.state is Status.UNKNOWN:
        output.show(cell(UNKNOWN, "bold red"))
    if preview.suppressed:
        output.say(f"{preview.suppressed:,} of them go to suppressed addresses and will fail again for that.")
    for why, number in preview.excluded.items():
        output.say(f"Not among them, or left alone: {number:,} {told(why)}.")
    if unread:
        output.say(f"{unread:,} lines of the file were blank or there twice.")


def again(cli: Cli, command: str, pairs: Sequence[str] | None, *more: str) -> str:
    """Write a command with the same --where, to be copied."""
    return cli.options.command(command, *(word for pair in pairs or [] for word in ("--where", pair)), *more)


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        message = f"ids: {path}: {error.strerror or error}"
        raise InvalidRequest(message) from None
    except UnicodeDecodeError:
        message = f"ids: {path} is not UTF-8"
        raise InvalidRequest(message) from None
    for number, line in enumerate(lines, 1):
        if size(line) > LONGEST_KEY or line.startswith(OURS):
            message = f"ids: line {number} of {path} is no id of a mail"
            raise InvalidRequest(message)
    return lines


def _next(cli: Cli, report: Report) -> str:
    return "" if report.state == DONE else cli.options.command("batch", "continue", report.id)


def _words(said: Mapping[str, Any]) -> str:
    parts = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in said.items()]
    return " ".join(str(value) if name in ("kind", "status") else f"{name}={value}" for name, value in parts if value)


def _count(number: int, *, more: bool) -> str:
    return f"at least {number:,}" if more else f"{number:,}"


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Take the first Ctrl-C for a wish to stop; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    wish = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        wish.set()

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield wish.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(begun: Report) -> Iterator[Callable[[Report], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    printer = output.console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=printer, disable=not printer.is_terminal) as bar:
        task = bar.add_task(begun.id, total=begun.expected, completed=begun.met, rate="")

        def tell_bar(report: Report) -> None:
            speed = bar.tasks[0].speed
            rate = f"{speed:,.0f} a second" if speed else ""
            bar.update(task, completed=report.met, total=max(report.expected, report.met), rate=rate)

        yield tell_bar

"""`outbox restore`: brings rows of a copied table back as HELD, or silences the copy; nothing is sent."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table

from outbox.cli import output
from outbox.cli.desk import Cli, begin
from outbox.cli.options import Json
from outbox.cli.safe import cell
from outbox.core.codes import ErrorCode
from outbox.core.errors import InvalidRequest
from outbox.core.shown import words
from outbox.flows.quarantine import Quarantine
from outbox.flows.restore import IntoHistory, IntoOutbox
from outbox.flows.segments import Fate, Report, Task, Tell, Walk
from outbox.wiring.copied import Copied

# What a shell expects of a command ended by Ctrl-C.
INTERRUPTED = 130
SEGMENTS = 8
TOLD_EVERY = 2.0
STOPPED = "Ended before its time; what was written stays, and the same command again completes it."
HELD = "They are HELD: nothing of them is sent until a person releases them."
WORDS = {
    Fate.SAME: "in the live outbox as it is",
    Fate.CHANGED: "changed meanwhile: the live row stands",
    Fate.IN_HISTORY: "in live history: sent or called back",
    Fate.IN_OUTBOX: "in conflict: the live outbox has a row of that id",
    Fate.OTHER_TABLE: "of the other table: see --into",
    Fate.OURS: "the service's own, not needed there",
    Fate.EXPIRED: "over: their time in history has ended",
    Fate.QUIET: "would never go by themselves",
    Fate.NOT_WRITTEN: "too large for the note, NOT written",
}


class Into(StrEnum):
    """Which live table the rows go to."""

    OUTBOX = "outbox"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    table: str
    into: Into | None
    quarantine: bool
    go: bool
    segments: int
    rate: float | None

    @property
    def words(self) -> list[str]:
        """Give the words of the command that does it."""
        more = ["--quarantine"] if self.quarantine else ["--into", self.into] if self.into else []
        more += ["--segments", str(self.segments)] if self.segments != SEGMENTS else []
        more += ["--rate", f"{self.rate:g}"] if self.rate else []
        return ["restore", "--from", self.table, *more, "--go"]

    @property
    def arrived(self) -> str:
        """Say what becomes of rows that are touched."""
        would = "" if self.go else "to be "
        if self.quarantine:
            return f"{would}held where they are"
        return f"{would}brought back" + ("" if self.into is Into.HISTORY else " as HELD")


def restore(  # noqa: PLR0913  each is one word on the command line
    context: typer.Context,
    *,
    table: Annotated[
        str, typer.Option("--from", metavar="TABLE", help="The copy, by name or ARN: a backup restored as a new table.")
    ],
    into: Annotated[Into | None, typer.Option(help="Live table the rows go to; outbox unless said.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Instead, hold in the copy itself whatever could fire.")
    ] = False,
    go: Annotated[
        bool, typer.Option("--go", "--yes", "-y", help="Do it; without it everything is only counted.")
    ] = False,
    segments: Annotated[int, typer.Option(min=1, max=64, help="Parts of the copy that are read at once.")] = SEGMENTS,
    rate: Annotated[float | None, typer.Option(metavar="ROWS", help="At most so many rows a second.")] = None,
    as_json: Json = False,
) -> None:
    """Bring rows back from a copy of the table, such as a backup restored as a new table; nothing is sent.

    What live history or the live outbox has is left alone. The rest arrives in the outbox as HELD with a note, for a
    person to release or cancel; in history, as it was. Nothing is overwritten, so it can be ended and repeated at any
    moment: a second run brings what is missing. --quarantine holds the rows of the copy itself, so that another stack
    can use it and sends nothing. Exit status 1 if a row could not be written.
    """
    cli = begin(context, as_json=as_json)
    if quarantine and into is not None:
        raise InvalidRequest("--quarantine changes the copy itself; --into does not go with it")
    asked, report = Asked(table, into, quarantine, go, segments, rate), Report()
    copied = cli.desk.copied(table)
    walk, task = Walk(copied.source, segments, rate), _task(cli, copied, asked)
    finished = _walked(walk, task, report, None if cli.as_json else _progress())
    _tell(cli, asked, report, finished=finished)
    if not finished:
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(1)


def _task(cli: Cli, copied: Copied, asked: Asked) -> Task:
    desk, name = cli.desk, copied.source.name
    if asked.into is Into.HISTORY:
        return IntoHistory(copied.live, desk.now, asked.go)
    # Only what is written stands in a timeline.
    who = desk.who if asked.go else "nobody"
    if asked.quarantine:
        copied.source.check(to_be_changed=True)
        return Quarantine(copied.copy, desk.now, name, who, asked.go, desk.language)
    return IntoOutbox(copied.live, desk.now, name, who, asked.go, desk.language)


def _walked(walk: Walk, task: Task, report: Report, tell: Tell | None) -> bool:
    """Go through the copy; tell whether to its end."""
    try:
        walk(task, report, tell)
    except KeyboardInterrupt:
        return False
    except Exception:
        if tell and report.rows:
            output.note(f"{report.rows:,} rows were handled. {STOPPED}")
        raise
    return True


def _progress() -> Tell:
    began = time.monotonic()
    last = began

    def tell(report: Report) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TOLD_EVERY:
            last = now
            output.note(_so_far(report, report.rows / (now - began)))

    return tell


def _so_far(report: Report, rate: float) -> str:
    done = f"{report.rows:,} rows, {rate:,.0f} a second"
    # AWS counts the rows of a table every six hours: a new copy may say none.
    if report.about <= report.rows:
        return done
    return f"{done}, of about {report.about:,}: {(report.about - report.rows) / max(rate, 0.1):,.0f} s left"


def _tell(cli: Cli, asked: Asked, report: Report, *, finished: bool) -> None:
    if cli.as_json:
        output.document(_as_json(cli, asked, report, finished=finished))
        return
    output.show(_counts(asked, report))
    if report.samples:
        output.show(_samples(asked, report))
    for line in _lines(cli, asked, report, finished=finished):
        output.say(line)


def _lines(cli: Cli, asked: Asked, report: Report, *, finished: bool) -> Iterator[str]:
    yield from _about(asked, report)
    if not finished:
        yield STOPPED
    arrives = report.counts[Fate.ARRIVES]
    if not asked.go:
        command = cli.options.command(*asked.words)
        yield f"Nothing was written. To do it: {command}" if arrives or not finished else "There is nothing to do."
    elif arrives and asked.into is not Into.HISTORY:
        yield f'{HELD} Each has the error "{ErrorCode.QUARANTINED if asked.quarantine else ErrorCode.RESTORED}".'
        if not asked.quarantine:
            release = cli.options.command("release", "--where", f"error={ErrorCode.RESTORED}")
            yield f"To count those to release, before anything goes: {release}"


def _about(asked: Asked, report: Report) -> Iterator[str]:
    """Tell what is special about rows that arrive."""
    if report.in_doubt:
        error = ErrorCode.RESTORED_IN_DOUBT
        yield f"{report.in_doubt:,} of them may have been sent: so their notes begin; error {error}."
    if report.files and not asked.quarantine:
        yield f"{report.files:,} of them name files, which may have been cleaned up; that is found when they are sent."
    if report.unreadable and asked.into is not Into.HISTORY:
        yield f"{report.unreadable:,} of them are no mails as they are; they are held all the same, to be corrected."
    if report.failed:
        yield f"Not written: {', '.join(report.failed)}"


def _counts(asked: Asked, report: Report) -> Table:
    table = Table(show_header=False)
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_row(f"{report.rows:,}", cell(f"rows read from {asked.table}"))
    table.add_row(f"{report.counts[Fate.ARRIVES]:,}", cell(asked.arrived, "bold"))
    for fate, said in WORDS.items():
        if count := report.counts[fate]:
            table.add_row(f"{count:,}", cell(said))
    return table


def _samples(asked: Asked, report: Report) -> Table:
    table = Table(title="for example", title_justify="left")
    for name in ("id", "state there", "to", "subject", "here"):
        table.add_column(name, overflow="fold")
    for fate, items in sorted(report.samples.items()):
        for item in items:
            told = [cell(words(item.get(name, ""))) for name in ("id", "status", "to", "subject")]
            table.add_row(*told, cell(WORDS.get(fate, asked.arrived)))
    return table


def _as_json(cli: Cli, asked: Asked, report: Report, *, finished: bool) -> dict[str, Any]:
    names = ("id", "status", "to", "subject")
    return {
        "from": asked.table,
        "into": None if asked.quarantine else asked.into or Into.OUTBOX,
        "quarantine": asked.quarantine,
        "written": asked.go,
        "finished": finished,
        "rows": report.rows,
        "counts": {fate.value: report.counts[fate] for fate in Fate},
        "of_those_that_arrive": {
            "in_doubt": report.in_doubt,
            "files": report.files,
            "unreadable": report.unreadable,
        },
        "samples": {
            fate.value: [{name: item[name] for name in names if name in item} for item in items]
            for fate, items in report.samples.items()
        },
        "failed": report.failed,
        "command": cli.options.command(*asked.words),
    }

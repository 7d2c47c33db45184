"""Where a command writes: tables for people on stdout, or one JSON document and nothing else."""

import io
import os
import sys

from rich.console import Console, RenderableType
from rich.text import Text

from outbox.cli.language import told
from outbox.cli.problems import Failure
from outbox.core.shown import dumps, safe

# Below this a table of mails has fewer columns of more lines.
WIDE = 140
# A pipe has no width of its own; ids and reasons should not be broken there.
PIPE_WIDTH = 240


def console(*, stderr: bool = False) -> Console:
    """Make a console that takes nothing for markup; it writes to the stream of this moment."""
    made = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPE_WIDTH
    return made


def show(*renderables: RenderableType) -> None:
    """Write tables and texts for a person."""
    printer = console()
    for renderable in renderables:
        # The terminal breaks texts by itself, and so they can be copied from it in one piece.
        printer.print(renderable, soft_wrap=isinstance(renderable, Text))


def is_wide() -> bool:
    """Tell whether there is room for a table of many columns."""
    return console().width >= WIDE


def say(text: object) -> None:
    """Write a sentence for a person; a `Message` in their language."""
    show(Text(safe(told(text))))


def note(text: object) -> None:
    """Write a line beside the answer, on stderr: how far something long has come."""
    console(stderr=True).print(Text(safe(text), style="dim"), soft_wrap=True)


def document(data: object) -> None:
    """Write the one JSON document of a command."""
    tty = sys.stdout.isatty()
    utf = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(dumps(data, indent=2 if tty else None, only_ascii=not utf) + "\n")
    sys.stdout.flush()


def failure(problem: Failure, *, as_json: bool) -> None:
    """Tell what could not be done: on stderr for people, as the JSON document for scripts."""
    if as_json:
        document({"error": problem.as_json()})
        return
    printer = console(stderr=True)
    lines = [Text.assemble(("outbox: ", "bold red"), safe(told(problem.message)))]
    lines += [Text(f"  {safe(told(line))}") for line in problem.more]
    lines += [Text(safe(problem.hint), style="dim")] if problem.hint else []
    for line in lines:
        printer.print(line, soft_wrap=True)


def never_fail_on_encoding() -> None:
    """Let a terminal of a narrow encoding show what it can instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

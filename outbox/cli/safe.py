"""Texts and moments for a terminal."""

from datetime import datetime

from rich.text import Text

from outbox.cli.language import told
from outbox.core import clock
from outbox.core.shown import safe, words


def cell(value: object, style: str = "", *, lines: bool = False) -> Text:
    """Give a text for a table in which nothing is taken for markup; a `Message` in the reader's language."""
    return Text(safe(told(value), lines=lines), style=style, overflow="fold")


def local(written: object) -> str:
    """Give a stored moment in the zone of this machine, with its offset; what is no moment as it is."""
    moment = clock.parse(written) if not isinstance(written, datetime) else written
    return moment.astimezone().isoformat(" ", "seconds") if moment else words(written)

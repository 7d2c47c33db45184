"""A bar on stderr: how far, how fast, how long still, and when it will be done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from outbox.cli import output


class _Rate(ProgressColumn):
    """How many a second, and at what time of the day the last."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        ends = datetime.now().astimezone() + timedelta(seconds=task.time_remaining or 0)
        return Text(f"{speed:,.0f}/s, ends at {ends:%H:%M:%S}" if task.time_remaining else f"{speed:,.0f}/s")


@contextmanager
def bar(what: str, total: int | None, *, off: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar, and give what moves it on."""
    console = output.console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=off or not console.is_terminal, transient=total is None) as shown:
        task = shown.add_task(what, total=total)
        yield lambda count: shown.advance(task, count)

"""`outbox demo`: runs the whole service on this machine, sends real input and checks what came of it."""

import os
import signal
import time
from contextlib import ExitStack, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from outbox.cli import language, output, views
from outbox.cli.commands.up import ConsolePort
from outbox.cli.desk import Cli, begin
from outbox.cli.extra import needs
from outbox.cli.options import Json
from outbox.cli.problems import Failure
from outbox.cli.safe import cell
from outbox.core.shown import safe

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from outbox.local.demo import Report
    from outbox.local.stack import LocalStack, StackInfo

    Console = Callable[[LocalStack], AbstractContextManager[str]]

TRY = (
    "Find out why «Your seat is reserved» FAILED, correct its address to @example.com, save and send: it arrives.",
    "«Password reset» is UNKNOWN: was it sent or not? «And again» FAILED as well: its address had bounced.",
)
HONESTLY = "Dispatch, which the template starts once a minute, was started every second here, so that nobody waits."


def demo(
    context: typer.Context,
    *,
    leave: Annotated[
        bool, typer.Option("--exit", help="End by itself; status 0 only if all came out as it should.")
    ] = False,
    console_port: ConsolePort = 0,
    as_json: Json = False,
) -> None:
    """Start everything as `outbox up` does, send real mails, some into trouble, and check what becomes of them.

    Ends with a table of every mail, where it is and why; then stays up to play with, in the console, until Ctrl-C.
    """
    cli = begin(context, as_json=as_json)
    try:
        # The emulator and the web server are in an extra, and slow to import.
        from outbox.cli import serving  # noqa: PLC0415
        from outbox.local.stack import LocalStackError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise needs("local", error, as_json=cli.as_json) from error
    signal.signal(signal.SIGTERM, _end)
    try:
        with nullcontext() if leave else serving.taken_here(console_port, cli) as listener:
            good = _play(cli, serving.beside(listener) if listener else None)
    except LocalStackError as error:
        output.failure(Failure("LocalStackError", str(error)), as_json=cli.as_json)
        good = False
    raise typer.Exit(0 if good else 1)


def _play(cli: Cli, console: "Console | None") -> bool:
    from outbox.local import demo as local  # noqa: PLC0415
    from outbox.local.demo import PARAMETERS  # noqa: PLC0415
    from outbox.local.stack import LocalStack  # noqa: PLC0415

    # On stderr, and only where somebody watches: stdout is for the outcome.
    progress = output.console(stderr=True).status("")
    say = lambda line: progress.update(cell(line))  # noqa: E731
    with ExitStack() as down:
        with progress:
            stack = down.enter_context(LocalStack(parameters=PARAMETERS, say=say))
            report = local.run(stack, say)
        # Who leaves at once has nothing of a console.
        url = down.enter_context(console(stack)) if console else None
        _tell(cli, report, stack.info, url)
        return report.ok and (url is None or _stay(stack))


def _stay(stack: "LocalStack") -> bool:
    try:
        while stack.alive():
            time.sleep(0.2)
    except KeyboardInterrupt:
        return True
    output.failure(Failure("Ended", "The embedded AWS or the sandbox has ended by itself."), as_json=False)
    return False


def _tell(cli: Cli, report: "Report", info: "StackInfo", console_url: str | None) -> None:
    if cli.as_json:
        mails = [outcome.as_json() for outcome in report.outcomes]
        output.document(
            {
                "ok": report.ok,
                "seconds": report.seconds,
                "wrong": report.wrong,
                "mails": mails,
                "stack": info.as_dict(),
                "console_url": console_url,
            }
        )
        return
    output.show(_table(report))
    output.say(HONESTLY)
    for line in report.wrong:
        output.say(f"Not as it should be, {line}")
    if report.ok:
        output.say(f"All {len(report.outcomes)} mails came out as they should, in {report.seconds} s.")
    for line in _next(report, info, console_url) if console_url else []:
        output.say(line)


def _table(report: "Report") -> Table:
    table = Table(show_lines=True)
    for name in ("mail", "where it is", "what happened, and why it is there", "ok"):
        table.add_column(name, overflow="fold")
    table.columns[0].min_width = 26
    for outcome in report.outcomes:
        table.add_row(
            cell(f"{outcome.name}\n{safe(outcome.row.id)}", lines=True),
            Text("\n").join([cell(outcome.where), views.status(outcome.row)]),
            cell(f"{safe(outcome.story(language.current()))}.\n{safe(language.why(outcome.row))}", lines=True),
            cell("no", "bold red") if outcome.wrong else cell("yes", "green"),
        )
    return table


def _next(report: "Report", info: "StackInfo", console_url: str) -> list[str]:
    unsettled = [outcome.row.id for outcome in report.outcomes if outcome.where == "outbox"]
    # With these the shell would ask another account, or as somebody else.
    others = [name for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_DYNAMODB") if name in os.environ]
    return [
        "",
        "Now you, in another terminal:",
        *([f"  unset {' '.join(others)}"] if others else []),
        f"  export AWS_ENDPOINT_URL={info.aws_endpoint_url} AWS_DEFAULT_REGION={info.region}",
        f"  export AWS_ACCESS_KEY_ID={info.aws_access_key_id} AWS_SECRET_ACCESS_KEY={info.aws_secret_access_key}",
        f"  export OUTBOX_TABLE={info.outbox_table} OUTBOX_HISTORY_TABLE={info.history_table}",
        f"  export OUTBOX_CONTROL_TABLE={info.control_table}",
        "  outbox find                      # what is in the outbox",
        "  outbox find --status sent        # what went",
        *(f"  outbox show {mail_id}" for mail_id in unsettled),
        *(f"  outbox edit {mail_id} --subject 'Once more' --send" for mail_id in unsettled),
        *(f"  outbox resend {mail_id}" for mail_id in unsettled),
        "  outbox pause --reason 'the wrong price'; outbox status; outbox resume",
        "  outbox send --from shop@example.com --to you@example.com --subject Hello --text 'Good morning.'",
        "",
        "Or in a browser:",
        f"  console        {console_url}",
        f"  what arrived   {info.inbox_url}",
        *(f"  {line}" for line in TRY),
        "",
        "Ctrl-C ends it and removes everything.",
    ]


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt

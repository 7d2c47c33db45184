"""The commands put together, and the one place where errors become words and exit statuses."""

import os
from collections.abc import MutableMapping, Sequence
from importlib import metadata
from typing import Annotated, Any, NoReturn

import structlog
import typer
from botocore.exceptions import BotoCoreError, ClientError

from outbox.cli import language as reader
from outbox.cli import output
from outbox.cli.commands import (
    act,
    batch,
    console,
    delete,
    demo,
    doctor,
    edit,
    export,
    find,
    forget,
    history,
    import_,
    line,
    resend,
    restore,
    send,
    show,
    suppressed,
    up,
)
from outbox.cli.connect import Options
from outbox.cli.desk import Cli
from outbox.cli.options import Json
from outbox.cli.problems import Failure, explain
from outbox.core.errors import OutboxError
from outbox.core.message import Language
from outbox.wiring.connect import Connect, connect

HELP = (
    "Mails in the outbox: find, look at, correct, send again, hold, cancel; what came back; and stop all sending.\n\n"
    "Applications write mails as rows into the outbox table. What the mail API took is in the history table; what it "
    "did not take stays in the outbox, with the reason, until it goes or a person decides.\n\n"
    "To try everything on this machine: outbox demo"
)
EPILOG = "Exit status: 0 fine, 1 it could not be done (not found, wrong state), 2 wrong usage or settings."
TABLES = "Whose tables"

app = typer.Typer(
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001  called by typer
    if wanted:
        output.say(f"outbox {metadata.version('outbox')}")
        raise typer.Exit


@app.callback()
def options(  # noqa: PLR0913  each is one word on the command line
    context: typer.Context,
    *,
    profile: Annotated[str, typer.Option(help="AWS profile, as in ~/.aws/config.", rich_help_panel=TABLES)] = "",
    region: Annotated[str, typer.Option(help="AWS region; else AWS_REGION.", rich_help_panel=TABLES)] = "",
    endpoint_url: Annotated[
        str, typer.Option(help="Address of AWS; else AWS_ENDPOINT_URL.", rich_help_panel=TABLES)
    ] = "",
    stack: Annotated[str, typer.Option(help="CloudFormation stack that has the tables.", rich_help_panel=TABLES)] = "",
    table: Annotated[str, typer.Option(help="Outbox table; else OUTBOX_TABLE.", rich_help_panel=TABLES)] = "",
    history_table: Annotated[
        str, typer.Option(help="History table; else OUTBOX_HISTORY_TABLE.", rich_help_panel=TABLES)
    ] = "",
    control_table: Annotated[
        str,
        typer.Option(
            help="Table of what the workers share, for pause, resume and status; else OUTBOX_CONTROL_TABLE.",
            rich_help_panel=TABLES,
        ),
    ] = "",
    suppression_table: Annotated[
        str,
        typer.Option(
            help="Table of the addresses that bounced, for suppressed and forget; else OUTBOX_SUPPRESSION_TABLE.",
            rich_help_panel=TABLES,
        ),
    ] = "",
    bucket: Annotated[
        str, typer.Option(help="Bucket of the mails' files; else OUTBOX_BUCKET.", rich_help_panel=TABLES)
    ] = "",
    who: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Who asks, for the mails' timelines; else OUTBOX_ACTOR, the AWS identity or the user's name.",
            rich_help_panel=TABLES,
        ),
    ] = "",
    language: Annotated[
        Language | None,
        typer.Option(help="Language of reasons and events; else OUTBOX_LANGUAGE, the locale or English."),
    ] = None,
    as_json: Json = False,
    version: Annotated[  # noqa: ARG001  told by its callback, before anything else
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version and end."),
    ] = False,
) -> None:
    """Keep what stands before the command."""
    cli: Cli = context.obj
    cli.as_json = as_json
    if language:
        reader.speak(language)
    cli.options = Options(
        profile, region, endpoint_url, stack, table, history_table, control_table, suppression_table, bucket, who
    )


app.command()(send.send)
app.command("import")(import_.import_)
app.command()(find.find)
app.command()(show.show)
app.command()(edit.edit)
app.command()(resend.resend)
app.add_typer(batch.app, name="batch")
app.command()(export.export)
app.command()(act.cancel)
app.command()(act.reopen)
app.command()(act.hold)
app.command()(act.release)
app.command()(act.confirm)
app.command()(history.history)
app.command()(history.bounces)
app.add_typer(suppressed.app, name="suppressed")
app.command()(forget.forget)
app.command()(delete.delete)
app.command()(doctor.doctor)
app.command()(restore.restore)
app.command()(line.pause)
app.command()(line.resume)
app.command()(line.status)
app.command()(console.console)
app.command()(up.up)
app.command()(demo.demo)


def _drop(_logger: object, _method: str, _event: MutableMapping[str, Any]) -> NoReturn:
    raise structlog.DropEvent


def run(arguments: Sequence[str], connect: Connect = connect) -> int:
    """Run one command, tell what came of it and give its exit status; only a bug leaves with a traceback."""
    with reader.spoken(reader.of_environment(os.environ)):
        return _run(arguments, connect)


def _run(arguments: Sequence[str], connect: Connect) -> int:
    output.never_fail_on_encoding()
    # What the flows log is for the functions; here it would stand between the lines of the answer.
    structlog.configure(processors=[_drop])
    cli = Cli(connect)
    # A wrong usage is found before the command is: whether it asks for JSON stands in the arguments alone.
    as_json = "--json" in arguments
    try:
        status = app(list(arguments), prog_name="outbox", obj=cli, standalone_mode=not as_json)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except typer.TyperException as wrong:
        output.failure(Failure("WrongUsage", wrong.format_message(), 2), as_json=True)
        return 2
    except (OutboxError, BotoCoreError, ClientError) as error:
        failure = explain(error, cli.where)
        output.failure(failure, as_json=as_json)
        return failure.status
    return status or 0

"""`outbox up`: runs the whole service on this machine until Ctrl-C."""

from typing import Annotated

import typer

from outbox.cli import output
from outbox.cli.desk import begin
from outbox.cli.options import Json
from outbox.cli.problems import Failure

MISSING = "This command needs the extra: pip install 'outbox[local]' (missing: {name})."


def up(
    context: typer.Context,
    *,
    mail_api_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another mail API instead of the sandbox.")
    ] = None,
    login_id: Annotated[str, typer.Option(envvar="OUTBOX_LOGIN_ID", help="Login id of that other mail API.")] = "local",
    api_key: Annotated[
        str, typer.Option(envvar="OUTBOX_API_KEY", help="API key of it; safer in the environment.")
    ] = "local",
    as_json: Json = False,
) -> None:
    """Run the whole service here until Ctrl-C: an embedded AWS, the real template, a sandbox of the mail API.

    No Docker and no account; nothing listens beyond this machine, nothing is left behind. With --json it prints one
    line of JSON (addresses, table names, functions) as soon as it is up.
    """
    cli = begin(context, as_json=as_json)
    try:
        # The emulator and the web server are in an extra, and slow to import.
        from outbox.local.up import run_up  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise needs_local(error, as_json=cli.as_json) from error
    status = run_up(as_json=cli.as_json, mail_api_url=mail_api_url, login_id=login_id, api_key=api_key)
    raise typer.Exit(status)


def needs_local(error: ModuleNotFoundError, *, as_json: bool) -> typer.Exit:
    """Tell which extra is missing and give the end of the command. Raises the error again when it is a bug."""
    if (error.name or "outbox").partition(".")[0] == "outbox":
        raise error
    output.failure(Failure("MissingExtra", MISSING.format(name=error.name)), as_json=as_json)
    return typer.Exit(2)

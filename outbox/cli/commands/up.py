"""`outbox up`: runs the whole service on this machine until Ctrl-C."""

from typing import Annotated

import typer

from outbox.cli import output
from outbox.cli.desk import begin
from outbox.cli.extra import needs
from outbox.cli.options import Json
from outbox.cli.problems import Failure

ConsolePort = Annotated[
    int, typer.Option(metavar="PORT", min=0, max=65535, help="Port of the console; 0 takes a free one.")
]


def up(  # noqa: PLR0913  each is one word on the command line
    context: typer.Context,
    *,
    mail_api_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another mail API instead of the sandbox.")
    ] = None,
    login_id: Annotated[str, typer.Option(envvar="OUTBOX_LOGIN_ID", help="Login id of that other mail API.")] = "local",
    api_key: Annotated[
        str, typer.Option(envvar="OUTBOX_API_KEY", help="API key of it; safer in the environment.")
    ] = "local",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            metavar="NAME=VALUE",
            help="A parameter of the template, such as LookUpMinutes=2 or RatePerMinute=60; may be repeated.",
        ),
    ] = None,
    console_port: ConsolePort = 0,
    as_json: Json = False,
) -> None:
    """Run the whole service here until Ctrl-C: embedded AWS, real template, sandbox of the mail API, console.

    No Docker and no account; nothing listens beyond this machine, nothing is left behind. --parameter sets what a
    deployment could set, and the sandbox allows the rate it names. With --json it prints one line of JSON (addresses,
    table names, functions) as soon as it is up.
    """
    cli = begin(context, as_json=as_json)
    try:
        # The emulator and the web server are in an extra, and slow to import.
        from outbox.cli import serving  # noqa: PLC0415
        from outbox.local.parameters import ParametersError  # noqa: PLC0415
        from outbox.local.up import run_up  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise needs("local", error, as_json=cli.as_json) from error
    try:
        with serving.taken_here(console_port, cli) as listener:
            status = run_up(
                as_json=cli.as_json,
                mail_api_url=mail_api_url,
                login_id=login_id,
                api_key=api_key,
                parameters=parameter or (),
                console=serving.beside(listener),
            )
    except ParametersError as error:
        names = f"Parameters: {', '.join(error.names)}."
        details = {"problems": list(error.problems), "names": list(error.names)}
        failure = Failure("WrongParameters", "Nothing was started.", 2, names, error.problems, details)
        output.failure(failure, as_json=cli.as_json)
        status = 2
    raise typer.Exit(status)

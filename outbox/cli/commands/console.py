"""`outbox console`: lets people look at mails, correct them and send them again, in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from outbox.cli.desk import begin
from outbox.cli.extra import needs
from outbox.cli.options import Json

ELSEWHERE = "From elsewhere: --users, HTTPS and --name"
Users = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="TOML file of who may sign in: [users.NAME], role, password.",
        rich_help_panel=ELSEWHERE,
    ),
]
Hash = Annotated[
    bool,
    typer.Option(
        "--hash", help="Ask for a password, print what that file holds of it, and end.", rich_help_panel=ELSEWHERE
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.", rich_help_panel=ELSEWHERE)]
Name = Annotated[
    list[str] | None,
    typer.Option(metavar="HOSTNAME", help="Name it is reached by; may be repeated.", rich_help_panel=ELSEWHERE),
]
Certificate = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate (PEM), to speak HTTPS.", rich_help_panel=ELSEWHERE)
]
Key = Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).", rich_help_panel=ELSEWHERE)]
BehindHttps = Annotated[
    bool,
    typer.Option(
        "--behind-https",
        help="A proxy in front speaks HTTPS and hands the Host header on.",
        rich_help_panel=ELSEWHERE,
    ),
]


def console(  # noqa: PLR0913  each is one word on the command line
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8025,
    role: Annotated[str, typer.Option(metavar="view|act", help="Look, or act as well; with --users the file says.")] = (
        "act"
    ),
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
    users: Users = None,
    make_hash: Hash = False,
    host: Host = "127.0.0.1",
    name: Name = None,
    certificate: Certificate = None,
    private_key: Key = None,
    behind_https: BehindHttps = False,
    as_json: Json = False,
) -> None:
    """Look at mails, correct them and send them again in a browser, until Ctrl-C.

    On this machine alone, with your own AWS credentials and in your name; nobody gets in but by the printed address.
    With --users, people sign in by name and password, and each acts in their own name.
    """
    cli = begin(context, as_json=as_json)
    try:
        # The web server is in an extra, and slow to import.
        from outbox.cli import serving  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise needs("console", error, as_json=cli.as_json) from error
    if make_hash:
        serving.tell_hash(cli)
        return
    wanted = serving.Wanted(host, port, users, certificate, private_key, tuple(name or ()), behind_https=behind_https)
    serving.serve(cli, wanted, role, open_it=open_)

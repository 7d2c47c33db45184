"""What a command says when the extra it needs is not installed."""

import typer

from outbox.cli import output
from outbox.cli.problems import Failure

MISSING = "This command needs the extra: pip install 'outbox[{extra}]' (missing: {name})."


def needs(extra: str, error: ModuleNotFoundError, *, as_json: bool) -> typer.Exit:
    """Tell which extra is missing and give the end of the command. Raises the error again when it is a bug."""
    if (error.name or "outbox").partition(".")[0] == "outbox":
        raise error
    output.failure(Failure("MissingExtra", MISSING.format(extra=extra, name=error.name)), as_json=as_json)
    return typer.Exit(2)

"""`outbox batch`: the batches that `resend --where` and `edit --where` started."""

from typing import Annotated

import typer

from outbox.cli import many, output
from outbox.cli.desk import begin
from outbox.cli.options import Json

Id = Annotated[str, typer.Argument(metavar="BATCH", help="Id of the batch.", show_default=False)]

app = typer.Typer(help="Decisions about many mails: how far they have come; stop and continue.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context, *, as_json: Json = False) -> None:
    """List the latest fifty batches, the last one first."""
    cli = begin(context, as_json=as_json)
    reports = cli.control.batches.latest()
    if cli.as_json:
        output.document({"batches": [many.as_json(report) for report in reports]})
        return
    output.show(many.listing(reports)) if reports else output.say("There is no batch yet.")


@app.command()
def show(context: typer.Context, batch: Id, *, as_json: Json = False) -> None:
    """Show how far a batch has come: what was done, what was left alone and why."""
    cli = begin(context, as_json=as_json)
    many.tell(cli, cli.control.batches.show(batch))


@app.command()
def stop(context: typer.Context, batch: Id, *, as_json: Json = False) -> None:
    """Stop a batch, wherever it runs, within a second; rows it has already sent again go all the same."""
    cli = begin(context, as_json=as_json)
    many.tell(cli, cli.control.batches.stop(batch, cli.control.who))


@app.command("continue")
def continue_(context: typer.Context, batch: Id, *, as_json: Json = False) -> None:
    """Continue a batch that was stopped or interrupted; exit status 1 if something is left again."""
    cli = begin(context, as_json=as_json)
    many.run(cli, cli.control.batches, batch, cli.control.who)

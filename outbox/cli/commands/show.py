"""`outbox show`: everything about one mail."""

from typing import Annotated

import typer

from outbox.cli import advice, output, views
from outbox.cli.desk import begin
from outbox.cli.options import Id, Json


def show(
    context: typer.Context,
    mail_id: Id,
    *,
    full: Annotated[bool, typer.Option("--full", help="The whole body, not only its beginning.")] = False,
    as_json: Json = False,
) -> None:
    """Show where a mail is, why, what one can do about it, what is in it and what happened to it."""
    cli = begin(context, as_json=as_json)
    kept = cli.desk.history.show(mail_id)
    row = kept.row
    if not cli.as_json:
        output.show(*views.page(kept, cli.options, full=full))
        return
    steps = [
        {"command": views.to_copy(cli.options, command, row.id), "purpose": purpose}
        for command, purpose in advice.steps(row)
    ]
    output.document(views.with_bounces(kept) | {"version": row.version, "next": advice.outlook(row), "can": steps})

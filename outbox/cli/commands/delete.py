"""`outbox delete`: takes one mail out of history for good."""

from typing import Annotated

import typer

from outbox.cli import output
from outbox.cli.desk import begin
from outbox.cli.options import Id, Json, Yes
from outbox.cli.results import ask
from outbox.core.shown import safe


def delete(
    context: typer.Context,
    mail_id: Id,
    *,
    files: Annotated[bool, typer.Option("--files", help="Its files in the bucket as well.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete one sent or cancelled mail from history; an unsent one never.

    Bounces of it stay. Its idempotency key may be used again: the same mail enqueued again is sent again.
    """
    cli = begin(context, as_json=as_json)
    if not yes:
        ask(cli, "delete", f"Delete {safe(mail_id)} from history? It cannot be undone.")
    row = cli.desk.support.delete(mail_id, cli.desk.who, files=files)
    left = [] if files else row.own_files
    if cli.as_json:
        output.document({"id": row.id, "deleted": True, "files_left": left})
        return
    output.say(f"{row.id} is deleted.")
    if left:
        output.say(f"Its {len(left)} files are still in the bucket; --files would have deleted them:")
        for key in left:
            output.say(f"  {key}")

"""`outbox find`: lists mails by state, recipient, delivery id, day, tag or words."""

from typing import Annotated

import typer

from outbox.cli import output, views
from outbox.cli.desk import begin
from outbox.cli.options import Json
from outbox.core.errors import InvalidRequest
from outbox.core.states import FINISHED, Status
from outbox.flows.find import Wanted

NO_HISTORY = "History was not looked through; name a whole address (--to), --delivery-id, --day or --status SENT."


def find(  # noqa: PLR0913  each is one option
    context: typer.Context,
    *,
    status: Annotated[Status | None, typer.Option(case_sensitive=False, help="State the mail is in.")] = None,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Recipient, or a part of it.")] = "",
    delivery_id: Annotated[str, typer.Option(metavar="ID", help="The mail API's id of the delivery.")] = "",
    day: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Day (UTC) it was sent or cancelled.")] = "",
    tag: Annotated[str, typer.Option(help="Tag the application gave it.")] = "",
    text: Annotated[str, typer.Option("--text", help="Part of the subject or of the reason.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List mails; all that is given must hold. Those that wait for a person come first, history last.

    Without anything: all of the outbox. History is looked through only by a whole address, a delivery id, a day or a
    state that lives there (SENT, CANCELLED: today and yesterday, unless --day says otherwise).
    """
    cli = begin(context, as_json=as_json)
    wanted = Wanted(status, to, delivery_id, day, tag, text)
    _check(wanted)
    found = cli.desk.find(wanted, limit + 1)
    rows, more = found[:limit], len(found) > limit
    history = _asks_history(wanted)
    if cli.as_json:
        output.document({"mails": [views.as_json(row) for row in rows], "more": more, "history_searched": history})
        return
    output.show(views.listing(rows, wide=output.is_wide())) if rows else output.say("No mail found.")
    if more:
        output.say(f"There are more than these {limit}; --limit shows more of them.")
    if not history and wanted.status is None:
        output.say(NO_HISTORY)


def _asks_history(wanted: Wanted) -> bool:
    lives_there = wanted.status is None or wanted.status in FINISHED
    return lives_there and bool(wanted.delivery_id or "@" in wanted.to or wanted.day or wanted.status)


def _check(wanted: Wanted) -> None:
    """Refuse a question that nothing can answer, instead of answering that there is nothing."""
    if wanted.status and wanted.status not in FINISHED and (wanted.delivery_id or wanted.day):
        message = f"--day and --delivery-id look in history, where no {wanted.status} mail is"
        raise InvalidRequest(message)

"""`outbox cancel`, `hold`, `release`, `confirm`: one decision about several mails, each result told."""

from typing import Annotated

import typer

from outbox.cli.desk import begin
from outbox.cli.options import Ids, Json, Yes
from outbox.cli.results import ask, each
from outbox.core.errors import InvalidRequest


def cancel(
    context: typer.Context,
    ids: Ids,
    *,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move mails that were not sent to history as CANCELLED; they never go."""
    cli = begin(context, as_json=as_json)
    if not yes:
        mails = "this mail" if len(ids) == 1 else f"these {len(ids)} mails"
        ask(cli, "cancel", f"Cancel {mails}? It cannot be undone.")
    each(cli, ids, "cancelled", lambda mail_id: cli.desk.support.cancel(mail_id, cli.desk.who))


def hold(
    context: typer.Context,
    ids: Ids,
    *,
    note: Annotated[str, typer.Option(help="Why; stands on the row as its reason.")] = "",
    as_json: Json = False,
) -> None:
    """Put mails aside; they do not go until they are released."""
    cli = begin(context, as_json=as_json)
    each(cli, ids, "held", lambda mail_id: cli.desk.support.hold(mail_id, cli.desk.who, note))


def release(context: typer.Context, ids: Ids, *, as_json: Json = False) -> None:
    """Let held mails go: at their time if that is still to come, otherwise now."""
    cli = begin(context, as_json=as_json)
    each(cli, ids, "released", lambda mail_id: cli.desk.support.release(mail_id, cli.desk.who))


def confirm(
    context: typer.Context,
    ids: Ids,
    *,
    delivery_id: Annotated[
        str, typer.Option(metavar="N", help="The mail API's id of the delivery, if you have it; one mail only.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say that UNKNOWN mails were sent after all, as you saw in the mail API's records; they move to history as SENT.

    With the delivery's id a bounce that comes later finds its mail.
    """
    cli = begin(context, as_json=as_json)
    if delivery_id and len(set(ids)) > 1:
        message = "--delivery-id belongs to one mail; confirm each with its own"
        raise InvalidRequest(message)
    each(cli, ids, "confirmed as sent", lambda mail_id: cli.desk.support.confirm(mail_id, cli.desk.who, delivery_id))

"""`outbox cancel`, `reopen`, `hold`, `release`, `confirm`: one decision about several mails, each result told."""

from typing import Annotated

import typer

from outbox.cli import many
from outbox.cli.desk import Cli, begin
from outbox.cli.options import Ids, Json, SomeIds, Yes
from outbox.cli.results import ask, each
from outbox.core.errors import InvalidRequest
from outbox.flows.batch import Action


def cancel(  # noqa: PLR0913  each is one option
    context: typer.Context,
    ids: SomeIds = None,
    *,
    where: many.Wheres = None,
    everything: many.All = False,
    start: many.Start = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move mails that were not sent to history as CANCELLED; they never go, unless `outbox reopen` takes it back."""
    cli = begin(context, as_json=as_json)
    if _many(cli, Action("cancel"), ids, where, everything=everything, start=start or yes):
        return
    ids = ids or []
    if not yes:
        mails = "this mail" if len(ids) == 1 else f"these {len(ids)} mails"
        ask(cli, "cancel", f"Cancel {mails}? While history has all of it, `outbox reopen` takes that back.")
    each(cli, ids, "cancelled", lambda mail_id: cli.desk.support.cancel(mail_id, cli.desk.who))


def reopen(context: typer.Context, ids: Ids, *, as_json: Json = False) -> None:
    """Take a cancel back: CANCELLED mails leave history and are HELD in the outbox until they are released.

    A time to send that is still to come stays. Not for mails that were sent, sent again as a new mail, or forgotten.
    """
    cli = begin(context, as_json=as_json)
    each(cli, ids, "reopened", lambda mail_id: cli.desk.support.reopen(mail_id, cli.desk.who))


def hold(  # noqa: PLR0913  as above
    context: typer.Context,
    ids: SomeIds = None,
    *,
    where: many.Wheres = None,
    everything: many.All = False,
    start: many.Start = False,
    note: Annotated[str, typer.Option(help="Why; stands on the row as its reason.")] = "",
    as_json: Json = False,
) -> None:
    """Put mails aside; they do not go until they are released."""
    cli = begin(context, as_json=as_json)
    if not _many(cli, Action("hold", note=note), ids, where, everything=everything, start=start):
        each(cli, ids or [], "held", lambda mail_id: cli.desk.support.hold(mail_id, cli.desk.who, note))


def release(  # noqa: PLR0913  as above
    context: typer.Context,
    ids: SomeIds = None,
    *,
    where: many.Wheres = None,
    start: many.Start = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let held mails go: at their time if that is still to come, otherwise now."""
    cli = begin(context, as_json=as_json)
    if where and not any(pair.startswith("state=") for pair in where):
        where = [*where, "state=held"]
    if not _many(cli, Action("release"), ids, where, start=start or yes):
        each(cli, ids or [], "released", lambda mail_id: cli.desk.support.release(mail_id, cli.desk.who))


def _many(  # noqa: PLR0913  what three commands are asked
    cli: Cli,
    action: Action,
    ids: list[str] | None,
    where: list[str] | None,
    *,
    everything: bool = False,
    start: bool = False,
) -> bool:
    """Act on the rows that --where means, if it is given; tell whether it was. Raises `InvalidRequest`."""
    by_where = bool(where or everything)
    if by_where == bool(ids):
        message = "give ids of mails, or --where KEY=VALUE for many; not both, and not neither"
        raise InvalidRequest(message)
    if by_where:
        many.decide(cli, action, where, everything=everything, start=start)
    return by_where


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

"""`outbox history`, `outbox bounces`: what was sent, and what came back."""

from typing import Annotated

import typer

from outbox.cli import bounced as came_back
from outbox.cli import looks, output, views
from outbox.cli import options as opt
from outbox.cli.desk import begin
from outbox.core.errors import InvalidRequest
from outbox.core.states import Status
from outbox.flows.find import MOST
from outbox.flows.history import Sought

MORE = "There are more than these {}; --limit shows more of them."


def history(  # noqa: PLR0913  each is one option
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Whole address it went to, as a copy too.")] = "",
    mail_id: Annotated[str, typer.Option("--id", metavar="ID", help="Id of the mail.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Idempotency key, which is the id.")] = "",
    delivery_id: opt.DeliveryId = "",
    day: opt.Day = "",
    since: opt.Since = "",
    until: opt.Until = "",
    tag: Annotated[str, typer.Option(help="Tag the application gave it.")] = "",
    text: Annotated[str, typer.Option("--text", help="Part of the subject.")] = "",
    bounced: Annotated[bool, typer.Option("--bounced", help="Only those of which something came back.")] = False,
    status: Annotated[Status | None, typer.Option(case_sensitive=False, help="SENT or CANCELLED.")] = None,
    limit: opt.Limit = 50,
    as_json: opt.Json = False,
) -> None:
    """List what was sent or cancelled, with what came back, the latest first; all that is given must hold.

    Without an address, an id or days: today and yesterday (UTC). At most 400 days at once.
    """
    cli = begin(context, as_json=as_json)
    since, until = _days(day, since, until)
    sought = Sought(to, _one_id(mail_id, key), delivery_id, since, until, tag, text, status, bounced)
    found = cli.desk.history.look(sought, min(limit + 1, MOST))
    mails, more = found[:limit], len(found) > limit
    if cli.as_json:
        output.document({"mails": [views.with_bounces(mail) for mail in mails], "more": more})
        return
    output.show(looks.listing(mails, wide=output.is_wide())) if mails else output.say("No mail found in history.")
    if more:
        output.say(MORE.format(limit))


def bounces(  # noqa: PLR0913  each is one option
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Whole address it came back from.")] = "",
    delivery_id: opt.DeliveryId = "",
    day: opt.Day = "",
    since: opt.Since = "",
    until: opt.Until = "",
    unmatched: Annotated[bool, typer.Option("--unmatched", help="Only those that belong to no mail here.")] = False,
    limit: opt.Limit = 50,
    as_json: opt.Json = False,
) -> None:
    """List what came back and the mail each belongs to, the latest first.

    Without an address, a delivery or days: today and yesterday (UTC).
    """
    cli = begin(context, as_json=as_json)
    since, until = _days(day, since, until)
    found = cli.desk.history.bounces(
        to=to, delivery_id=delivery_id, since=since, until=until, unmatched=unmatched, limit=min(limit + 1, MOST)
    )
    events, more = found[:limit], len(found) > limit
    if cli.as_json:
        listed = [{"bounce": dict(event.bounce), "mail_id": event.mail_id or None} for event in events]
        output.document({"bounces": listed, "more": more})
        return
    output.show(came_back.returned(events)) if events else output.say("Nothing came back.")
    if more:
        output.say(MORE.format(limit))


def _days(day: str, since: str, until: str) -> tuple[str, str]:
    if day and (since or until):
        message = "--day is --from and --until in one; give it alone"
        raise InvalidRequest(message)
    return (day, day) if day else (since, until)


def _one_id(mail_id: str, key: str) -> str:
    if mail_id and key and mail_id != key:
        message = "--id and --key are the same thing; give one of them"
        raise InvalidRequest(message)
    return mail_id or key

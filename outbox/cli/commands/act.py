"""`outbox resend`, `cancel`, `hold`, `release`, `confirm`: one decision about several mails, each result told."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from outbox.cli import output, views
from outbox.cli.desk import Cli, begin
from outbox.cli.options import Ids, Json
from outbox.cli.problems import Failure, explain
from outbox.cli.safe import cell
from outbox.core.errors import InvalidRequest, OutboxError
from outbox.core.row import Row

NOT_TRIED = Failure("NotTried", "Not tried: AWS gave no answer for a mail before it.")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mail: its row now, or why not."""

    mail_id: str
    row: Row | None = None
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the same for a script."""
        done: dict[str, Any] = {"id": self.mail_id, "ok": self.failure is None}
        if self.row is not None:
            done |= views.as_json(self.row)
        return done | ({"error": self.failure.as_json()} if self.failure else {})


def resend(context: typer.Context, ids: Ids, *, as_json: Json = False) -> None:
    """Send mails again that failed or are unknown, or now instead of later."""
    cli = begin(context, as_json=as_json)
    _each(cli, ids, "rings again", lambda mail_id: cli.desk.support.resend(mail_id, cli.desk.who))


def cancel(
    context: typer.Context,
    ids: Ids,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can be asked.")] = False,
    as_json: Json = False,
) -> None:
    """Move mails that were not sent to history as CANCELLED; they never go."""
    cli = begin(context, as_json=as_json)
    if not yes:
        _ask(cli, ids)
    _each(cli, ids, "cancelled", lambda mail_id: cli.desk.support.cancel(mail_id, cli.desk.who))


def hold(
    context: typer.Context,
    ids: Ids,
    *,
    note: Annotated[str, typer.Option(help="Why; stands on the row as its reason.")] = "",
    as_json: Json = False,
) -> None:
    """Put mails aside; they do not go until they are released."""
    cli = begin(context, as_json=as_json)
    _each(cli, ids, "held", lambda mail_id: cli.desk.support.hold(mail_id, cli.desk.who, note))


def release(context: typer.Context, ids: Ids, *, as_json: Json = False) -> None:
    """Let held mails go: at their time if that is still to come, otherwise now."""
    cli = begin(context, as_json=as_json)
    _each(cli, ids, "released", lambda mail_id: cli.desk.support.release(mail_id, cli.desk.who))


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
    _each(cli, ids, "confirmed as sent", lambda mail_id: cli.desk.support.confirm(mail_id, cli.desk.who, delivery_id))


def _ask(cli: Cli, ids: list[str]) -> None:
    if cli.as_json or not sys.stdin.isatty():
        message = "cancel asks before it acts, and nobody can be asked here; give --yes"
        raise InvalidRequest(message)
    mails = "this mail" if len(ids) == 1 else f"these {len(ids)} mails"
    if not typer.confirm(f"Cancel {mails}? It cannot be undone."):
        output.say("Nothing was cancelled.")
        raise typer.Exit(1)


def _each(cli: Cli, ids: list[str], done: str, act: Callable[[str], Row]) -> None:
    results = _results(cli, list(dict.fromkeys(ids)), act)
    if cli.as_json:
        output.document({"results": [result.as_json() for result in results]})
    else:
        output.show(_table(results, done))
    if any(result.failure for result in results):
        raise typer.Exit(1)


def _results(cli: Cli, ids: list[str], act: Callable[[str], Row]) -> list[Result]:
    results: list[Result] = []
    for number, mail_id in enumerate(ids):
        try:
            results.append(Result(mail_id, act(mail_id)))
        except OutboxError as error:
            results.append(Result(mail_id, failure=explain(error)))
        except (BotoCoreError, ClientError) as error:
            if not results:
                raise
            # What was done must be told even so, and what AWS does not answer now it will not answer for the rest.
            results.append(Result(mail_id, failure=explain(error, cli.where)))
            results += [Result(rest, failure=NOT_TRIED) for rest in ids[number + 1 :]]
            break
    return results


def _table(results: list[Result], done: str) -> Table:
    table = Table()
    for name in ("id", "result", "status", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == "status")
    for result in results:
        if result.row is not None:
            table.add_row(cell(result.mail_id), cell(done, "green"), views.status(result.row), cell(result.row.reason))
        elif result.failure:
            why = " ".join([result.failure.message, *result.failure.more])
            table.add_row(cell(result.mail_id), cell("not done", "bold red"), cell(""), cell(why))
    return table

"""`outbox suppressed`: the addresses that get no mail because mail to them came back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from outbox.cli import output
from outbox.cli.desk import Cli, begin
from outbox.cli.language import told as in_words
from outbox.cli.options import Json, Limit
from outbox.cli.results import Result, outcomes, table
from outbox.cli.safe import cell, local
from outbox.core import places, suppression
from outbox.core.errors import InvalidRequest
from outbox.core.row import Item
from outbox.core.shown import words
from outbox.flows.support import aware
from outbox.flows.suppression import MOST, SuppressionList

API_LIST = (
    "The mail API keeps a stop list of its own: it lifts an address after two weeks by itself, or a person does in its "
    "admin console."
)

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Whole addresses.", show_default=False)]
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Whole address.", show_default=False)]

app = typer.Typer(help="Addresses that get no mail because mail to them came back.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context, *, limit: Limit = 100, as_json: Json = False) -> None:
    """List the addresses, also those whose time is over and those that had one error yet."""
    cli = begin(context, as_json=as_json)
    entries, more = _read(cli.desk.suppression, limit)
    told = [_told(cli, words(entry["email"]), entry) for entry in entries]
    if cli.as_json:
        output.document({"addresses": told, "more": more})
        return
    output.show(_table(told)) if told else output.say("No address is on the list.")
    if more:
        output.say(f"There are more than these {limit}; --limit shows more of them.")


@app.command()
def show(context: typer.Context, address: Address, *, as_json: Json = False) -> None:
    """Show what is known of an address, and how many mails wait for it."""
    cli = begin(context, as_json=as_json)
    email = places.recipient(address)
    entry = cli.desk.suppression.show(email)
    told = _told(cli, email, entry)
    waiting = [row.id for row in cli.desk.find.suppressed(email)]
    if cli.as_json:
        output.document(told | {"waiting": waiting})
        return
    output.say(_sentence(told))
    for name in sorted(told["entry"].keys() - {"email"}):
        output.say(f"  {name}: {local(told['entry'][name])}")
    _tell_waiting(cli, email, len(waiting))


@app.command()
def lift(
    context: typer.Context,
    addresses: Addresses,
    *,
    resend: Annotated[bool, typer.Option("--resend", help="Send the mails that wait for it.")] = False,
    as_json: Json = False,
) -> None:
    """Let addresses get mail again; with --resend those that waited for it go at once."""
    cli = begin(context, as_json=as_json)
    emails = list(dict.fromkeys(map(places.recipient, addresses)))
    for email in emails:
        # A slip in the last address must not be found after the first was lifted.
        cli.desk.suppression.show(email)
    told = [_lift(cli, email, resend=resend) for email in emails]
    if cli.as_json:
        output.document({"lifted": told, "note": API_LIST})
    else:
        output.say(API_LIST)
    if any(not sent["ok"] for each in told for sent in each.get("resent", [])):
        raise typer.Exit(1)


@app.command()
def add(
    context: typer.Context,
    address: Address,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; stands on the mails that wait for it.")] = "",
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until then, with a time zone; without end unless said.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let an address get no mail: those to it FAIL with the reason, and wait."""
    cli = begin(context, as_json=as_json)
    end = _until(until)
    entry = cli.desk.suppression.add(address, cli.desk.who, reason or f"added by {cli.desk.who}", end)
    told = _told(cli, str(entry["email"]), entry)
    if cli.as_json:
        output.document(told)
        return
    output.say(_sentence(told))


def _until(text: str | None) -> datetime | None:
    try:
        return aware(datetime.fromisoformat(text)) if text is not None else None
    except (ValueError, InvalidRequest):
        message = f"--until {text!r} is no time with a time zone; this is one: 2026-01-31T09:00+09:00"
        raise InvalidRequest(message) from None


def _read(listed: SuppressionList, limit: int) -> tuple[list[Item], bool]:
    """Read page by page up to so many entries; tell whether there are more."""
    entries: list[Item] = []
    cursor: str | None = None
    while len(entries) <= limit:
        page = listed.entries(min(MOST, limit + 1 - len(entries)), cursor)
        entries, cursor = [*entries, *page.items], page.cursor
        if cursor is None:
            break
    return entries[:limit], len(entries) > limit


def _told(cli: Cli, email: str, entry: Item | None) -> dict[str, Any]:
    kept = {name: value for name, value in (entry or {}).items() if name != "nonce"}
    return {"email": email, "suppressed": suppression.suppressed(entry, cli.desk.now()), "entry": kept}


def _sentence(told: dict[str, Any]) -> str:
    why = told["suppressed"]
    return f"{told['email']} is suppressed {in_words(why)}" if why else f"{told['email']} gets mail."


def _table(told: Iterable[dict[str, Any]]) -> Table:
    drawn = Table()
    for name in ("address", "state"):
        drawn.add_column(name, overflow="fold")
    for each in told:
        drawn.add_row(cell(each["email"]), cell(each["suppressed"] or "gets mail"))
    return drawn


def _lift(cli: Cli, email: str, *, resend: bool) -> dict[str, Any]:
    desk = cli.desk
    lifted = desk.suppression.lift(email, desk.who)
    if not cli.as_json:
        output.say(f"{email} gets mail again." if lifted else f"{email} was not suppressed; nothing was changed.")
    waiting = [row.id for row in desk.find.suppressed(email)]
    if resend and waiting:
        results = outcomes(cli, waiting, lambda mail_id: desk.support.resend(mail_id, desk.who))
        return {"email": email, "lifted": lifted, "resent": _tell_resent(cli, results)}
    if not cli.as_json:
        _tell_waiting(cli, email, len(waiting))
    return {"email": email, "lifted": lifted, "waiting": waiting}


def _tell_resent(cli: Cli, results: list[Result]) -> list[dict[str, Any]]:
    if not cli.as_json:
        output.show(table(results, "rings again"))
    return [result.as_json() for result in results]


def _tell_waiting(cli: Cli, email: str, number: int) -> None:
    if number:
        command = cli.options.command("suppressed", "lift", email, "--resend")
        output.say(f"{number} mails to it wait; this sends them: {command}")

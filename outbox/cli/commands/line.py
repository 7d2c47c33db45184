"""`outbox pause`, `resume`, `status`: stops all sending, lets it go again, tells how things stand."""

from typing import Annotated

import typer
from rich.table import Table

from outbox.cli import output
from outbox.cli.desk import Cli, begin
from outbox.cli.language import told
from outbox.cli.options import Json
from outbox.cli.safe import cell, local
from outbox.flows.overview import Overview, overview, switch_json
from outbox.flows.switch import State, sentence
from outbox.wiring.desk import Desk

BY_NEW_CREDENTIALS = "It was stopped because the mail API refused the account: new credentials let it go by themselves."
NOT_YOURS = "It was stopped already; that stop and its reason stay. `outbox resume` ends it."
OBEYED = "Every worker obeys within five seconds; mails wait without blame until `outbox resume`."
GOES = "What waits goes from the next minute on, when dispatch runs, each in its turn."


def pause(
    context: typer.Context,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; stands on every mail that waits for it.")] = "",
    as_json: Json = False,
) -> None:
    """Stop all sending, within five seconds, until `outbox resume`. Nothing is lost and no mail is blamed."""
    cli = begin(context, as_json=as_json)
    desk = cli.control
    before = desk.switch.state()
    state = desk.switch.pause(desk.who, sentence(reason, desk.who))
    if cli.as_json:
        output.document(switch_json(state) | {"changed": not before.stopped})
        return
    output.say(_told(state))
    output.say(NOT_YOURS if before.stopped else OBEYED)
    if state.account:
        output.say(BY_NEW_CREDENTIALS)


def resume(context: typer.Context, *, as_json: Json = False) -> None:
    """Let mails go again, whoever stopped them; each that waited goes once."""
    cli = begin(context, as_json=as_json)
    desk = cli.control
    before = desk.switch.state()
    state = desk.switch.resume(desk.who)
    if cli.as_json:
        output.document(switch_json(state) | {"changed": before.stopped and not state.stopped})
        return
    output.say(_told(state))
    if before.stopped:
        output.say(f"Before, it was stopped by {before.by or 'nobody knows whom'}: {told(before.reason)}")
        output.say(GOES)
    else:
        output.say("It was not stopped; nothing was changed.")


def status(context: typer.Context, *, as_json: Json = False) -> None:
    """Tell whether mails go, how many wait for a person and how many for their time, and how the rate stands.

    A count that was cut short, at 1,000 or before, has a «+»; nothing is scanned.
    """
    cli = begin(context, as_json=as_json)
    desk = cli.control
    seen = overview(desk.store, desk.line.register, desk.line.rate, desk.switch.state(), desk.now())
    if cli.as_json:
        output.document(seen.as_json())
        return
    output.say(_told(seen.line))
    if seen.line.stopped and seen.line.account:
        output.say(BY_NEW_CREDENTIALS)
    output.show(_table(cli, desk, seen))


def _told(state: State) -> str:
    by = f" by {state.by}" if state.by else ""
    since = f" since {local(state.at)}" if state.at else ""
    if state.stopped:
        return f"Nothing is being sent{since}, stopped{by}: {told(state.reason) or 'no reason was given'}"
    resumed = f": resumed{by}{since.replace('since', 'at', 1)}" if by else ""
    return f"Mails go{resumed}."


def _table(cli: Cli, desk: Desk, seen: Overview) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for state, count in seen.problems.items():
        hint = f"   {cli.options.command('find', '--status', state.lower())}" if count.number else ""
        table.add_row(cell(state), cell(f"{count}{hint}"))
    oldest = f", the oldest since {local(seen.oldest_due)}" if seen.oldest_due else ""
    table.add_row("due now", cell(f"{seen.due_now}{oldest}"))
    table.add_row("due later", cell(f"{seen.due_later}   scheduled, deferred, or being sent or looked up just now"))
    unsent = f"since {local(seen.oldest_unsent)}" if seen.oldest_unsent else "none"
    table.add_row("oldest unsent", cell(unsent))
    rate = seen.rate
    allowed = f"{rate.per_minute:,} a minute, burst {rate.burst:,}" if rate else "not known here; --stack tells it"
    table.add_row("rate", cell(allowed))
    table.add_row("last minute", cell(f"{seen.sent_last_minute or 0}   sent or cancelled"))
    table.add_row("next slot", cell(_slot(seen, desk)))
    return table


def _slot(seen: Overview, desk: Desk) -> str:
    if seen.next_slot is None:
        return "free"
    wait = (seen.next_slot - desk.now()).total_seconds()
    return f"in {wait:,.1f} s, at {local(seen.next_slot)}" if wait > 0 else f"free since {local(seen.next_slot)}"

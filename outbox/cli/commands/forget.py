"""`outbox forget`: takes what is kept about a person out of history, the bucket and the suppression list."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from outbox.cli import output
from outbox.cli.connect import Options
from outbox.cli.desk import Cli, begin
from outbox.cli.language import told
from outbox.cli.options import Json, Yes
from outbox.cli.results import ask
from outbox.flows.forget import BEYOND, Report

HINT = "Unsent mails to it, which were left alone: cancel them, then forget again."


def forget(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whole address of the person.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Forget a person: what mails to them said, their files, their bounces, their place on the suppression list.

    That a mail was sent stays, with its id and times. Unsent mails are left alone. Harmless to repeat; exit status 1
    if something is left to be done.
    """
    cli = begin(context, as_json=as_json)
    forget_ = cli.desk.forget
    if not dry_run and not yes:
        _ask(cli, forget_(address, cli.desk.who, dry_run=True))
    report = forget_(address, cli.desk.who, dry_run=dry_run)
    if cli.as_json:
        output.document(asdict(report) | {"beyond": BEYOND})
    else:
        _tell(report, cli.options)
    if not dry_run and (report.left or report.unsent):
        raise typer.Exit(1)


def _ask(cli: Cli, would: Report) -> None:
    found = f"{len(would.mails)} mails to it, {len(would.copies)} copies and {would.bounces} bounces"
    ask(cli, "forget", f"Forget {would.address}: {found}? It cannot be undone.")


def _tell(report: Report, options: Options) -> None:
    for line in _lines(report, options):
        output.say(line)


def _lines(report: Report, options: Options) -> Iterator[str]:
    would = "Would be forgotten" if report.dry_run else "Forgotten"
    yield f"{would}: {report.address}"
    yield f"  mails to it emptied: {len(report.mails)}, and {report.files} files of them deleted"
    yield f"  mails of others from which it was taken: {len(report.copies)}"
    yield f"  bounces deleted: {report.bounces}"
    yield f"  taken off the suppression list: {'yes' if report.suppressed else 'it was not on it'}"
    if report.named:
        yield "Ids that hold the address, and cannot be changed:"
        yield from (f"  {mail_id}" for mail_id in report.named)
    if report.unsent:
        yield HINT
        yield from (f"  {options.command('cancel', mail_id)}" for mail_id in report.unsent)
    if report.left:
        yield "Left to be done; forget again in a moment:"
        yield from (f"  {what}: {told(why)}" for what, why in report.left.items())
    yield from BEYOND

"""`outbox import`: writes a mail for each row of a file; looks at all of them first, and writes only when told."""

from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer

from outbox.cli import options as opt
from outbox.cli import output
from outbox.cli.desk import Cli, begin
from outbox.cli.importing import report
from outbox.cli.importing.plan import Asked, Plan
from outbox.cli.importing.progress import bar
from outbox.cli.importing.sending import Sending
from outbox.cli.importing.survey import Survey
from outbox.cli.importing.tables import Format
from outbox.cli.parts import moment
from outbox.cli.problems import Failure
from outbox.core.errors import InvalidRequest
from outbox.flows.importing import Defaults

ENCODINGS, FORMATS = ("utf-8", "cp932"), ("csv", "jsonl")
INTERRUPTED = 130


def import_(  # noqa: PLR0913  an import has many parts
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header, or JSON Lines.", show_default=False)],
    *,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML whose values are Jinja2 templates, filled for each row.")
    ] = None,
    sender: Annotated[
        str, typer.Option("--from", metavar="ADDRESS", help="Sender, where neither template nor row says it.")
    ] = "",
    encoding: Annotated[str | None, typer.Option(metavar="utf-8|cp932", help="Else it is found out.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl", help="Else it follows from the name.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="The column is this field, or variable; repeatable."),
    ] = None,
    tag: opt.Tag = None,
    at: opt.At = None,
    urgent: Annotated[bool, typer.Option("--urgent/--bulk", help="Overtake other mail, or go when there is room.")] = (
        False
    ),
    label: Annotated[
        str, typer.Option(metavar="TEXT", help="Part of the keys: to send the same rows again, as other mails.")
    ] = "",
    send: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="Write the mails, if all is as in the dry run that gave TOKEN.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="With --send: leave bad rows out.")] = False,
    bad_rows: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all bad rows there, as JSON Lines.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Write a mail for each row of a file; without --send only look at all rows, and tell what would be written.

    The report ends with the command that writes. Run again after an interruption, it completes what is missing.
    A corrected or re-saved file adds only rows that are new: a row's key is made of its cells and the content of its
    attachments, not of the file. The same row twice in a file is two mails.

    Columns: to, sender or from, cc, bcc, reply_to, subject, text, html, tags, send_at, key, code.NAME, unsubscribe,
    attach (files beside FILE, none hidden), encoding, on_unknown. Several values have ; between them. With a template
    every column is a variable; one that may be empty is written {{ name | default("") }}.
    """
    cli = begin(context, as_json=as_json)
    defaults = Defaults(sender, tuple(tag or ()), moment(at), urgent)
    form = cast("Format | None", _one_of("--format", format_, FORMATS))
    asked = Asked(file, template, _one_of("--encoding", encoding, ENCODINGS), form, map_ or (), defaults, label)
    plan = Plan(asked)
    if bad_rows and any(bad_rows.resolve() == each.resolve() for each in (file, template) if each):
        raise InvalidRequest("--bad-rows names a file that is read; give another")
    words = _words(asked, at, bad_rows if send is None else None, skip_bad=skip_bad)
    if send is not None:
        _refuse_changed(cli, plan, send)
    with plan.surveyed(quiet=cli.as_json) as survey:
        if bad_rows:
            report.write_bad_rows(survey, bad_rows)
        command = cli.options.command(*words, "--send", str(plan.token))
        if send is None:
            _tell(cli, plan, survey, command)
        else:
            _refuse_changed(cli, plan, send)
            _send(cli, plan, survey, command, skip_bad=skip_bad)


def _tell(cli: Cli, plan: Plan, survey: Survey, command: str) -> None:
    usable = command if survey.mails and not survey.bad else ""
    name, taken = plan.source.name, plan.source.taken
    if cli.as_json:
        output.document(report.as_json(survey, name, taken, str(plan.token), usable))
    else:
        output.show(*report.dry_run(survey, name, taken, usable))
        if survey.bad and survey.mails:
            output.say("Nothing was written. Correct the rows; or, to leave them out:")
            output.say(f"  {command}{'' if '--skip-bad' in command else ' --skip-bad'}")
    if survey.bad:
        raise typer.Exit(1)


def _send(cli: Cli, plan: Plan, survey: Survey, command: str, *, skip_bad: bool) -> None:
    if survey.bad and not skip_bad:
        if not cli.as_json:
            output.show(*report.bad_rows(survey))
        _refuse(cli, "BadRows", f"{survey.bad:,} rows are bad; nothing was written.", "--skip-bad leaves them out.")
    with bar("writing", survey.mails, off=cli.as_json) as show:
        run = Sending(plan.make, survey.ledger, show)
        sent = run(cli.desk.outbox, plan.lines(), bulk=not plan.make.defaults.urgent)
    if cli.as_json:
        output.document(sent.as_json() | {"skipped": survey.bad, "send": command})
    else:
        report.sent(sent, survey, command)
    if sent.interrupted:
        raise typer.Exit(INTERRUPTED)
    if sent.failed or sent.stopped:
        raise typer.Exit(1)


def _refuse_changed(cli: Cli, plan: Plan, given: str) -> None:
    if changed := plan.token.differs(given):
        hint = "Run it without --send to see what would be written now."
        _refuse(cli, "ChangedSinceDryRun", f"--send {given}: {changed}; nothing was written.", hint)


def _refuse(cli: Cli, kind: str, message: str, hint: str) -> NoReturn:
    output.failure(Failure(kind, message, 1, hint), as_json=cli.as_json)
    raise typer.Exit(1)


def _one_of(option: str, given: str | None, allowed: tuple[str, ...]) -> str | None:
    if given is None or given.lower() in allowed:
        return given.lower() if given else None
    raise InvalidRequest(f"{option} {given!r} is none of {', '.join(allowed)}")


def _words(asked: Asked, at: str | None, bad_rows: Path | None, *, skip_bad: bool) -> list[str]:
    """Write the command again, as it was given."""
    defaults = asked.defaults
    single = {"--template": asked.template, "--from": defaults.sender, "--encoding": asked.encoding}
    single |= {"--format": asked.format_, "--at": at, "--label": asked.label, "--bad-rows": bad_rows}
    words = ["import", str(asked.file)]
    words += [word for option, value in single.items() if value for word in (option, str(value))]
    words += [word for each in asked.renamed for word in ("--map", each)]
    words += [word for each in defaults.tags for word in ("--tag", each)]
    words += ["--urgent"] * defaults.urgent + ["--skip-bad"] * skip_bad
    return words

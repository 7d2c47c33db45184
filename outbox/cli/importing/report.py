"""What a person, or a script, is told of an import: before it, and after it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from outbox.cli import output
from outbox.cli.importing.encoding import Taken
from outbox.cli.importing.ledger import BadRow
from outbox.cli.importing.sending import Sent
from outbox.cli.importing.survey import ATTACHMENT, DOMAIN, Survey
from outbox.cli.safe import cell, local
from outbox.core.errors import InvalidRequest
from outbox.core.mail import FIELDS
from outbox.core.shown import dumps, safe, words
from outbox.flows.columns import shown
from outbox.flows.importing import Made

ON_SCREEN = 100
DOMAINS = 5
ATTACHMENTS = 10
BODY_CHARS, BODY_LINES = 600, 12
BODIES = ("text", "html")


def dry_run(survey: Survey, name: str, taken: Taken, command: str) -> Iterator[RenderableType]:
    """Draw what an import would do; `command` is empty where it cannot be done."""
    yield _counts(survey, name, taken)
    for number, made in enumerate(survey.samples, 1):
        yield Panel(_sample(made), title=f"sample {number}, line {made.number}", title_align="left")
    yield from guessed(survey, taken)
    yield from warnings(survey)
    yield from bad_rows(survey)
    if command:
        yield Text("Nothing was written. To write these mails:")
        yield Text(f"  {safe(command)}", style="bold")


def bad_rows(survey: Survey) -> Iterator[RenderableType]:
    """Draw the first bad rows."""
    if not survey.bad:
        return
    drawn = Table(title="bad rows", title_justify="left")
    for name in ("line", "field", "rule"):
        drawn.add_column(name, overflow="fold")
    for row in survey.ledger.bad(ON_SCREEN):
        for problem in row.problems:
            drawn.add_row(cell(row.line), cell(problem.field), cell(problem.rule))
    yield drawn
    if survey.bad > ON_SCREEN:
        yield Text(f"… and {survey.bad - ON_SCREEN:,} more: --bad-rows FILE, or --json")


def guessed(survey: Survey, taken: Taken) -> Iterator[Text]:
    """Say that the encoding is a guess, with a cell by which a person can tell whether it is right."""
    if not taken.guessed:
        return
    told = f"warning: {taken.name} is a guess; --encoding {taken.name} says so for certain."
    if survey.other:
        line, column, value = survey.other
        told += f" Is this right? line {line}, {safe(shown(column))}: {safe(shown(value))}"
    yield Text(told, style="yellow")


def warnings(survey: Survey) -> Iterator[Text]:
    """Say what is there twice and is no error."""
    told = [(survey.same_keys, "same key and mail as an earlier row, written once", survey.keys_twice)]
    told += [(survey.same_recipients, "same recipient as an earlier row", survey.recipients_twice)]
    for count, what, lines in told:
        if count:
            named = ", ".join(f"line {line} as {before}" for line, before in lines[:DOMAINS])
            yield Text(f"warning: {count:,} × the {what} ({named}{', …' if count > DOMAINS else ''})", style="yellow")


def as_json(survey: Survey, name: str, taken: Taken, token: str, command: str) -> dict[str, Any]:
    """Give everything for a script, all bad rows among it."""
    return {
        "file": name,
        "encoding": taken.name,
        "encoding_guessed": taken.guessed,
        "first_not_ascii": dict(zip(("line", "column", "value"), survey.other, strict=True)) if survey.other else None,
        "rows": survey.rows,
        "mails": survey.mails,
        "bad": survey.bad,
        "scheduled": survey.scheduled,
        "domains": survey.ledger.most(DOMAIN, DOMAINS),
        "attachments": survey.ledger.most(ATTACHMENT, ATTACHMENTS),
        "different_attachments": survey.ledger.distinct(ATTACHMENT),
        "same_keys": survey.same_keys,
        "same_recipients": survey.same_recipients,
        "same_keys_lines": survey.keys_twice,
        "same_recipients_lines": survey.recipients_twice,
        "samples": [{"line": made.number, "mail": _parts(made)} for made in survey.samples],
        "bad_rows": [_bad(row) for row in survey.ledger.bad()],
        "token": token,
        "send": command,
    }


def write_bad_rows(survey: Survey, path: Path) -> None:
    """Write all bad rows as JSON Lines. Raises `InvalidRequest` when the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(dumps(_bad(row)) + "\n" for row in survey.ledger.bad())
    except OSError as error:
        raise InvalidRequest(f"--bad-rows {path}: {error.strerror or error}") from None


def sent(told: Sent, survey: Survey, command: str) -> None:
    """Tell what was done; `command` goes on where it was stopped."""
    skipped = f", {survey.bad:,} bad rows left out" if survey.bad else ""
    rate = told.written / told.seconds if told.seconds else 0
    output.say(
        f"{told.written:,} written, {told.duplicates:,} there already, {len(told.failed):,} failed{skipped}; "
        f"{told.seconds:.1f} s, {rate:,.0f} a second."
    )
    for line, error in islice(told.failed, ON_SCREEN):
        output.say(f"  line {line}: {error}")
    if len(told.failed) > ON_SCREEN:
        output.say(f"  … and {len(told.failed) - ON_SCREEN:,} more: --json")
    if told.stopped or told.failed:
        output.say(f"{told.stopped} To go on, without doubles:".strip())
        output.say(f"  {command}")


def _counts(survey: Survey, name: str, taken: Taken) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    domains = _counted(survey.ledger.most(DOMAIN, DOMAINS))
    files = survey.ledger.most(ATTACHMENT, ATTACHMENTS)
    more = survey.ledger.distinct(ATTACHMENT) - len(files)
    listed = _counted(files) + (f", … and {more:,} more" if more else "")
    facts = [("file", name), ("read as", f"{taken.name} ({taken.why})"), ("rows", f"{survey.rows:,}")]
    facts += [("mails", f"{survey.mails:,}"), ("bad rows", f"{survey.bad:,}"), ("scheduled", f"{survey.scheduled:,}")]
    facts += [("most to", domains)] + [("attached", listed)] * bool(files)
    for fact, value in facts:
        table.add_row(cell(fact), cell(value))
    return table


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _sample(made: Made) -> Text:
    parts = _parts(made)
    lines = [f"{name}: {words(value)}" for name, value in parts.items() if name not in BODIES]
    bodies = [_shortened(str(parts[name])) for name in BODIES if name in parts]
    return cell("\n".join([*map(safe, lines), *(f"\n{body}" for body in bodies)]), lines=True)


def _parts(made: Made) -> Mapping[str, Any]:
    item = made.mail.but(attachments=()).to_item()
    parts = {name: item[name] for name in FIELDS if item.get(name) not in (None, "", False)}
    files = [f"{each.attachment.name} ({each.size:,} bytes)" for each in made.attached]
    parts |= {"attachments": files} if files else {}
    return parts | ({"send_at": local(made.send_at)} if made.send_at else {})


def _shortened(body: str) -> str:
    short = "\n".join(body[:BODY_CHARS].split("\n")[:BODY_LINES])
    return short + (f"\n[{len(body) - len(short):,} more characters]" if len(short) < len(body) else "")


def _bad(row: BadRow) -> dict[str, Any]:
    problems: Sequence[dict[str, str]] = [{"field": each.field, "rule": each.rule} for each in row.problems]
    return {"line": row.line, "problems": problems}

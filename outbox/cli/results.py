"""One decision about several mails: asked for if it must be, done for each, and each result told."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from outbox.cli import language, output, views
from outbox.cli.desk import Cli
from outbox.cli.problems import Failure, explain
from outbox.cli.safe import cell
from outbox.core.errors import InvalidRequest, OutboxError
from outbox.core.row import Row

NOT_TRIED = Failure("NotTried", "Not tried: AWS gave no answer for a mail before it.")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mail: its row now, or that of the mail made of it, or why not."""

    mail_id: str
    row: Row | None = None
    failure: Failure | None = None

    @property
    def new_id(self) -> str:
        """Give the id of the mail that was made of it; empty if none was."""
        return self.row.id if self.row is not None and self.row.id != self.mail_id else ""

    def as_json(self) -> dict[str, Any]:
        """Give the same for a script."""
        done = views.as_json(self.row) if self.row is not None else {}
        done |= {"id": self.mail_id, "ok": self.failure is None}
        done |= {"resent_as": self.new_id} if self.new_id else {}
        return done | ({"error": self.failure.as_json()} if self.failure else {})


def can_ask(cli: Cli) -> bool:
    """Tell whether there is somebody who could be asked."""
    return not cli.as_json and sys.stdin.isatty()


def ask(cli: Cli, command: str, question: str) -> None:
    """Ask a person; ends the command unless the answer is yes. Raises `InvalidRequest` where nobody can be asked."""
    if not can_ask(cli):
        message = f"{command} asks before it acts, and nobody can be asked here; give --yes"
        raise InvalidRequest(message)
    if not typer.confirm(question):
        output.say("Nothing was done.")
        raise typer.Exit(1)


def each(cli: Cli, ids: list[str], done: str, act: Callable[[str], Row]) -> None:
    """Do it for each mail once and tell what came of it; exit status 1 if one could not be done."""
    results = outcomes(cli, list(dict.fromkeys(ids)), act)
    if cli.as_json:
        output.document({"results": [result.as_json() for result in results]})
    else:
        output.show(table(results, done))
    if any(result.failure for result in results):
        raise typer.Exit(1)


def outcomes(cli: Cli, ids: list[str], act: Callable[[str], Row]) -> list[Result]:
    """Do it for each mail. What was done is told even when AWS goes away meanwhile."""
    results: list[Result] = []
    for number, mail_id in enumerate(ids):
        try:
            results.append(Result(mail_id, act(mail_id)))
        except OutboxError as error:
            results.append(Result(mail_id, failure=explain(error)))
        except (BotoCoreError, ClientError) as error:
            if not results:
                raise
            # What AWS does not answer now it will not answer for the rest.
            results.append(Result(mail_id, failure=explain(error, cli.where)))
            results += [Result(rest, failure=NOT_TRIED) for rest in ids[number + 1 :]]
            break
    return results


def table(results: list[Result], done: str) -> Table:
    """Draw what came of each."""
    drawn = Table()
    for name in ("id", "result", "status", "why"):
        drawn.add_column(name, overflow="fold", no_wrap=name == "status")
    for result in results:
        if result.row is not None:
            told = f"goes again as {result.new_id}" if result.new_id else done
            why = cell(language.why(result.row))
            drawn.add_row(cell(result.mail_id), cell(told, "green"), views.status(result.row), why)
        elif result.failure:
            said = [str(language.told(part)) for part in (result.failure.message, *result.failure.more)]
            said += [result.failure.hint] if "warnings" in result.failure.details else []
            drawn.add_row(cell(result.mail_id), cell("not done", "bold red"), cell(""), cell(" ".join(said)))
    return drawn

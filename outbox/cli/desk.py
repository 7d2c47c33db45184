"""What a command finds in its context: the options, the form of the answer and, on first use, the tables."""

from dataclasses import dataclass, field
from functools import cached_property

import typer

from outbox.cli.connect import Options
from outbox.wiring.connect import Connect
from outbox.wiring.desk import Desk


@dataclass
class Cli:
    """One run of the command."""

    connect: Connect
    options: Options = field(default_factory=Options)
    as_json: bool = False

    @cached_property
    def desk(self) -> Desk:
        """Find the tables. Raises `MissingSettings`."""
        return self.connect(self.options)

    @cached_property
    def control(self) -> Desk:
        """Find the tables, that of what the workers share among them. Raises `MissingSettings`."""
        return self.connect(self.options, control=True)

    @property
    def where(self) -> str:
        """Tell where AWS was asked; nothing if it never was."""
        made: Desk | None = self.__dict__.get("desk") or self.__dict__.get("control")
        return made.where if made else ""


def begin(context: typer.Context, *, as_json: bool) -> Cli:
    """Give the run a command belongs to, with its own --json added."""
    cli: Cli = context.obj
    cli.as_json = cli.as_json or as_json
    return cli

"""The global options, and how they are written for a shell."""

import shlex
from dataclasses import asdict, dataclass

from outbox.wiring import connect


@dataclass(frozen=True, slots=True)
class Options(connect.Options):
    """What stands before the command; empty where nothing was said."""

    def command(self, *words: str) -> str:
        """Write a command that asks in the same place, to be copied into a shell."""
        names = {"who": "as"}
        given = [
            part
            for name, value in asdict(self).items()
            if value
            for part in (f"--{names.get(name, name).replace('_', '-')}", value)
        ]
        return shlex.join(["outbox", *given, *words])

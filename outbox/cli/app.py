"""The entry point of `outbox`: runs the program, or says which extra it needs."""

import sys
from collections.abc import Sequence

NEEDS_CLI = "outbox: the command needs an extra: pip install 'outbox[cli]' (missing: {name})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 fine, 1 it could not be done, 2 wrong usage or settings."""
    try:
        # The script is installed with every outbox, also where an application only enqueues.
        from outbox.cli import program  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        print(NEEDS_CLI.format(name=error.name), file=sys.stderr)  # noqa: T201  rich is what is missing
        return 2
    return program.run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())

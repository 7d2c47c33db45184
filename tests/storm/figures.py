"""What an attack measured, for people in one line and for a machine in a file."""

from typing import Any

from tests.figures import merge


def note(key: str, figures: dict[str, Any]) -> None:
    """Print the figures in one line, and put them under their key into the JSON file that `OUTBOX_FIGURES` names."""
    print(f"{key}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))  # noqa: T201
    merge(key, figures)

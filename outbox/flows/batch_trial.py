"""What a correction would make of a row, shown before it is done."""

from collections.abc import Mapping
from dataclasses import dataclass

from outbox.core.errors import InvalidMail
from outbox.core.message import message_of
from outbox.core.row import Row
from outbox.flows import correct


@dataclass(frozen=True, slots=True)
class Trial:
    """One row of a sample as corrections would make it: field to before and after, or what is wrong then."""

    row: Row
    changes: Mapping[str, tuple[str, str]]
    problem: str = ""


def tried(row: Row, some: tuple[correct.Correction, ...]) -> Trial:
    """Correct a whole row, and write nothing."""
    changed = correct.changes(some, row.item)
    shown = {name: (_words(row.item.get(name)), _words(value)) for name, value in changed.items()}
    try:
        correct.corrected(row, changed)
    except InvalidMail as wrong:
        return Trial(row, shown, message_of(wrong))
    return Trial(row, shown)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value or "")

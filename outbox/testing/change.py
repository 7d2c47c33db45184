"""What the outbox table's stream tells of a write."""

from dataclasses import dataclass

from outbox.core.row import Item


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an outbox row, as the table's stream tells it."""

    name: str
    before: Item | None
    after: Item | None

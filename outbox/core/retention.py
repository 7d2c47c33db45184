"""How long history keeps a mail, and what of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days history keeps a mail, and whether with its text, HTML and insert codes."""

    days: int
    bodies: bool = True

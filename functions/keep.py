"""Outbox stream -> bucket: the files of a row that was written stay."""

from typing import Any

from outbox.wiring.start import importing

with importing():
    from outbox.wiring import filing


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Keep the files of the batch's new rows; say which records Lambda must bring again."""
    return filing.keep(event)

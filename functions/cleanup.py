"""History stream -> bucket: the files of a row whose time is over are deleted."""

from typing import Any

from outbox.wiring.start import importing

with importing():
    from outbox.wiring import filing


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Delete the files of the batch's expired rows; say which records Lambda must bring again."""
    return filing.cleanup(event)

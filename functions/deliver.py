"""Outbox stream -> mail API: send each mail as soon as it is written."""

from typing import Any

from outbox.wiring.start import importing

with importing():
    from outbox.adapters import stream
    from outbox.wiring import delivering


def handler(event: dict[str, Any], context: stream.Context) -> dict[str, Any]:
    """Send the mails the batch rings for; say which records Lambda must bring again."""
    return delivering.deliver(event, context)

"""Outbox stream -> mail API: send each mail as soon as it is written."""

from typing import Any

from outbox.adapters import stream
from outbox.wiring import sending


def handler(event: dict[str, Any], context: stream.Context) -> dict[str, Any]:
    """Send the mails the batch rings for; say which records Lambda must bring again."""
    return sending.worker().deliver(event, context)

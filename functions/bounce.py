"""POST from the mail API -> history and suppressions: write down who bounced, and whom to send nothing for a while."""

from typing import Any

from outbox.wiring.start import importing

with importing():
    from outbox.wiring import bouncing


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one call of the webhook."""
    return bouncing.hear()(event)

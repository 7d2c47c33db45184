"""Every minute -> outbox: send the mails whose time has come, wake those that were left behind."""

from outbox import wiring
from outbox.adapters import stream


def handler(_event: object, context: stream.Context) -> dict[str, int]:
    """Work through the due rows; say how many there were of each kind."""
    return wiring.worker().dispatch(context)

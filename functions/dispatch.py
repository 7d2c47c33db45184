"""Every minute -> outbox: send the mails whose time has come, wake those that were left behind."""

from outbox.wiring.start import importing

with importing():
    from outbox.adapters import stream
    from outbox.wiring import dispatching


def handler(event: object, context: stream.Context) -> dict[str, int]:
    """Work through the due rows; say how many there were of each kind."""
    return dispatching.dispatch(event, context)

"""Builds deliver, as Lambda calls it."""

from functools import cache
from typing import Any

from outbox.adapters import stream
from outbox.core import clock
from outbox.flows import limiter, switch
from outbox.flows.deliver import Deliver
from outbox.wiring.processor import one_processor
from outbox.wiring.sending import sending


@cache
def flow() -> Deliver:
    """Build it once a process. Raises `MissingSettings`."""
    parts = sending()
    return Deliver(parts.sender("deliver"), parts.settings.threads, parts.start_dispatch)


def deliver(event: object, context: stream.Context) -> dict[str, Any]:
    """Answer the doorbells of a batch of stream records."""
    one_processor()
    sending().begin(switch.NAME, limiter.NAME)
    return stream.for_each_doorbell(event, context, clock.now, flow())

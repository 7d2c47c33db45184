"""Builds dispatch, as Lambda calls it."""

import json
import time
from collections.abc import Mapping
from functools import cache

from outbox.adapters import stream
from outbox.adapters.records import BlastengineRecords
from outbox.adapters.starter import Starter
from outbox.core import clock
from outbox.flows.dispatch import Dispatch
from outbox.flows.reconcile import Reconcile
from outbox.wiring.processor import one_processor
from outbox.wiring.sending import sending

# The event with which one dispatcher starts another.
HELPER = {"helper": True}


@cache
def flow() -> Dispatch:
    """Build it once a process. Raises `MissingSettings`."""
    parts, settings = sending(), sending().settings
    sender, records = parts.sender("dispatch"), BlastengineRecords(parts.http)
    reconcile = Reconcile(
        sender.store, records, sender.limiter, clock.now, time.sleep, "dispatch", settings.lease_seconds,
        sender.terms.keep, sender.files, sender.language,
    )  # fmt: skip
    start_helper = Starter(settings.dispatch_function, payload=json.dumps(HELPER).encode())
    return Dispatch(sender, reconcile, parts.register, start_helper, settings.threads, settings.dispatchers)


def dispatch(event: object, context: stream.Context) -> dict[str, int]:
    """Work through what is due; say how many rows there were of each kind."""
    one_processor()
    sending().begin()
    helper = isinstance(event, Mapping) and event.get("helper") is True
    return flow()(stream.deadline(context, clock.now), helper=helper)

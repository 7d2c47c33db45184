"""Starting a dispatcher: nobody depends on it, because the schedule starts one every minute."""

from collections.abc import Callable

import structlog

log = structlog.get_logger()


def start(start_dispatch: Callable[[], None]) -> bool:
    """Start a dispatcher; tell whether it was started. An error is logged and never raised."""
    try:
        start_dispatch()
    except Exception:
        log.exception("dispatch.not_started")
        return False
    return True

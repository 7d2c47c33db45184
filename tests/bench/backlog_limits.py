"""How much one dispatcher, and the limiter's one item, can take: `python -m tests.bench.backlog_limits`.

On the fake clock of the backlog, with no rate in the way: what is found is the speed of the code and of its calls, at
5 ms for a call of the tables and 100 ms for one of the mail API. Also what dispatch uses when there is nothing to do.
"""

import argparse
import random
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import pytest
import structlog

from outbox.core.rate import Rate
from tests.bench import paper_figures
from tests.conftest import quiet
from tests.simulation import store
from tests.simulation.service import SCHEDULE_SECONDS, Service
from tests.simulation.world import World

API_SECONDS = 0.1
NO_RATE = Rate(10_000_000, 5)
DISPATCHERS, BOOKINGS = (1, 2, 4, 8), (10, 20, 30, 40, 50, 75, 100, 150, 200, 400)
BOOKING_SECONDS = 60.0


def measure(mails: int = 20_000) -> dict[str, Any]:
    """Measure each limit."""
    structlog.configure(processors=[quiet])
    return {
        "api_ms": round(API_SECONDS * 1000),
        "table_ms": round(store.CALL * 1000),
        "dispatchers": [_dispatched(parts, mails) for parts in DISPATCHERS],
        "bookings": [booked(wanted) for wanted in BOOKINGS],
        "idle": idle(),
    }


def _dispatched(parts: int, mails: int) -> dict[str, Any]:
    """Let so many dispatchers work; their start, and the time when some have nothing left to do, do not count."""

    def begin(service: Service) -> Callable[[], bool]:
        service.backlog(mails * parts)
        service.world.start(0.0, service.schedule)
        for _ in range(parts):
            service.start_dispatch()
        return lambda: len(service.calls[False]) >= 0.7 * mails * parts

    service = _run(begin, dispatchers=parts)
    calls = service.calls[False]
    first, last = len(calls) // 7, len(calls) - 1
    return {
        "dispatchers": parts,
        "mails_a_minute": round((last - first) / (calls[last] - calls[first]) * 60),
        "lost_bookings": _share(service, "rate lost", "rate"),
    }


def booked(wanted: int) -> dict[str, Any]:
    """Let so many invocations a second come at random, each of which books a slot."""
    chance, seconds, refused = random.Random(wanted), list[float](), [0]

    def book(service: Service) -> None:
        began = service.world.seconds
        if service.limiter().book(1, urgent=True):
            seconds.append(service.world.seconds - began)
        else:
            refused[0] += 1

    def come(service: Service) -> None:
        while True:
            service.world.pause(chance.expovariate(wanted))
            service.world.start(0.0, book, service)

    def begin(service: Service) -> Callable[[], bool]:
        service.world.start(0.0, come, service)
        return lambda: service.world.seconds >= BOOKING_SECONDS

    service = _run(begin)
    return {
        "wanted_a_second": wanted,
        "booked_a_second": round(len(seconds) / BOOKING_SECONDS, 1),
        "p99_seconds": round(quantiles(seconds, n=100)[98], 3),
        "lost_tries": _share(service, "rate lost", "rate"),
        "given_up": round(refused[0] / (len(seconds) + refused[0]), 4),
    }


def idle(minutes: int = 60) -> dict[str, Any]:
    """Let the schedule start dispatch on an empty table for so long; give what one run uses."""

    def begin(service: Service) -> Callable[[], bool]:
        service.world.start(0.0, service.schedule)
        return lambda: service.world.seconds >= (minutes - 0.5) * SCHEDULE_SECONDS

    service = _run(begin)
    runs, units = len(service.dispatches), service.meter.units
    assert service.dispatches == [{}] * minutes
    return {
        "seconds": round(sum(service.seconds["dispatch"]) / runs, 3),
        "write_units": sum(n for name, n in units.items() if name.startswith("write")) / runs,
        "read_units": sum(n for name, n in units.items() if name.startswith("read")) / runs,
    }


def _run(begin: Callable[[Service], Callable[[], bool]], dispatchers: int = 1) -> Service:
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        service = Service(world, patch, rate=NO_RATE, dispatchers=dispatchers)
        service.call = (API_SECONDS, API_SECONDS)
        world.run(until=begin(service))
    return service


def _share(service: Service, part: str, rest: str) -> float:
    calls = service.meter.calls
    lost, others = calls[f"write {part}"], calls[f"write {rest}"]
    return round(lost / (lost + others), 4) if lost else 0.0


def main() -> None:
    """Measure, print, and write down what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look", action="store_true", help="print, and write nothing")
    asked = parser.parse_args()
    figures = measure(1000 if asked.look else 20_000)
    print(paper_figures.text(figures))  # noqa: T201  the numbers are the point
    if not asked.look:
        paper_figures.keep("limits", figures)


if __name__ == "__main__":
    main()

"""A million bulk mails wait, urgent ones come meanwhile: how long it takes, and what it uses. On a fake clock.

    python -m tests.bench.backlog                       # a million on each line, ten minutes; writes figures.json
    python -m tests.bench.backlog --mails 20000 --look  # a look at whether it works; writes nothing

The flows are the deployed ones: dispatch, deliver, limiter, lease, switch, claim, check, settle. Simulated are the
tables (5 ms a call, units by the developer guide's rules), the stream, the schedule and the mail API (0.1 to 0.6 s a
call). Nothing is extrapolated from fewer mails; tenths show that what a mail uses does not depend on how many wait. The
lines are the default settings, and a rate of 10,000 a minute with four dispatchers.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import pytest
import structlog

from outbox.core.rate import Rate
from tests.bench import paper_figures
from tests.conftest import quiet
from tests.simulation.service import Service, busiest_minute
from tests.simulation.world import World

MAILS = 1_000_000
# Urgent mails make up so much of the rate: one arrival in ten seconds at the default.
BETWEEN, AT_RATE = 10.0, 500
# Time for what is under way to settle; and after which nothing is taken to come any more, with rows that are left.
SETTLING, GIVEN_UP = 5.0, 600.0


@dataclass(frozen=True, slots=True)
class Line:
    """The settings of a stack."""

    per_minute: int
    burst: int = 5
    dispatchers: int = 1


LINES = {"default": Line(500), "faster": Line(10_000, dispatchers=4)}


@dataclass(slots=True)
class Watch:
    """Tells when a backlog has drained, and notes what was used at each tenth of it."""

    service: Service
    mails: int
    name: str
    tenths: list[dict[str, float]] = field(default_factory=list)
    _next: int = 0

    def __post_init__(self) -> None:
        self._next = self.mails // 10

    def __call__(self) -> bool:
        """Look, after each event of the world."""
        bulk, now = self.service.calls[False], self.service.world.seconds
        if len(bulk) >= self._next:
            self._note()
            self._next += self.mails // 10
        if not bulk:
            return now > GIVEN_UP
        return now > bulk[-1] + (SETTLING if len(bulk) >= self.mails else GIVEN_UP)

    def _note(self) -> None:
        used = use(self.service)
        self.tenths.append(used)
        told = f"{self.name}: {used['mails']:,.0f} mails, {self.service.world.seconds / 3600:.1f} h"
        print(told, file=sys.stderr, flush=True)  # noqa: T201  a long run


def use(service: Service) -> dict[str, float]:
    """Give what was used so far, the applications' own writes left out."""
    units = service.meter.units
    return {
        "mails": len(service.calls[True]) + len(service.calls[False]),
        "write_units": sum(n for name, n in units.items() if name.startswith("write")) - units["write pending"],
        "read_units": sum(n for name, n in units.items() if name.startswith("read")),
        "invocations": sum(map(len, service.seconds.values())),
        "function_seconds": round(sum(map(sum, service.seconds.values())), 1),
    }


def drain(mails: int, line: Line, name: str) -> dict[str, Any]:
    """Let a backlog drain; give what it took."""
    structlog.configure(processors=[quiet])
    began, world = time.monotonic(), World()
    with pytest.MonkeyPatch.context() as patch:
        rate = Rate(line.per_minute, line.burst)
        service = Service(world, patch, rate=rate, dispatchers=line.dispatchers)
        service.backlog(mails)
        world.start(0.0, service.schedule)
        world.start(0.0, service.arrivals, BETWEEN * AT_RATE / line.per_minute)
        watch = Watch(service, mails, name)
        world.run(until=watch)
    figures = _times(service, mails, line) | _urgent(service) | _used(service, watch)
    return figures | {"wall_seconds": round(time.monotonic() - began)}


def _times(service: Service, mails: int, line: Line) -> dict[str, Any]:
    bulk = service.calls[False]
    calls = sorted(bulk + [moment for moment in service.calls[True] if moment <= bulk[-1]])
    lasted = calls[-1] - calls[0]
    return {
        "mails": mails,
        "per_minute": line.per_minute,
        "burst": line.burst,
        "dispatchers": line.dispatchers,
        "hours": round(lasted / 3600, 3),
        # As fast as the mail API allows; and as fast as slots come, of which two bursts are left free.
        "ideal_hours": round(len(calls) / line.per_minute / 60, 3),
        "slots_hours": round(len(calls) / (line.per_minute - 2 * line.burst) / 60, 3),
        "share_of_the_rate": round((len(calls) - 1) / (lasted / 60 * line.per_minute), 4),
        "busiest_minute": busiest_minute(calls),
        "left": mails - len(bulk),
    }


def _urgent(service: Service) -> dict[str, Any]:
    cuts = quantiles(service.waits, n=100)
    return {
        "urgent": len(service.waits),
        "urgent_p50_seconds": round(cuts[49], 2),
        "urgent_p99_seconds": round(cuts[98], 2),
        "urgent_longest_seconds": round(max(service.waits), 2),
    }


def _used(service: Service, watch: Watch) -> dict[str, Any]:
    return {
        "invocations": {name: len(each) for name, each in service.seconds.items()},
        "function_seconds": {name: round(sum(each)) for name, each in service.seconds.items()},
        **service.meter.told(),
        "used": use(service),
        "first_tenth": _a_mail({}, watch.tenths[0]),
        "last_tenth": _a_mail(watch.tenths[-2], watch.tenths[-1]),
    }


def _a_mail(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Give what one mail used between two moments."""
    used = {name: n - before.get(name, 0) for name, n in after.items()}
    return {name: round(n / used["mails"], 4) for name, n in used.items() if name != "mails"}


def main() -> None:
    """Drain each line in a process of its own, and write down what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=MAILS)
    parser.add_argument("--lines", nargs="+", choices=list(LINES), default=list(LINES))
    parser.add_argument("--look", action="store_true", help="print, and write nothing")
    asked = parser.parse_args()
    with ProcessPoolExecutor(len(asked.lines)) as pool:
        running = {name: pool.submit(drain, asked.mails, LINES[name], name) for name in asked.lines}
        figures = {name: each.result() for name, each in running.items()}
    print(paper_figures.text(figures))  # noqa: T201  the numbers are the point
    if not asked.look:
        paper_figures.keep("backlog", paper_figures.load().get("backlog", {}) | figures)


if __name__ == "__main__":
    main()

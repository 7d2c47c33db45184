"""A long backlog of bulk waits, urgent mails come at random: how long those wait, and how fast the bulk drains.

`OUTBOX_SIMULATION_MAILS=100000 pytest tests/simulation -s` is the full size; rate and time-outs are the defaults.
"""

import os
import time
from statistics import quantiles

import pytest

from tests.simulation.service import Service, busiest_minute
from tests.simulation.world import World
from tests.storm import figures

MAILS = int(os.environ.get("OUTBOX_SIMULATION_MAILS", "20000"))
# Seconds between two arrivals of urgent mail on average.
BETWEEN = 10.0

pytestmark = pytest.mark.timeout(600)


def test_urgent_mail_overtakes_a_hundred_thousand_and_the_bulk_drains_at_the_full_rate(monkeypatch):
    """Of the urgent mails 99 in 100 leave within 5 s, the bulk uses the whole rate, and no minute exceeds it."""
    began = time.monotonic()
    world = World()
    service = Service(world, monkeypatch)
    service.backlog(MAILS)
    world.start(0.0, service.schedule)
    world.start(0.0, service.arrivals, BETWEEN)
    bulk = service.calls[False]
    world.run(until=lambda: len(bulk) >= MAILS)
    calls = sorted(service.calls[True] + bulk)
    cuts = quantiles(service.waits, n=100)
    share = len(calls) / ((calls[-1] - calls[0]) / 60 * service.rate.per_minute)
    figures.note(
        "simulation",
        {
            "bulk": MAILS,
            "urgent": len(service.waits),
            "hours": round(world.seconds / 3600, 2),
            "urgent_p50_seconds": round(cuts[49], 2),
            "urgent_p99_seconds": round(cuts[98], 2),
            "urgent_longest_seconds": round(max(service.waits), 2),
            "share_of_the_rate": round(share, 4),
            "busiest_minute": busiest_minute(calls),
            "limit": service.rate.per_minute,
            "dispatches": len(service.dispatches),
            "seconds": round(time.monotonic() - began),
        },
    )
    assert len(set(bulk)) <= len(bulk) == MAILS
    assert busiest_minute(calls) <= service.rate.per_minute
    assert cuts[98] <= 5
    assert share >= 0.97

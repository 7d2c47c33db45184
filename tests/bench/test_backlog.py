"""The backlog in small: what one mail uses, and that it drains at the full rate, are the same as in large."""

from datetime import timedelta

import pytest
import structlog

from outbox.core import places, transitions
from outbox.core.rate import Rate
from outbox.core.transitions import Stamp
from tests.bench import backlog, backlog_limits, paper
from tests.bench.test_paper import FOUND
from tests.conftest import make_mail, quiet
from tests.simulation.meter import OUTBOX, Meter, entries
from tests.simulation.service import Service
from tests.simulation.world import World


@pytest.fixture(scope="module")
def drained():
    """Drain a small backlog with the default settings, once."""
    return backlog.drain(3000, backlog.LINES["default"], "small")


def test_it_drains_at_the_full_rate_and_not_faster(drained):
    """Nothing is left, the slots are used, and no minute has more calls than the mail API allows."""
    assert drained["left"] == 0
    assert drained["hours"] <= 1.05 * drained["slots_hours"]
    assert drained["busiest_minute"] <= drained["per_minute"]


def test_urgent_mail_overtakes(drained):
    """Of the urgent mails 99 in 100 leave within 5 s, whatever waits."""
    assert drained["urgent"] > 10
    assert drained["urgent_p99_seconds"] <= 5


def test_a_mail_uses_the_same_at_the_beginning_and_at_the_end(drained):
    """What one mail uses does not depend on how many wait behind it."""
    first, last = drained["first_tenth"], drained["last_tenth"]
    assert first["write_units"] == pytest.approx(last["write_units"], rel=0.05)
    assert first["read_units"] == pytest.approx(last["read_units"], rel=0.1)


def test_each_mail_is_claimed_once_and_sent_once(drained):
    """Enqueue costs 2 units, a claim 1, or 3 where it moves a row that waited in its index, the move to history 8."""
    writes, units, bulk = drained["writes"], drained["write_units"], drained["mails"]
    assert writes["sent"] >= bulk
    assert writes["sending"] - writes["sent"] <= backlog.Line(500).burst
    assert "condition failed" not in writes
    assert units["sending"] == 3 * bulk + (writes["sending"] - bulk)
    assert (units["sent"], units["pending"]) == (8 * writes["sent"], 2 * writes["pending"])


def test_the_page_reads_what_it_writes(drained):
    """What is noted of a backlog is what the page tells, by the same names."""
    page = paper.render({**FOUND, "backlog": {"default": drained}})
    assert f"| bulk mails that waited | {drained['mails']:,} |" in page


def test_an_index_entry_costs_when_it_comes_goes_or_moves():
    """One unit for coming or going, two for another key, none for staying."""
    row = transitions.new(make_mail(), "a", Stamp(World()(), "test"))
    moved = {**row, "due_at": "2026-01-01T00:10:00.000Z"}
    assert entries(OUTBOX, None, row) == {"due": 1}
    assert entries(OUTBOX, row, moved) == {"due": 2}
    assert entries(OUTBOX, row, {**row, "status": "SENDING"}) == {}
    assert entries(OUTBOX, row, None) == {"due": 1}


def test_units_are_started_kilobytes():
    """A write of 1,025 bytes is two units, four in a transaction; a read of 4,097 bytes two, or one."""
    meter = Meter()
    meter.write("one", 1025)
    meter.transact("two", [1025], {"due": 1})
    meter.read("three", 4097)
    meter.read("four", 4097, consistent=False)
    assert dict(meter.units) == {"write one": 2, "write two": 5, "read three": 2, "read four": 1}


def test_bookings_that_come_seldom_all_succeed():
    """Ten invocations a second find the limiter's one item free often enough, and no try is in vain for long."""
    found = backlog_limits.booked(10)
    assert found["given_up"] == 0
    assert found["p99_seconds"] < 1


def test_fifty_bookings_a_second_all_succeed():
    """Whoever met another one at the item looks at it anew, and gets its slot."""
    assert backlog_limits.booked(50)["given_up"] == 0


def test_dispatch_with_nothing_to_do_reads_its_lanes_and_ends():
    """An idle run costs some twenty read units, the lease, and a fifth of a second."""
    idle = backlog_limits.idle(minutes=2)
    assert idle["read_units"] <= 25
    assert idle["write_units"] <= 4
    assert idle["seconds"] < 1


def test_every_part_of_the_shards_is_looked_at(monkeypatch):
    """A row that is due goes within minutes, whichever dispatcher's part it lies in, and if it is the only one."""
    structlog.configure(processors=[quiet])
    world = World()
    service = Service(world, monkeypatch, rate=Rate(500, 5), dispatchers=2)
    mail_id = next(each for each in map(str, range(100)) if places.lane(each, urgent=False) == "normal-1")
    row = transitions.new(make_mail(), mail_id, Stamp(world() - timedelta(hours=1), "test"), bulk=True)
    service.store.begin(row, {mail_id: row["lane"]})
    world.start(0.0, service.schedule)
    world.run(until=lambda: bool(service.calls[False]) or world.seconds > 600)
    assert service.calls[False]

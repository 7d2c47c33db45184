"""The page is made of the figures, of nothing else, and says so when one is missing."""

import copy

import pytest

from tests.bench import paper, paper_counted, paper_dollars, paper_figures, paper_limits
from tests.bench.paper_prices import EAST, PRICES, SOURCES, TOKYO
from tests.bench.paper_text import Figures, dollars, number, share

ROOT = paper.PAPER.parents[2]


def units(writes_kb: float, size: int, text: int) -> dict:
    """Make the units of one mail as the benchmark writes them."""
    settle = {"history": 2 * writes_kb, "outbox": 2 * writes_kb, "outbox/due": 1.0}
    settle |= {f"history/{index}": 1.0 for index in ("by_delivery", "by_recipient", "by_day")}
    write_units = {
        "enqueue": {"outbox": writes_kb, "outbox/due": 1.0},
        "claim": {"outbox": writes_kb},
        "settle": settle,
    }
    writes = sum(sum(step.values()) for step in write_units.values())
    sizes = {"text_bytes": text, "row_bytes": size - 200, "history_bytes": size}
    return {**sizes, "writes": writes, "reads": 2.0, "write_units": write_units}


def cell(batch: int, latency: int, seconds: float) -> dict:
    """Make a cell of the times of deliver."""
    return {"batch": batch, "latency_ms": latency, "seconds": seconds}


def line(per_minute: int, dispatchers: int) -> dict:
    """Make the figures of a backlog."""
    tenth = {"write_units": 11.4, "read_units": 6.7, "invocations": 0.02, "function_seconds": 0.15}
    return {
        "mails": 1000,
        "per_minute": per_minute,
        "burst": 5,
        "dispatchers": dispatchers,
        "left": 0,
        "urgent": 20,
        "hours": 2.1,
        "ideal_hours": 2.0,
        "slots_hours": 2.05,
        "share_of_the_rate": 0.95,
        "busiest_minute": 495,
        "urgent_p50_seconds": 2.0,
        "urgent_p99_seconds": 3.2,
        "urgent_longest_seconds": 3.4,
        "invocations": {"deliver": 15, "dispatch": 9},
        "function_seconds": {"deliver": 30, "dispatch": 124},
        "writes": {"pending": 20, "sending": 1020, "sent": 1020},
        "reads": {"row": 1000},
        "index_entries": {"due": 3040},
        "used": {**{name: n * 1020 for name, n in tenth.items()}, "mails": 1020},
        "first_tenth": tenth,
        "last_tenth": tenth,
    }


FOUND = {
    "machine": {"processors": 2, "architecture": "x86_64", "python": "CPython 3.13.1"},
    "measures": {
        "units": {
            "row_1kb": units(1.0, 1000, 400),
            "text_1kb": units(2.0, 1600, 1024),
            "row_20kb": units(20.0, 20_400, 19_800),
            "text_20kb": units(21.0, 21_000, 20_480),
            "with_key_more": 3.0,
            "shared": {
                "writes": {"book": {"control": 1.0}},
                "reads": {"book": {"control": 1.0}, "switch": {"control": 1.0}},
            },
        },
        "sending": {
            "threads": 20,
            "matrix": [cell(10, 100, 0.12), cell(100, 100, 0.55), cell(100, 500, 2.6)],
            "with_sdk": [cell(100, 20, 0.3), cell(100, 100, 0.66)],
        },
        "imports": {"cold_start_ms": {"deliver": 500.0}},
    },
    "backlog": {"default": line(500, 1), "faster": line(10_000, 4)},
    "limits": {
        "api_ms": 100,
        "table_ms": 5,
        "idle": {"seconds": 0.19, "write_units": 3.0, "read_units": 20.0},
        "dispatchers": [{"dispatchers": n, "mails_a_minute": 8000 * n, "lost_bookings": 0.0} for n in (1, 8)],
        "bookings": [
            {"wanted_a_second": n, "booked_a_second": n, "p99_seconds": 0.1, "lost_tries": 0.1, "given_up": given_up}
            for n, given_up in ((10, 0.0), (50, 0.0), (100, 0.02))
        ],
    },
    "counted": {
        "template": {
            "alarms": 13,
            "memory_mb": 1769,
            "batch_size": 100,
            "parallelization": 4,
            "dispatchers_most": 8,
            "history_days": 400,
            "log_days": 30,
        },
        "log_bytes": {"1": 412.0, "10": 310.0, "100": 301.0},
        "log_bytes_idle_dispatch": 102,
        "log_bytes_platform": 270,
        "request_bytes": {"row_1kb": 900, "text_1kb": 1500, "row_20kb": 20_400, "text_20kb": 21_000},
        "index_bytes": {"due": 70, "by_delivery": 49, "by_recipient": 89, "by_day": 78},
        "file_calls": {"put": 1, "keep": 1, "get": 1, "delete": 1},
        "one": {"api_ms": 100, "seconds": 0.12},
    },
}
FIGURES = Figures(FOUND)


def limit(what: str) -> paper_limits.Limit:
    """Find a limit by its name."""
    return next(each for each in paper_limits.limits(FIGURES) if each.what == what)


def test_the_page_is_made_of_what_was_measured():
    """The page beside the figures says what they say."""
    assert paper.PAPER.read_text(encoding="utf-8") == paper.render(paper_figures.load())


def test_the_readme_leads_to_it():
    """Whoever reads the README finds the page."""
    assert "(tests/bench/PAPER.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "measures.units.row_20kb.writes",
        "measures.imports.cold_start_ms.deliver",
        "backlog.default.urgent_p99_seconds",
        "limits.idle.seconds",
        "counted.log_bytes.10",
    ],
)
def test_a_missing_figure_is_named(name):
    """A figure that is not there is an error with its whole name, and the command that writes it."""
    found = copy.deepcopy(FOUND)
    *way, last = name.split(".")
    place = found
    for step in way:
        place = place[step]
    del place[last]
    with pytest.raises(KeyError, match=rf"no {name.replace('.', '[.]')}; it is written by: python -m tests[.]bench"):
        paper.render(found)


def test_a_missing_batch_is_named():
    """So is the time of a batch that was not measured."""
    found = copy.deepcopy(FOUND)
    del found["measures"]["sending"]["matrix"][2]
    with pytest.raises(KeyError, match=r"measures[.]sending[.]matrix"):
        paper.render(found)


def test_it_reads_what_is_counted_for_it(monkeypatch):
    """What is counted for the page fits it, and says of a file what the code does with it."""
    monkeypatch.setattr(paper_counted, "_one", lambda _latency: 0.12)
    counted = paper_counted.measure()
    assert counted["file_calls"] == {"put": 1, "keep": 1, "get": 1, "delete": 1}
    assert counted["request_bytes"]["text_1kb"] > 1024
    assert counted["log_bytes"]["100"] < counted["log_bytes"]["1"]
    assert paper.render({**FOUND, "counted": counted})


def test_writes_are_paid_by_the_unit():
    """Eleven units and a tenth of a booking cost 11.1 times the price of a million."""
    writes = paper_dollars.sending(FIGURES, "row_1kb")[0]
    assert writes.amount == pytest.approx(11.1)
    assert writes.cost(EAST) == pytest.approx(11.1 * 0.625)
    assert writes.cost(TOKYO) == pytest.approx(11.1 * 0.715)


def test_functions_are_paid_by_memory_and_time():
    """A hundred thousand batches of ten, 0.12 s each, with 1,769 MB."""
    seconds = paper_dollars.sending(FIGURES, "row_1kb")[4]
    assert seconds.amount == pytest.approx(100_000 * 0.12 * 1769 / 1024)


def test_history_is_paid_as_long_as_it_is_kept():
    """The row, its three index entries and their overhead, for 400 days; recovery for the row alone."""
    stored, recovery = paper_dollars.keeping(FIGURES, "row_1kb")
    assert recovery.amount == pytest.approx(1.1 * 400 / 30.4)
    assert stored.amount == pytest.approx((1.1 + 0.149 + 0.189 + 0.178) * 400 / 30.4)


def test_a_limit_is_told_as_its_part_that_is_used():
    """Eight shards take 8,000 writes a second, two a mail: 240,000 mails a minute."""
    due = limit("index `due`, sent at once")
    assert due.mails == pytest.approx(240_000)
    assert [due.used(rate) for rate in paper_limits.RATES] == ["under 1 %", "4 %", "**4.2 ×**"]


def test_rows_that_wait_are_written_twice_more_in_their_index():
    """Enqueued, moved by the claim and sent: four writes of the index `due`."""
    assert paper_limits.due(FIGURES) == pytest.approx(4.0)


def test_only_bookings_that_succeed_count():
    """The limiter takes as many as came without one being given up."""
    assert paper_limits.bookings(FIGURES) == 50
    assert limit("limiter: bookings on one item, batches of 10").mails == pytest.approx(50 * 10 * 60)


def test_every_price_and_limit_names_a_source_that_is_listed():
    """Nothing is cited that the page does not list."""
    page = paper.render(FOUND)
    assert all(name in SOURCES for price in PRICES.values() for name in price.sources)
    assert all(f"{place}. {source}" in page for place, source in enumerate(SOURCES.values(), 1))


def test_numbers_are_written_to_be_read():
    """Thousands are set apart, small ones keep three digits, and cents that are none are not shown as nothing."""
    assert [number(each) for each in (0, 0.0438, 1, 12.34, 125_100_000)] == ["0", "0.0438", "1", "12.3", "125,100,000"]
    assert [dollars(each) for each in (0, 0.0002, 1234.5)] == ["$0.00", "$0.0002", "$1,234.50"]
    assert [share(each) for each in (0.004, 0.83, 12.4)] == ["under 1 %", "83 %", "**12 ×**"]

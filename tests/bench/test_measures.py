"""Each benchmark in small: that it works, and measures what it says. No time is held to a goal here."""

import pytest

from outbox.core.change import Expect, Patch
from tests.bench import client, due, emulated, imports, latency, memory, overhead, profiled, rig, sending, units
from tests.bench import wired as wired_to
from tests.bench.effort import Effort

QUICK = Effort(runs=1, quick=True)


def test_the_limit_is_rounds_of_calls_or_what_the_api_takes():
    """Five rounds of twenty calls, or so many calls at the API's rate, and one call of a table."""
    assert sending.limit(100, 0.1, rate=10_000) == pytest.approx(0.5 + 0.004)
    assert sending.limit(101, 0.1, rate=10_000) == pytest.approx(0.6 + 0.004)
    assert sending.limit(100, 0.1, rate=50) == pytest.approx(2 + 0.004)


def test_sending_measures_both_handlers_beside_the_limit():
    """Every cell is above its limit, and the plain handler takes at least a call after the other."""
    measured = sending.measure(QUICK)
    assert [(cell["batch"], cell["latency_ms"]) for cell in measured["matrix"]] == [(10, 20)]
    assert all(cell["times_the_limit"] > 1 for cell in measured["matrix"])
    assert measured["plain"]["plain_seconds"] >= 10 * (0.02 + 2 * 0.004)


def test_tables_that_take_their_time_do_so_for_every_call():
    """What stands for DynamoDB is as slow as it is told, and otherwise the memory store."""
    rows = rig.rows_of(rig.mails_of(3))
    tables = rig.Tables.memory(rig.in_memory(rows)).taking(0.01)
    began = sending.time.perf_counter()
    assert [tables.store.get(row["id"]) for row in rows] == rows
    assert sending.time.perf_counter() - began >= 0.03


@pytest.mark.stack
def test_deliver_works_on_the_embedded_aws():
    """The figure beside the matrix is of a batch that was sent."""
    assert emulated.measure(QUICK)["seconds"] > 0.1


@pytest.mark.stack
def test_client_measures_three_ways_in_turn():
    """Enqueue, a bare put of the same client and one of plain boto3; entries, with a key and without."""
    measured = client.measure(QUICK)
    assert all(measured[name] > 0 for name in ("enqueue_ms", "bare_ms", "plain_boto3_ms", "ratio", "entries_us"))


@pytest.mark.stack
def test_units_are_those_that_the_guide_adds_up_to():
    """By hand: put 1 + 1; claim 1; history 2 and three indexes; delete 2 + 1. Twice the row is twice its writes."""
    measured = units.measure(QUICK)
    small, text = measured["row_1kb"], measured["text_1kb"]
    assert (small["history_bytes"] <= 1024, text["text_bytes"]) == (True, 1024)
    assert small["write_units"] == {
        "enqueue": {"outbox": 1, "outbox/due": 1},
        "claim": {"outbox": 1},
        "settle": {
            "history": 2,
            "history/by_delivery": 1,
            "history/by_recipient": 1,
            "history/by_day": 1,
            "outbox": 2,
            "outbox/due": 1,
        },
    }
    assert (small["writes"], text["writes"], small["reads"]) == (11, 11 + 6, 2)
    # The put costs twice, and so does the look whether history has the key.
    assert measured["with_key_more"] == 3
    assert 20 * 1024 - 100 < measured["row_20kb"]["history_bytes"] <= 20 * 1024


@pytest.mark.stack
def test_dispatch_reads_the_same_whatever_else_is_in_the_table():
    """Twice the rows, and a look reads no more than what is due; how many looks there are is the machine's business."""
    small, large = due.measure(QUICK)["tables"]
    assert (small["rows"], large["rows"]) == (100, 200)
    # A lease that is renewed on the way is a read more.
    assert small["row_units"] == pytest.approx(large["row_units"], abs=5)
    for each in (small, large):
        # Each look is at the eight lanes of bulk, or of urgent mail; it sees what is due or just being sent.
        looks, rest = divmod(each["queries"], 8)
        assert rest == 0
        assert 5 <= each["entries"] <= 5 * looks
        assert each["index_units"] == each["queries"] / 2
    assert large["scan_units"] > small["scan_units"]


def test_imports_are_measured_with_what_they_build():
    """A cold start is more than its import."""
    measured = imports.measure(QUICK)
    assert measured["ratio"]["boto3"] == 1
    assert all(measured["cold_start_ms"][name] > ms for name, ms in measured["import_ms"].items())


def test_overhead_is_that_of_a_batch_that_was_sent():
    """With the threads of a function, with one, and with threads that may run everywhere."""
    measured = overhead.measure(QUICK)
    assert 0 < measured["least_us"] <= measured["us"]
    assert 0 < measured["everywhere_us"] < 100_000
    assert 0 < measured["us"] < 100_000
    assert 0 < measured["one_thread_us"] < 100_000


@pytest.mark.stack
def test_memory_is_that_of_a_process_of_its_own():
    """More than Python with the SDK, and more at its end than at its start."""
    measured = memory.measure(QUICK)
    assert 20 < measured["imported_mb"] <= measured["event_read_mb"] < measured["peak_mb"] < 500


@pytest.mark.stack
def test_latency_is_from_the_row_to_the_call():
    """With the first row apart; the call may come before `enqueue` has returned, so a difference may be below zero."""
    measured = latency.measure(QUICK)
    assert -latency.LONGEST < measured["median_seconds"] <= measured["longest_seconds"] < latency.LONGEST


def code_of(path, line):
    """Make a function that stands in a file of its own, as far as a profile sees."""
    names = {"sleep": sending.time.sleep}
    exec(compile(f"def run():\n    {line}\n", path, "exec"), names)
    return names["run"]


def test_a_profile_shares_out_what_is_worked_and_not_what_is_waited():
    """What is built in counts for its caller, waiting for nobody; all shares are one."""
    waits, works = code_of("/one/waits.py", "sleep(0.3)"), code_of("/two/works.py", "sum(range(3_000_000))")
    shares = profiled.shares(lambda: [waits(), works()], {"one": ("/one/",), "two": ("/two/",)})
    assert sum(shares.values()) == pytest.approx(1, abs=0.03)
    assert shares["two"] > 0.9
    assert shares.get("one", 0) < 0.1


def test_the_wire_answers_what_deliver_asks_of_its_tables():
    """A write gives the row as it is then; each mail takes three calls, each of them some time."""
    rows, wired = rig.rows_of(rig.mails_of(2)), wired_to.Wired(0.01)
    tables, began = wired.tables(rows), sending.time.perf_counter()
    assert tables.store.update(rows[0]["id"], Expect({"revision": 1}), Patch({"note": "seen"})) == {
        **rows[0],
        "note": "seen",
    }
    assert tables.checks.look(rows[0]["id"], ["taro@example.com"]) == (None, {})
    assert sending.time.perf_counter() - began >= 0.02
    assert wired.calls == {"UpdateItem": 1, "BatchGetItem": 1}

"""The second half of the page: how many mails a minute each part takes, and what moves that."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from outbox.core.places import SHARDS
from outbox.flows.switch import BELIEVED
from tests.bench import paper_prices as cited
from tests.bench.paper_dollars import API_MS, BATCH, seconds
from tests.bench.paper_prices import note
from tests.bench.paper_text import Figures, number, prose, share, table

RATES = (500, 10_000, 1_000_000)
# Of the bookings that may be given up for a rate of them to count as one the item takes.
FEW = 0.001
FAST_MS, SLOW_MS = 20, 500


@dataclass(frozen=True, slots=True)
class Limit:
    """A part of the service, and the mails a minute at which it is full; None for what the settings say."""

    what: str
    mails: float | None
    how: str
    moved_by: str

    def used(self, rate: int) -> str:
        """Say how much of it a rate uses."""
        return "set" if self.mails is None else share(rate / self.mails)


def limits(figures: Figures) -> list[Limit]:
    """Give all limits, in the order of a mail's way."""
    return [*_rate(figures), *_tables(figures), *_indexes(figures), *_functions(figures), *_dispatch(figures)]


def bookings(figures: Figures) -> float:
    """Give the bookings a second of which (nearly) all succeed."""
    clean = [each["wanted_a_second"] for each in figures["limits"]["bookings"] if each["given_up"] <= FEW]
    return float(max(clean))


def _rate(figures: Figures) -> Iterator[Limit]:
    yield Limit("the mail API's own rate", None, "the contract", "`RatePerMinute`, `RateBurst`")
    clean = bookings(figures)
    for batch in (BATCH, figures["counted"]["template"]["batch_size"]):
        yield Limit(
            f"limiter: bookings on one item, batches of {batch}",
            clean * batch * 60,
            f"{clean:g} bookings a second, of which (nearly) none is given up, on the fake clock at"
            f" {figures['limits']['table_ms']} ms a call; one a batch",
            "larger batches (`MaximumBatchingWindowInSeconds`); then several items, each with its part of the rate",
        )
    yield Limit(
        f"limiter: writes of one item, batches of {BATCH}",
        cited.PARTITION_WRITES / sum(figures["measures"]["units"]["shared"]["writes"]["book"].values()) * BATCH * 60,
        f"{cited.PARTITION_WRITES:,} write units a second for a partition {note('partition')}",
        "the same; lost tries are paid, too",
    )
    looks = max(1.0, seconds(figures, BATCH) / BELIEVED.total_seconds())
    yield Limit(
        f"switch: reads of one item, batches of {BATCH}",
        cited.PARTITION_READS / looks * BATCH * 60,
        f"{cited.PARTITION_READS:,} read units a second {note('partition')}, one a batch, or in"
        f" {BELIEVED.total_seconds():g} s of a long one",
        "larger batches",
    )


def _tables(figures: Figures) -> Iterator[Limit]:
    for case, size in (("row_1kb", "1 KB"), ("row_20kb", "20 KB")):
        units = _written(figures, case, "outbox")
        yield Limit(
            f"outbox, rows of {size}: a new table",
            cited.NEW_TABLE_WRITES / units * 60,
            f"{cited.NEW_TABLE_WRITES:,} write units a second on its first day {note('partition')}, {units:g} a mail",
            "it grows by itself, to twice its last peak within half an hour; or warm throughput set before",
        )
        yield Limit(
            f"outbox, rows of {size}: the account's quota",
            cited.TABLE_WRITES / units * 60,
            f"{cited.TABLE_WRITES:,} write units a second {note('quota')}, {units:g} a mail",
            "Service Quotas",
        )


def _indexes(figures: Figures) -> Iterator[Limit]:
    total = SHARDS * cited.PARTITION_WRITES
    told = f"{SHARDS} shards × {cited.PARTITION_WRITES:,} write units a second {note('partition', 'gsi')}"
    for way, units in (
        ("sent at once", _written(figures, "row_1kb", "outbox/due")),
        ("through a backlog", due(figures)),
    ):
        yield Limit(f"index `due`, {way}", total / units * 60, f"{told}, {units:.3g} a mail", "`SHARDS`")
    days = _written(figures, "row_1kb", "history/by_day")
    yield Limit("index `by_day`", total / days * 60, f"{told}, {days:g} a mail", "`SHARDS`")
    yield Limit(
        "index `problems`: mails that fail",
        cited.PARTITION_WRITES * 60,
        prose(
            f"one partition a status, {cited.PARTITION_WRITES:,} write units a second {note('partition', 'gsi')},",
            "one a mail whose addresses, subject and reason fit in 1 KB",
        ),
        "a shard in its key",
    )
    yield Limit(
        "indexes `by_recipient`, `by_delivery`: mails to one address",
        cited.PARTITION_WRITES / _written(figures, "row_1kb", "history/by_recipient") * 60,
        f"{cited.PARTITION_WRITES:,} write units a second for one key {note('partition')}; many keys have no bound",
        "nothing; no address should get that many",
    )


def _functions(figures: Figures) -> Iterator[Limit]:
    template = figures["counted"]["template"]
    most, parallel = template["batch_size"], template["parallelization"]
    shards = cited.NEW_TABLE_WRITES // cited.PARTITION_WRITES
    for factor in (parallel, cited.MOST_PARALLEL):
        yield Limit(
            f"stream: {shards} shards, {factor} batches of {most} at once in each",
            shards * factor * most / seconds(figures, most) * 60,
            f"a shard a partition of the table, {shards} in a new one (inferred); {number(seconds(figures, most))} s a"
            f" batch, measured at {API_MS} ms {note('mapping')}",
            f"`ParallelizationFactor` (up to {cited.MOST_PARALLEL}); shards come with partitions",
        )
    for batch, latency in ((BATCH, API_MS), (most, API_MS), (most, SLOW_MS)):
        took = seconds(figures, batch, latency)
        yield Limit(
            f"copies of deliver, batches of {batch}, API at {latency} ms",
            cited.CONCURRENCY * batch / took * 60,
            prose(
                f"{cited.CONCURRENCY:,} at once in an account {note('lambda')}, {number(took)} s a batch, measured",
                f"with {figures['measures']['sending']['threads']} threads in each",
            ),
            "Service Quotas; `DeliverConcurrency` bounds it; `OUTBOX_THREADS` for large batches",
        )
    yield Limit(
        "bucket: mails with a file",
        cited.PUTS / figures["counted"]["file_calls"]["put"] * 60,
        f"{cited.PUTS:,} puts a second for a prefix {note('s3')}, {figures['counted']['file_calls']['put']} a file",
        "S3 divides prefixes by itself, in time",
    )


def _dispatch(figures: Figures) -> Iterator[Limit]:
    for dispatchers in (1, figures["counted"]["template"]["dispatchers_most"]):
        found = figures["limits"].one("dispatchers", dispatchers=dispatchers)
        yield Limit(
            f"dispatch, `Dispatchers` {dispatchers}: mails that wait",
            found["mails_a_minute"],
            f"on the fake clock, where code takes no time: API at {figures['limits']['api_ms']} ms, tables at"
            f" {figures['limits']['table_ms']} ms",
            f"`OUTBOX_THREADS`, as far as the processor goes (below); `Dispatchers` (up to {SHARDS}, one a shard);"
            " then `SHARDS`",
        )
    busy = figures["measures"]["sending"].one("with_sdk", latency_ms=FAST_MS)
    yield Limit(
        "one worker's processor, whatever its threads",
        busy["batch"] / busy["seconds"] * 60,
        f"measured with the SDK's own work, {number(busy['seconds'])} s for a batch of {busy['batch']} at an API of"
        f" {FAST_MS} ms, on {figures['machine']['architecture']}",
        "more workers: `Dispatchers`, `ParallelizationFactor`",
    )


def _written(figures: Figures, case: str, place: str) -> float:
    steps = figures["measures"]["units"][case]["write_units"]
    return float(sum(step.get(place, 0) for step in steps.values()))


def due(figures: Figures) -> float:
    """Give the writes of the index `due` of a bulk mail that waits: enqueued, claimed, sent."""
    drained, units = figures["backlog"]["default"], figures["measures"]["units"]["row_1kb"]["write_units"]
    direct = _written(figures, "row_1kb", "outbox/due")
    of_bulk = drained["index_entries"]["due"] - direct * drained["urgent"]
    return float(of_bulk / drained["mails"] + units["enqueue"]["outbox/due"])


def told(figures: Figures) -> str:
    """Write the table of limits."""
    head = ["limit", "mails a minute", *(f"at {rate:,}" for rate in RATES), "how that comes", "what moves it"]
    rows = (
        [
            limit.what,
            "" if limit.mails is None else number(limit.mails),
            *(limit.used(rate) for rate in RATES),
            limit.how,
            limit.moved_by,
        ]
        for limit in limits(figures)
    )
    return table(head, rows)


def in_words(figures: Figures) -> str:
    """Say for each rate what it exceeds, and what it is nearest to."""
    lines = []
    for rate in RATES:
        bounded = sorted((limit for limit in limits(figures) if limit.mails), key=lambda limit: limit.mails or 0)
        over = [limit for limit in bounded if limit.mails and rate > limit.mails]
        nearest = next(limit for limit in bounded if limit not in over)
        begin = f"over {'; '.join(_over(over, rate))}. Next" if over else "next"
        lines.append(f"- **{rate:,} a minute**: {begin} is {nearest.what}: {nearest.used(rate)} used.")
    return "\n".join(lines)


def _over(over: list[Limit], rate: int) -> list[str]:
    return [f"{limit.what} ({number(rate / (limit.mails or 1), 2)} ×)" for limit in over]


def changes(figures: Figures) -> str:
    """Say what a million a minute would need, computed from the same figures."""
    a_second, most = RATES[-1] / 60, figures["counted"]["template"]["batch_size"]
    return "\n".join([_shards(figures, a_second), *_items(figures, a_second, most), _copies(figures, a_second, most)])


def _shards(figures: Figures, a_second: float) -> str:
    def needed(units: float) -> int:
        return math.ceil(a_second * units / cited.PARTITION_WRITES)

    direct, days = (_written(figures, "row_1kb", place) for place in ("outbox/due", "history/by_day"))
    return prose(
        f"- **`SHARDS`** ({SHARDS} today): {needed(direct)} for mails sent at once, {needed(due(figures))} if all",
        f"wait, {needed(days)} for `by_day`; and {needed(1)} in the key of `problems`, should every mail fail:",
        "an index that cannot keep up slows down the writes to the outbox, those of mails that are sent too",
        f"{note('gsi')}. They are part of the keys of rows already written: readers must know both numbers until those",
        "are gone.",
    )


def _items(figures: Figures, a_second: float, most: int) -> Iterator[str]:
    few, many = (math.ceil(a_second / batch / bookings(figures)) for batch in (most, BATCH))
    yield prose(
        f"- **The limiter's item**: {few} items for batches of {most}, {many} for batches of {BATCH}, each with its",
        "part of the rate; a worker asks any of them, and another when that one is full.",
    )
    one = figures["limits"].one("dispatchers", dispatchers=1)["mails_a_minute"]
    yield prose(
        f"- **Dispatch**: {math.ceil(a_second * 60 / one)} dispatchers to send a backlog at the full rate. Each has",
        f"its part of the shards: at most {figures['counted']['template']['dispatchers_most']} today. Or rows that",
        "wait are handed to deliver in batches, instead of being sent by dispatch itself.",
    )


def _copies(figures: Figures, a_second: float, most: int) -> str:
    parallel = figures["counted"]["template"]["parallelization"]
    few, many = (math.ceil(a_second / batch * seconds(figures, batch)) for batch in (most, BATCH))
    return prose(
        f"- **Deliver**: {few:,} copies at once for batches of {most}, {many:,} for batches of {BATCH}; at",
        f"`ParallelizationFactor` {parallel} the stream has to have {math.ceil(few / parallel)} shards, one for each",
        "partition of the table. To settle in batches would save round trips and no units: a transaction is paid by",
        "the item.",
    )

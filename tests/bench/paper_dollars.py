"""The first half of the page: what a million mails cost, line by line, and what nothing costs."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from tests.bench.paper_prices import ITEM_OVERHEAD, PRICES, REGIONS, note
from tests.bench.paper_text import Figures, dollars, number, table

MILLION, KB, GB = 1_000_000, 1024, 1_000_000_000
CASES = {"row_1kb": "1 KB", "row_20kb": "20 KB"}
# The batch of the table; what other batches change is told beside.
BATCH, API_MS = 10, 100
MONTH_DAYS = 30.4
RUNS_A_MONTH = round(MONTH_DAYS * 24 * 60)
FILE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """Something that is paid for: how much of it, in the unit of its price."""

    what: str
    price: str
    amount: float

    def cost(self, region: str) -> float:
        """Give what it costs."""
        return self.amount * PRICES[self.price].of(region)


def seconds(figures: Figures, batch: int, latency: int = API_MS) -> float:
    """Give the measured time of a batch."""
    if batch == 1:
        return float(figures["counted"]["one"]["seconds"])
    return float(figures["measures"]["sending"].one("matrix", batch=batch, latency_ms=latency)["seconds"])


def sending(figures: Figures, case: str, batch: int = BATCH) -> list[Line]:
    """Give what it takes to send a million mails that come in batches."""
    units, counted = figures["measures"]["units"], figures["counted"]
    took, invocations = seconds(figures, batch), MILLION / batch
    shared = units["shared"]
    booked_writes, booked_reads, looked = (
        sum(part.values()) for part in (shared["writes"]["book"], shared["reads"]["book"], shared["reads"]["switch"])
    )
    # A copy looks at the switch as it begins a batch and every two seconds, and at the secret every five minutes.
    reads = units[case]["reads"] + (booked_reads + looked * max(1.0, took / 2)) / batch
    logged = (counted["log_bytes"][str(batch)] * batch + counted["log_bytes_platform"]) * invocations / GB
    return [
        Line("DynamoDB: write units", "write", units[case]["writes"] + booked_writes / batch),
        Line("DynamoDB: read units", "read", reads),
        Line("DynamoDB Streams: reads", "stream", 0),
        Line("Lambda: requests", "request", invocations / MILLION),
        Line("Lambda: GB-seconds", "gb_second", invocations * took * gigabytes(figures)),
        Line("Logs: taken in, GB", "log", logged),
        Line("Logs: stored, GB-months", "log_stored", logged * counted["template"]["log_days"] / MONTH_DAYS),
        Line("To the mail API, GB", "out", counted["request_bytes"][case] * MILLION / GB),
        Line("Secrets Manager: calls", "secret_call", invocations * took / 300 / MILLION),
    ]


def keeping(figures: Figures, case: str, *, without: float = 0, days: float | None = None) -> list[Line]:
    """Give what it takes to keep a million mails in history; `without` so many bytes of each."""
    counted, size = figures["counted"], figures["measures"]["units"][case]["history_bytes"] - without
    entries = [size for name, size in counted["index_bytes"].items() if name != "due"]
    months = (days or counted["template"]["history_days"]) / MONTH_DAYS
    row = (size + ITEM_OVERHEAD) * MILLION / GB
    indexes = sum(entry + ITEM_OVERHEAD for entry in entries) * MILLION / GB
    return [
        Line("History: storage, GB-months", "stored", (row + indexes) * months),
        Line("History: point-in-time recovery, GB-months", "pitr", row * months),
    ]


def gigabytes(figures: Figures) -> float:
    """Give the memory of deliver and dispatch in GB, as it is billed."""
    return float(figures["counted"]["template"]["memory_mb"]) / KB


def cost(lines: list[Line], region: str) -> float:
    """Add up."""
    return sum(line.cost(region) for line in lines)


def a_million(figures: Figures) -> str:
    """Write the table of a million mails."""
    head = ["a million mails", *(f"{size}: {what}" for size in CASES.values() for what in ("how much", *REGIONS))]
    parts = {case: (sending(figures, case), keeping(figures, case)) for case in CASES}
    rows = list(_rows([parts[case][0] for case in CASES]))
    rows.append(_sum("sent", [parts[case][0] for case in CASES]))
    rows += _rows([parts[case][1] for case in CASES])
    rows.append(_sum("kept", [parts[case][1] for case in CASES]))
    rows.append(_sum("in all", [[*parts[case][0], *parts[case][1]] for case in CASES]))
    return table(head, rows)


def _rows(columns: list[list[Line]]) -> Iterator[list[str]]:
    for lines in zip(*columns, strict=True):
        cells = [[_amount(line), *(dollars(line.cost(region)) for region in REGIONS)] for line in lines]
        yield [f"{lines[0].what} {note(*PRICES[lines[0].price].sources)}", *chain(*cells)]


def _amount(line: Line) -> str:
    millions = PRICES[line.price].unit == "a million"
    return number(line.amount * (MILLION if millions else 1))


def _sum(what: str, columns: list[list[Line]]) -> list[str]:
    cells = [["", *(f"**{dollars(cost(lines, region))}**" for region in REGIONS)] for lines in columns]
    return [f"**{what}**", *chain(*cells)]


def otherwise(figures: Figures) -> str:
    """Write what changes when mails come otherwise, are larger, or are kept otherwise."""
    rows = [[what, *(_change(more, region) for region in REGIONS)] for what, more in _changes(figures)]
    return table(["a million mails more or less", *REGIONS], rows)


def _change(lines: list[Line], region: str) -> str:
    change = cost(lines, region)
    return ("+ " if change >= 0 else "− ") + dollars(abs(change))


def _changes(figures: Figures) -> Iterator[tuple[str, list[Line]]]:
    units = figures["measures"]["units"]
    usual = sending(figures, "row_1kb")
    for batch in (1, 100):
        yield f"they come in batches of {batch} instead of {BATCH}", _less(sending(figures, "row_1kb", batch), usual)
    yield "with an idempotency key", [Line("", "write", units["with_key_more"])]
    for case, size in (("text_1kb", "1 KB"), ("text_20kb", "20 KB")):
        other = case.replace("text", "row")
        more = _less(sending(figures, case), sending(figures, other))
        more += _less(keeping(figures, case), keeping(figures, other))
        yield f"the text alone has {size}, not the whole row", more
    yield "through a backlog instead of at once, 1 KB", _less(waited(figures), usual)
    yield "each with one file of 100 KB (a text over 256 KB is kept as one)", _file(figures)
    bodies = units["row_20kb"]["text_bytes"]
    fewer = [Line("", "write", -2 * (_kb(units["row_20kb"]["history_bytes"]) - _kb(_bare(figures, bodies))))]
    fewer += _less(keeping(figures, "row_20kb", without=bodies), keeping(figures, "row_20kb"))
    yield "20 KB with `HistoryBodies=false`: texts are not kept", fewer
    short = _less(keeping(figures, "row_20kb", days=90), keeping(figures, "row_20kb"))
    yield "20 KB with `HistoryDays=90`", short


def _less(lines: list[Line], others: list[Line]) -> list[Line]:
    return [*lines, *(Line(line.what, line.price, -line.amount) for line in others)]


def _kb(size: float) -> int:
    return math.ceil(size / KB)


def _bare(figures: Figures, bodies: float) -> float:
    return float(figures["measures"]["units"]["row_20kb"]["history_bytes"] - bodies)


def _file(figures: Figures) -> list[Line]:
    calls, months = figures["counted"]["file_calls"], figures["counted"]["template"]["history_days"] / MONTH_DAYS
    return [
        # What S3 charges for taking a tag off and for deleting is at most this.
        Line("", "put", calls["put"] + calls["keep"] + calls["delete"]),
        Line("", "get", calls["get"]),
        Line("", "s3_stored", FILE_BYTES * MILLION / GB * months),
        Line("", "out", FILE_BYTES * MILLION / GB),
        Line("", "request", 2),
    ]


def waited(figures: Figures, line: str = "default") -> list[Line]:
    """Give what it takes to send a million mails of 1 KB that waited for dispatch, enqueued in bulk."""
    drained, counted = figures["backlog"][line], figures["counted"]
    used, mails = drained["used"], drained["used"]["mails"]
    enqueued = sum(figures["measures"]["units"]["row_1kb"]["write_units"]["enqueue"].values())
    invocations = used["invocations"] / mails
    logged = (counted["log_bytes"]["100"] + invocations * counted["log_bytes_platform"]) * MILLION / GB
    return [
        Line("write units", "write", enqueued + used["write_units"] / mails),
        Line("read units", "read", used["read_units"] / mails),
        Line("requests", "request", invocations),
        Line("GB-seconds", "gb_second", used["function_seconds"] / mails * MILLION * gigabytes(figures)),
        Line("logs", "log", logged),
        Line("logs stored", "log_stored", logged * counted["template"]["log_days"] / MONTH_DAYS),
        Line("to the mail API", "out", counted["request_bytes"]["row_1kb"] * MILLION / GB),
        Line("secret", "secret_call", used["function_seconds"] / mails / 300),
    ]


def a_month(figures: Figures) -> str:
    """Write what a stack costs that sends nothing."""
    lines = [
        Line(f"dispatch, every minute: {RUNS_A_MONTH:,} requests", "request", RUNS_A_MONTH / MILLION),
        *_dispatching(figures),
        Line("EventBridge Scheduler (within its free 14 million)", "schedule", 0),
        Line("the mail API's secret; the webhook's is another", "secret", 1),
        Line("alarms", "alarm", figures["counted"]["template"]["alarms"]),
    ]
    rows = [
        [line.what, f"{number(line.amount)} {PRICES[line.price].unit}", *(dollars(line.cost(r)) for r in REGIONS)]
        for line in lines
    ]
    rows.append(["**in all**", "", *(f"**{dollars(cost(lines, region))}**" for region in REGIONS)])
    return table(["a month in which nothing is sent", "how much", *REGIONS], rows)


def _dispatching(figures: Figures) -> list[Line]:
    idle, counted = figures["limits"]["idle"], figures["counted"]
    logged = RUNS_A_MONTH * (counted["log_bytes_idle_dispatch"] + counted["log_bytes_platform"]) / GB
    return [
        Line("its time", "gb_second", RUNS_A_MONTH * idle["seconds"] * gigabytes(figures)),
        Line("its reads: switch, lease, sixteen lanes twice", "read", RUNS_A_MONTH * idle["read_units"] / MILLION),
        Line("its writes: the lease", "write", RUNS_A_MONTH * idle["write_units"] / MILLION),
        Line("its log lines, with Lambda's own", "log", logged),
    ]


def prices() -> str:
    """Write the table of prices."""
    rows = [
        [price.what, price.unit, f"${price.east:.10g}", f"${price.tokyo:.10g}", note(*price.sources)]
        for price in PRICES.values()
    ]
    return table(["price", "of", *REGIONS, "source"], rows)


def monthly(figures: Figures, rates: Iterable[int]) -> str:
    """Write what a stack costs a month that sends at a rate without a pause, once history is full."""
    per_million = {case: sending(figures, case, 100) + keeping(figures, case) for case in CASES}
    rows = []
    for rate in rates:
        millions = rate * 60 * 24 * MONTH_DAYS / MILLION
        amounts = (dollars(cost(per_million[case], region) * millions) for case in CASES for region in REGIONS)
        rows.append([f"{rate:,} a minute", f"{number(millions)} million", *amounts])
    head = ["all month", "mails", *(f"{size}, {region}" for size in CASES.values() for region in REGIONS)]
    return table(head, rows)

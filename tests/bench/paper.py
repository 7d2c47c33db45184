"""Writes PAPER.md from figures.json: `python -m tests.bench.paper`. What it costs and where it ends, on paper.

Nothing on the page is typed that was measured, and nothing is measured here: a figure that is missing is an error that
says which command writes it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench import paper_dollars, paper_figures, paper_limits
from tests.bench.paper_dollars import API_MS, BATCH, cost
from tests.bench.paper_prices import REGIONS, SOURCES, note
from tests.bench.paper_text import Figures, dollars, number, prose, table

PAPER = Path(__file__).parent / "PAPER.md"
HEAD = "# On paper: what a million mails cost, and where a stack ends"
INTRODUCTION = prose(
    "Made by `python -m tests.bench.paper` from `figures.json` beside it; never run on AWS. Measured are units, times,",
    "bytes and calls, on one machine; what AWS charges and allows is cited, with the date it was read. No tax, no free",
    "tier and no discount is counted. A GB is 10⁹ bytes.",
)


def render(found: Mapping[str, Any]) -> str:
    """Write the page. Raises `KeyError` naming a figure that is missing."""
    figures = Figures(found)
    return (
        "\n\n".join([HEAD, INTRODUCTION, *_dollars(figures), *_backlog(figures), *_limits(figures), *_sources()]) + "\n"
    )


def _dollars(figures: Figures) -> Iterator[str]:
    template = figures["counted"]["template"]
    yield "## Dollars"
    yield prose(
        f"A million mails, each enqueued by itself without a key, sent at once in batches of {BATCH} by an API that",
        f"answers in {API_MS} ms, and kept for {template['history_days']} days with its texts. {_sizes(figures)}",
        f"Functions have {template['memory_mb']:,} MB on arm64; their seconds were measured on {_machine(figures)}.",
    )
    yield paper_dollars.a_million(figures)
    yield _left_out(figures)
    yield paper_dollars.otherwise(figures)
    yield paper_dollars.a_month(figures)
    yield f"A stack that sends all month in batches of 100, once history is full after {template['history_days']} days:"
    yield paper_dollars.monthly(figures, paper_limits.RATES)
    yield paper_dollars.prices()


def _sizes(figures: Figures) -> str:
    units = figures["measures"]["units"]
    told = (
        f"{units[case]['row_bytes']:,} bytes as written and {units[case]['history_bytes']:,} in history ({size})"
        for case, size in paper_dollars.CASES.items()
    )
    return f"Rows have {'; '.join(told)}."


def _left_out(figures: Figures) -> str:
    cold = figures["measures"]["imports"]["cold_start_ms"]["deliver"]
    line = paper_dollars.Line("", "gb_second", cold * paper_dollars.gigabytes(figures))
    return prose(
        f"Not in it: cold starts, {cold:,.0f} ms measured, charged like work (a thousand cost",
        f"{dollars(cost([line], REGIONS[0]))}); the SDK's own work, by which a batch of 100 takes {_more(figures)}",
        "longer;",
        "what the application reads; keep and cleanup, which files alone wake;",
        "bounces; calls of KMS for the key `aws/dynamodb`. Rows expire for nothing.",
    )


def _more(figures: Figures) -> str:
    sending = figures["measures"]["sending"]
    with_sdk, without = (sending.one(name, batch=100, latency_ms=API_MS)["seconds"] for name in ("with_sdk", "matrix"))
    return f"{with_sdk / without - 1:.0%}".replace("%", " %")


def _machine(figures: Figures) -> str:
    machine = figures["machine"]
    return f"{machine['processors']} processors ({machine['architecture']}), {machine['python']}"


def _rate(line: Figures) -> str:
    return f"{line['share_of_the_rate']:.2%}; {line['busiest_minute']:,}"


def _times(line: Figures, ideal: str) -> str:
    return f"{line[ideal]:.2f} h: {line['hours'] / line[ideal]:.3f} times that"


def _both(figures: Figures) -> str:
    return f"{figures['deliver']:,}, {figures['dispatch']:,}"


def _ours(writes: Figures) -> int:
    return int(sum(count for name, count in writes.items() if name != "pending"))


BACKLOG = {
    "rate": lambda line: f"{line['per_minute']:,} a minute, burst {line['burst']}, {line['dispatchers']} dispatching",
    "bulk mails that waited": lambda line: f"{line['mails']:,}",
    "urgent mails that came meanwhile": lambda line: f"{line['urgent']:,}",
    "hours until the last one left": lambda line: f"{line['hours']:.2f}",
    "ideal: all of them at the API's rate": lambda line: _times(line, "ideal_hours"),
    "all of them, a slot each": lambda line: _times(line, "slots_hours"),
    "share of the rate used; most calls in 60 s": _rate,
    "rows left that no dispatcher looked at": lambda line: f"{line['left']:,}",
    "urgent mails waited: median, 99 in 100, longest": lambda line: (
        f"{line['urgent_p50_seconds']:g} s, {line['urgent_p99_seconds']:g} s, {line['urgent_longest_seconds']:g} s"
    ),
    "invocations: deliver, dispatch": lambda line: _both(line["invocations"]),
    "their seconds": lambda line: _both(line["function_seconds"]),
    "writes, write units": lambda line: f"{_ours(line['writes']):,}; {line['used']['write_units']:,.0f}",
    "reads, read units": lambda line: f"{sum(line['reads'].values()):,}; {line['used']['read_units']:,.0f}",
    "units of a mail in the first and the last tenth: write; read": lambda line: (
        f"{line['first_tenth']['write_units']:.2f}, {line['last_tenth']['write_units']:.2f};"
        f" {line['first_tenth']['read_units']:.2f}, {line['last_tenth']['read_units']:.2f}"
    ),
}


def _backlog(figures: Figures) -> Iterator[str]:
    lines = figures["backlog"]
    yield "## A backlog of a million"
    yield prose(
        "On a fake clock: the real flows (dispatch, deliver, limiter, lease, switch, claim, check, settle) for each of",
        "the mails; tables in memory that take 5 ms a call and count units by the developer guide's rules",
        f"{note('units')}; a mail API that takes 0.1 to 0.6 s. Nothing is extrapolated. Code takes no time on that",
        "clock: functions' seconds are those of waiting. Rows are under 1 KB; what it takes to enqueue them is in the",
        "last two lines alone.",
    )
    rows = [[what, *(tell(lines[name]) for name in lines)] for what, tell in BACKLOG.items()]
    for region in REGIONS:
        costs = (dollars(cost(paper_dollars.waited(figures, name), region)) for name in lines)
        rows.append([f"a million such mails of 1 KB, enqueued in bulk and sent, {region}", *costs])
    yield table(["", *lines], rows)


def _limits(figures: Figures) -> Iterator[str]:
    yield "## Where a stack ends"
    yield prose(
        "How many mails a minute each part takes, how much of that a stack uses at three rates, and what moves it; in",
        "bold how many times more is asked of it than it takes. An index key is taken to stay on one partition, as",
        "sort keys here only grow.",
    )
    yield paper_limits.told(figures)
    yield paper_limits.in_words(figures)
    yield _bookings(figures)
    yield "### What would have to change for a million a minute"
    yield paper_limits.changes(figures)


def _bookings(figures: Figures) -> str:
    head = ["bookings a second: wanted", "made", "99 in 100 within", "tries lost to others", "given up"]
    rows = (
        [
            number(each["wanted_a_second"]),
            f"{each['booked_a_second']:g}",
            f"{each['p99_seconds']:g} s",
            f"{each['lost_tries']:.1%}",
            f"{each['given_up']:.2%}",
        ]
        for each in figures["limits"]["bookings"]
    )
    told = prose(
        "The limiter's one item, invocations coming at random, each booking once (fake clock,",
        f"{figures['limits']['table_ms']} ms a call). Mails of a booking that is given up wait for dispatch.",
        "Dispatchers:",
    )
    speeds = ", ".join(
        f"{each['dispatchers']} send {each['mails_a_minute']:,} a minute" for each in figures["limits"]["dispatchers"]
    )
    return f"{told} {speeds}.\n\n{table(head, rows)}"


def _sources() -> Iterator[str]:
    yield "## Sources"
    yield "\n".join(f"{place}. {source}" for place, source in enumerate(SOURCES.values(), 1))


def main() -> None:
    """Write the page."""
    PAPER.write_text(render(paper_figures.load()), encoding="utf-8")


if __name__ == "__main__":
    main()

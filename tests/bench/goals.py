"""The table of goals: what is measured, what it should come to, and what it came to.

`why` says what the profile shows where a goal is missed; it is told only then.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table; without a bound it is only shown."""

    measure: str
    what: str
    value: Callable[[Figures], float]
    unit: str = ""
    most: float | None = None
    least: float | None = None
    why: Callable[[Figures], str] | None = None
    # How a sentence on several goals of one measure calls this one.
    short: str = ""

    @property
    def bound(self) -> str:
        """Say what is asked for."""
        if self.least is not None:
            return f"≥ {self.least:g}{self.unit}"
        return "shown" if self.most is None else f"≤ {self.most:g}{self.unit}"

    def told(self, figures: Figures) -> str:
        """Say what was measured."""
        return f"{self.value(figures):,.4g}{self.unit}"

    def met(self, figures: Figures) -> bool | None:
        """Tell whether it is as asked for; None where nothing is."""
        if self.most is None and self.least is None:
            return None
        value = self.value(figures)
        return value <= self.most if self.most is not None else value >= (self.least or 0)


def _worst(figures: Figures) -> float:
    return float(max(cell["times_the_limit"] for cell in figures["matrix"]))


def _hundred(figures: Figures) -> float:
    cells = [cell for cell in figures["matrix"] if (cell["batch"], cell["latency_ms"]) == (100, 100)]
    return float((cells or figures["matrix"])[0]["times_the_limit"])


def _sdk(latency: int) -> Callable[[Figures], float]:
    def value(figures: Figures) -> float:
        cells = [cell for cell in figures["with_sdk"] if cell["latency_ms"] == latency]
        return float((cells or figures["with_sdk"])[0]["times_the_limit"])

    return value


def _of(*names: str) -> Callable[[Figures], float]:
    def value(figures: Figures) -> float:
        found: Any = figures
        for name in names:
            found = found[name]
        return float(found)

    return value


def _cpu(figures: Figures) -> str:
    return (
        "at 20 ms the tables' three calls a mail, one after the other, take 12 ms more, and the processor's time does "
        f"the rest; a profile shares that out as {_shares(figures)}"
    )


def _row(_figures: Figures) -> str:
    return (
        "with its other attributes such a row has more than 1 KB, so each write of it costs two units, and four within "
        "the transaction that moves it to history"
    )


def _settings(figures: Figures) -> str:
    took = figures["import_ms"]
    part = {name: (took["boto3 and settings"] - took["boto3"]) / (took[name] - took["boto3"]) for name in HANDLERS}
    return (
        "pydantic and pydantic-settings, which read the settings, are "
        + ", ".join(f"{part[name]:.0%} ({name})".replace("%", " %") for name in HANDLERS)
        + " of what a handler imports beside boto3"
    )


def _work(figures: Figures) -> str:
    return (
        f"a profile shares the processor's time out as {_shares(figures)}; the quickest of the same batches took "
        f"{figures['least_us']} µs a mail with twenty threads, {figures['least_one_thread_us']} with one"
    )


def _shares(figures: Figures) -> str:
    return ", ".join(f"{part} {share:.0%}".replace("%", " %") for part, share in figures["profile"].items())


OVERHEAD = "deliver without API and database, warm, a mail"

HANDLERS = ("deliver", "dispatch", "bounce", "cleanup", "keep")
IMPORTS = {"deliver": 2.0, "dispatch": 2.0, "bounce": 1.5, "cleanup": 1.5, "keep": 1.5, "outbox": 1.3}
AGAINST, BOTO3 = "against the limit", "against `import boto3`"
BARE = "`enqueue()` against a bare conditional `put_item`"
DUE = "dispatch with 50 rows due, 100,000 rows in the table against 1,000"

GOALS = [
    Goal(
        "sending", "100 mails, API 100 ms: faster than the plain handler", _of("plain", "times_faster"), "x", least=15
    ),
    Goal("sending", f"the same {AGAINST}", _hundred, "x", most=2),
    Goal("sending", f"API 20, 100, 500 ms, batch 10, 100, 1,000: the worst {AGAINST}", _worst, "x", most=2, why=_cpu),
    Goal("sending", f"100 mails, API 100 ms, with the SDK's own work: {AGAINST}", _sdk(100), "x", most=2, why=_cpu),
    Goal("sending", f"100 mails, API 20 ms, with the SDK's own work: {AGAINST}", _sdk(20), "x"),
    Goal("emulated", "the same 100 mails with tables on the embedded AWS", _of("seconds"), " s"),
    Goal("client", f"{BARE} of the same client", _of("ratio"), "x", most=1.15),
    Goal("client", f"{BARE} of plain boto3", _of("ratio_to_plain_boto3"), "x", most=1.15),
    Goal("client", "entries for a transaction: time to build, a mail", _of("entries_us"), " µs", most=100),
    Goal("units", "write units of a mail, row of 1 KB", _of("row_1kb", "writes"), most=12),
    Goal("units", "write units of a mail, text of 1 KB", _of("text_1kb", "writes"), most=12, why=_row),
    Goal("units", "write units of a mail, row of 20 KB", _of("row_20kb", "writes")),
    Goal("units", "write units of a mail, text of 20 KB", _of("text_20kb", "writes")),
    Goal("due", f"{DUE}: read units of the index", _of("times_the_units"), "x", most=1.05),
    Goal("due", f"{DUE}: time", _of("times_the_time"), "x", most=1.5),
    *(
        Goal("imports", f"import of `{name}` {BOTO3}", _of("ratio", name), "x", most=most, why=_settings, short=name)
        for name, most in IMPORTS.items()
    ),
    Goal("overhead", f"{OVERHEAD}, twenty threads", _of("us"), " µs", most=300, why=_work),
    Goal("overhead", f"{OVERHEAD}, one thread", _of("one_thread_us"), " µs", most=300, why=_work),
    Goal("overhead", "twenty threads, not kept on one processor", _of("everywhere_us"), " µs"),
    Goal("memory", "memory of deliver at its highest, 1,000 mails of 20 KB", _of("peak_mb"), " MB", most=150),
    Goal("latency", "row written → API called, idle local stack, median", _of("median_seconds"), " s", most=1),
    Goal("latency", "the same, the longest", _of("longest_seconds"), " s"),
]


def lines(measures: Mapping[str, Figures]) -> Iterator[tuple[Goal, str, bool | None]]:
    """Give each goal whose measure was taken, with what it came to."""
    for goal in GOALS:
        if goal.measure in measures:
            yield goal, goal.told(measures[goal.measure]), goal.met(measures[goal.measure])


def missed(measures: Mapping[str, Figures]) -> list[Goal]:
    """Give the goals that are not met."""
    return [goal for goal, _, met in lines(measures) if met is False]


def reasons(measures: Mapping[str, Figures]) -> list[str]:
    """Say which goals are not met and why, those of one reason in one sentence."""
    by_why: dict[str, list[Goal]] = {}
    for goal in missed(measures):
        why = goal.why(measures[goal.measure]) if goal.why else "the figures below show by how much"
        by_why.setdefault(why, []).append(goal)
    return [f"Not met, {_named(some)}: {why}." for why, some in by_why.items()]


def _named(some: list[Goal]) -> str:
    """Name goals that share a reason, those of one measure in few words."""
    if len(some) > 1 and all(goal.short for goal in some):
        return f"{some[0].measure} of {', '.join(f'`{goal.short}`' for goal in some)}"
    return "; ".join(f"«{goal.what}»" for goal in some)

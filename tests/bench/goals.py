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
    why: str = ""

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


def _of(*names: str) -> Callable[[Figures], float]:
    def value(figures: Figures) -> float:
        found: Any = figures
        for name in names:
            found = found[name]
        return float(found)

    return value


CPU = (
    "at 20 ms the tables' three calls a mail (12 ms, one after the other) and the processor's time a call "
    "(the HTTP client's above all) are as long as the API's"
)
ROW = (
    "with its other attributes such a row has more than 1 KB, so each write of it costs two units, and four within the "
    "transaction that moves it to history"
)

SETTINGS = (
    "-X importtime shows pydantic and pydantic-settings, which read the settings, as more than half of what a "
    "handler imports beside boto3 (the line «boto3 and settings»)"
)

OVERHEAD = "deliver without API and database, warm, a mail"

IMPORTS = {"deliver": 2.0, "dispatch": 2.0, "bounce": 1.5, "cleanup": 1.5, "keep": 1.5, "outbox": 1.3}
AGAINST = "against the limit"
BARE = "`enqueue()` against a bare conditional `put_item`"
DUE = "dispatch with 50 rows due, 100,000 rows in the table against 1,000"

GOALS = [
    Goal(
        "sending", "100 mails, API 100 ms: faster than the plain handler", _of("plain", "times_faster"), "x", least=15
    ),
    Goal("sending", f"the same {AGAINST}", _hundred, "x", most=2),
    Goal("sending", f"API 20, 100, 500 ms, batch 10, 100, 1,000: the worst {AGAINST}", _worst, "x", most=2, why=CPU),
    Goal("emulated", "the same 100 mails with tables on the embedded AWS", _of("seconds"), " s"),
    Goal("client", f"{BARE} of the same client", _of("ratio"), "x", most=1.15),
    Goal("client", f"{BARE} of plain boto3", _of("ratio_to_plain_boto3"), "x", most=1.15),
    Goal("client", "entries for a transaction: time to build, a mail", _of("entries_us"), " µs", most=100),
    Goal("units", "write units of a mail, row of 1 KB", _of("row_1kb", "writes"), most=12),
    Goal("units", "write units of a mail, text of 1 KB", _of("text_1kb", "writes"), most=12, why=ROW),
    Goal("units", "write units of a mail, row of 20 KB", _of("row_20kb", "writes")),
    Goal("units", "write units of a mail, text of 20 KB", _of("text_20kb", "writes")),
    Goal("due", f"{DUE}: read units of the index", _of("times_the_units"), "x", most=1.05),
    Goal("due", f"{DUE}: time", _of("times_the_time"), "x", most=1.5),
    *(
        Goal("imports", f"import of `{name}` against `import boto3`", _of("ratio", name), "x", most=most, why=SETTINGS)
        for name, most in IMPORTS.items()
    ),
    Goal("overhead", f"{OVERHEAD}, twenty threads", _of("us"), " µs", most=300),
    Goal("overhead", f"{OVERHEAD}, one thread", _of("one_thread_us"), " µs", most=300),
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
    by_why: dict[str, list[str]] = {}
    for goal in missed(measures):
        by_why.setdefault(goal.why or "see the figures", []).append(goal.what)
    return [f"Not met: {'; '.join(whats)}: {why}." for why, whats in by_why.items()]

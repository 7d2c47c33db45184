"""Everything that is measured, in one run on one machine: `python -m tests.bench`.

    uv run --all-extras --group bench python -m tests.bench             # all of it, about ten minutes
    uv run --all-extras --group bench python -m tests.bench --only units imports --runs 3

Prints the table of goals. A full run also writes figures.json and the plots, and puts both into the README. Ends with
status 1 when a goal is not met.
"""

import argparse
import datetime as dt
import gc
import importlib
import json
import os
import platform
import sys
import time
from typing import Any

import structlog

from tests.bench import goals, readme
from tests.bench.effort import Effort
from tests.conftest import quiet

MEASURES = ("sending", "emulated", "client", "units", "due", "imports", "overhead", "memory", "latency")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write down what a full run found."""
    asked = _asked(arguments)
    structlog.configure(processors=[quiet])
    document = measure(asked.only, Effort(asked.runs, asked.quick, _say))
    if asked.json:
        print(_text(document))  # noqa: T201  the answer
    else:
        print(_table(document["measures"]))  # noqa: T201  the answer
    if not asked.quick and set(asked.only) == set(MEASURES):
        _keep(document)
    return 1 if goals.missed(document["measures"]) else 0


def measure(names: list[str], effort: Effort) -> dict[str, Any]:
    """Take the measures of these names, one after the other."""
    began, load = time.monotonic(), os.getloadavg()[0]
    measures = {}
    for name in MEASURES:
        if name in names:
            measures[name] = importlib.import_module(f"tests.bench.{name}").measure(effort)
            gc.collect()
    return {
        "machine": _machine(load),
        "runs": effort.runs,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "measures": measures,
    }


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME", help=", ".join(MEASURES)
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each, of which the median is taken (5)")
    parser.add_argument("--quick", action="store_true", help="a look at whether it works; its figures say nothing")
    parser.add_argument("--json", action="store_true", help="print the document instead of the table")
    asked = parser.parse_args(arguments)
    if asked.runs < 1:
        parser.error("--runs must be 1 or more")
    return asked


def _machine(load: float) -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "load_before": round(load, 2),
    }


def _table(measures: dict[str, Any]) -> str:
    """Write the table for a terminal."""
    rows = [
        ("measure", "goal", "measured", "met"),
        *(_row(goal, told, met=met) for goal, told, met in goals.lines(measures)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    told = ["  ".join([*map(str.ljust, row, widths), row[3]]) for row in rows]
    return "\n".join([*told, *goals.reasons(measures)])


def _row(goal: goals.Goal, told: str, *, met: bool | None) -> tuple[str, str, str, str]:
    return goal.what, goal.bound, told, {True: "yes", False: "NO", None: ""}[met]


def _keep(document: dict[str, Any]) -> None:
    readme.FIGURES.write_text(_text({**readme.load(), **document}) + "\n", encoding="utf-8")
    from tests.bench import plots

    plots.main()
    readme.main()
    _say(f"wrote {readme.FIGURES.name}, the plots and the README")


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  progress


if __name__ == "__main__":
    sys.exit(main())

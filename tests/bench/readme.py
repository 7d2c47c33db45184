"""Puts what the benchmarks measured into the README: `python -m tests.bench.readme`, as a full run does at its end."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench import goals

HERE = Path(__file__).parent
README, FIGURES, PLOTS = HERE.parents[1] / "README.md", HERE / "figures.json", HERE / "plots"
BEGIN, END = "<!-- bench: ", "<!-- end of bench -->"
MET = {True: "yes", False: "**no**", None: ""}
PLOTTED = {
    "sending": "Time of a batch, in times the limit",
    "units": "Write units of a mail by table and index",
    "due": "Read units and time of dispatch while the table grows",
    "imports": "Import and first build of each handler beside boto3",
}
CASES = {"row_1kb": "row 1 KB", "text_1kb": "text 1 KB", "row_20kb": "row 20 KB", "text_20kb": "text 20 KB"}
# Why each unit is paid, by step and place.
UNITS = {
    ("enqueue", "outbox"): "the row is put, under the condition that its id is new",
    ("enqueue", "outbox/due"): "its entry comes, by which dispatch finds it should the doorbell be lost",
    ("claim", "outbox"): "the row is changed by the one write that decides who sends it",
    ("claim", "outbox/due"): "nothing if claimed at once: the entry stays; later it goes, and another comes",
    ("settle", "history"): "the row is put into history; a transaction pays each item twice",
    ("settle", "history/by_delivery"): "its entry comes: a bounce names the delivery",
    ("settle", "history/by_recipient"): "its entry comes: «what did this person get»",
    ("settle", "history/by_day"): "its entry comes: «what was sent that day»",
    ("settle", "outbox"): "the row is deleted, which costs its size, twice in the transaction",
    ("settle", "outbox/due"): "its entry goes",
}
RUNS = """\
medians of {runs} runs, of two or three where one takes long, of more where one is short; units and memory were taken
once."""
LIMIT = """\
Seconds for a batch with {threads} calls at once, and the least they could be: the API's latency times the rounds of
calls (or the time the API takes for so many calls at all) and one round trip to the tables. Deliver makes three for a
mail, each taken to last {database_ms} ms: claim, look into history and suppression list, settle. The plain handler,
which checks nothing, makes two. What the SDK makes the processor do for those calls is in the lines «with the SDK's own
work» alone; the calls that book slots, two for many mails, are in none."""
COUNTED = """\
A row of 1 KB has no more than 1,024 bytes by DynamoDB's count, also as the row of history it becomes; a mail whose text
alone has 1,024 bytes makes a larger one. Bytes of the rows as written, and in history: {sizes}. Read units: {reads:g} a
mail (is it in history already, is its recipient suppressed). A booking, for up to 20 mails: a write and a read unit;
once in two seconds, and at the start of each invocation: one read unit for the switch. An idempotency key: {key:g}
write units more. All are what the embedded AWS says each call consumed. It counts writes by the rules of the DynamoDB
developer guide; that indexes are paid once, not twice, in a transaction is what others measured on AWS. Its reads it
counts by the call, so those are counted here by size."""


def renewed(readme: str, document: Mapping[str, Any]) -> str:
    """Give the README with tables and plots in their place."""
    head, _, rest = readme.partition(BEGIN)
    note, _, rest = rest.partition("\n")
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{note}\n{render(document)}\n{END}{tail}"


def render(document: Mapping[str, Any]) -> str:
    """Write everything between the markers."""
    found, machine = document["measures"], document["machine"]
    where = f"{machine['processors']} processors ({machine['architecture']}), {machine['python']}"
    parts = [
        f"One run of {document['minutes']:g} minutes on {where}, load before it {machine['load_before']:g}: "
        + RUNS.format(**document),
        table(found),
        _plot("sending"),
        LIMIT.format(**found["sending"]),
        _matrix(found["sending"]),
        _plot("units"),
        _units(found["units"]),
        _counted(found["units"]),
        _plot("due"),
        _due(found["due"]),
        _plot("imports"),
        _imports(found["imports"]),
    ]
    return "\n\n".join(parts)


def digest(figures: Mapping[str, Any]) -> str:
    """Name figures in a word, which the plot made of them carries."""
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()[:16]


def table(measures: Mapping[str, Any]) -> str:
    """Write goals and figures as a table, and why what is missed is missed."""
    rows = [(goal.what, goal.bound, told, MET[met]) for goal, told, met in goals.lines(measures)]
    written = _table(("measure", "goal", "measured", "met"), rows)
    reasons = [f"- {reason}" for reason in goals.reasons(measures)]
    return "\n".join([written, *([""] if reasons else []), *reasons])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    named = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (named, ["---"] * len(named), *rows)).replace("| --- ", "|---")


def _plot(name: str) -> str:
    return f"![{PLOTTED[name]}](tests/bench/plots/{name}.svg)"


def _matrix(figures: Mapping[str, Any]) -> str:
    names = ("seconds", "tables_seconds", "limit_seconds", "times_the_limit")
    rows = [
        (f"{cell['batch']:,}", f"{cell['latency_ms']} ms", *(f"{cell[name]:.3g}" for name in names))
        for cell in figures["matrix"]
    ]
    return _table(("batch", "API answers in", "seconds", "of them at the tables", "limit", "times the limit"), rows)


def _units(figures: Mapping[str, Any]) -> str:
    rows = []
    for (step, place), why in UNITS.items():
        counts = [f"{figures[case]['write_units'][step].get(place, 0):g}" for case in CASES]
        rows.append((f"{step}: {place.replace('/', ', index ')}", *counts, why))
    rows.append(("in all", *(f"**{figures[case]['writes']:g}**" for case in CASES), ""))
    return _table(("write units of one mail", *CASES.values(), "for what"), rows)


def _counted(figures: Mapping[str, Any]) -> str:
    sizes = "; ".join(
        f"{label} {figures[case]['row_bytes']:,}, {figures[case]['history_bytes']:,}" for case, label in CASES.items()
    )
    return COUNTED.format(sizes=sizes, reads=figures["row_1kb"]["reads"], key=figures["with_key_more"])


def _due(figures: Mapping[str, Any]) -> str:
    names = {
        "rows": f"rows in the table, {figures['due']} due",
        "queries": "queries",
        "entries": "entries read",
        "index_units": "read units, index",
        "row_units": "read units, rows",
        "seconds": "seconds",
        "scan_units": "a scan would read",
    }
    rows = [[f"{each[name]:,.10g}" for name in names] for each in figures["tables"]]
    return _table(names.values(), rows)


def _imports(figures: Mapping[str, Any]) -> str:
    """Write each import and cold start, beside boto3 alone and boto3 with one client."""
    rows = [
        (
            f"`{name}`",
            f"{milliseconds:.0f} ms",
            f"{figures['ratio'][name]:.2f}",
            f"{figures['modules'][name]:,}",
            f"{figures['cold_start_ms'][name]:.0f} ms",
            f"{figures['cold_start_ratio'][name]:.2f}",
        )
        for name, milliseconds in figures["import_ms"].items()
    ]
    head = (
        figures["python"],
        "import",
        "against boto3",
        "modules",
        "import and first build",
        "against boto3's first client",
    )
    return _table(head, rows)


def load() -> dict[str, Any]:
    """Read what a full run wrote, and whatever others keep in the same file."""
    known: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    return known


def main() -> None:
    """Renew the README from the file."""
    README.write_text(renewed(README.read_text(encoding="utf-8"), load()), encoding="utf-8")


if __name__ == "__main__":
    main()

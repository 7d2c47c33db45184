"""Puts what the attacks measured, and the diagram of states, into the README: `python -m tests.figures`.

OUTBOX_FIGURES=tests/figures.json pytest        # the attacks write what they counted
python -m tests.figures                         # the README tells it
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from outbox.core import states

HERE = Path(__file__).parent
README, FIGURES = HERE.parent / "README.md", HERE / "figures.json"
BEGIN, END = "<!-- figures: ", "<!-- end of figures -->"
MERMAID = re.compile(r"```mermaid\nstateDiagram.*?```", re.DOTALL)

PROMISES = [
    (
        "1. Nothing is lost: a committed enqueue ends in history or is visible in the outbox",
        "a crash or a lost answer at every effect × every outcome; a state machine; workers killed in a storm",
        ["matrix", "machine", "storm"],
        "`tests/attack`, `tests/storm`, `tests/e2e/test_kill.py`, `tests/store/test_faults.py`",
    ),
    (
        "2. Nothing is sent twice by the system; in doubt is only what may have left; a note is no wish to send",
        "the same; two workers, dispatch, a look and a person on one row in every order; redelivered batches; old tabs",
        ["interleavings", "storm: doubles_hold doubles_resend keys_repeated batches_heard_again"],
        "`tests/attack/test_interleavings.py`, `tests/storm`, `tests/flows/test_already_sent.py`",
    ),
    (
        "3. Nothing loops",
        "each bad day of 24 simulated hours, with the stream's filter and with one that lets everything through",
        ["bill"],
        "`tests/bill`, `tests/e2e/test_service.py`",
    ),
    (
        "4. The API's rate is never exceeded, and used to the full; urgent mail overtakes",
        "four senders at once on a backlog against a sandbox that enforces the limit; a long backlog on a fake clock",
        ["rate", "simulation"],
        "`tests/bench`, `tests/simulation`, `tests/unit/test_rate.py`",
    ),
    (
        "5. A person can always see, fix, stop",
        "rows mutated by hand in every way; rows filled to their last byte; a pause in a batch, in a frozen function",
        ["fuzz"],
        "`tests/attack`, `tests/flows/test_hand_edits.py`, `tests/simulation/test_frozen.py`",
    ),
    (
        "6. No mail stops another",
        "every text field and every parser with texts made to be slow; workers that die or hang (leases of 10 s)",
        ["linear", "pathological", "poison"],
        "`tests/unit/test_linear_reading.py`, `tests/flows/test_poison.py`, `tests/e2e/test_{pathological,poison}.py`",
    ),
    (
        "7. Silence is impossible: what comes back is written down once, and nothing of it is lost",
        "thousands of mutated calls of the webhook; its store failing in the middle; the same body at once and again",
        ["webhook"],
        "`tests/attack/test_fuzz_webhook.py`, `tests/store/test_bounce_faults.py`, `tests/e2e/test_after_the_send.py`",
    ),
    (
        "Ten thousand at once cost no more than a bare loop",
        "`enqueue_many` and a bare parallel BatchWriteItem loop (plain boto3, items ready), in turn, local stack",
        ["bulk"],
        "`python -m tests.bench.bulk`",
    ),
]


def merge(key: str, figures: dict[str, Any]) -> None:
    """Put what an attack measured under its key into the JSON file that OUTBOX_FIGURES names, if it does."""
    if name := os.environ.get("OUTBOX_FIGURES"):
        path = Path(name)
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        nested = all(isinstance(value, dict) for value in figures.values())
        known[key] = {**known.get(key, {}), **figures} if nested else figures
        path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def render(figures: dict[str, Any]) -> str:
    """Write the table of promises with what was measured."""
    lines = ["| promise | what attacks it | measured in one run | where |", "|---|---|---|---|"]
    for promise, attack, keys, where in PROMISES:
        measured = "; ".join(_measured(figures, key) for key in keys)
        lines.append(f"| {promise} | {attack} | {measured} | {where} |")
    return "\n".join(lines)


def renewed(readme: str, figures: dict[str, Any]) -> str:
    """Give the README with the table of promises, and the diagram of states, in their places."""
    head, _, rest = readme.partition(BEGIN)
    note, _, rest = rest.partition("\n")
    _, _, tail = rest.partition(END)
    with_table = f"{head}{BEGIN}{note}\n{render(figures)}\n{END}{tail}"
    drawn = f"```mermaid\n{states.diagram()}\n```"
    return MERMAID.sub(lambda _: drawn, with_table, count=1)


def _measured(figures: dict[str, Any], key: str) -> str:
    """Tell all that is under a key, or of «key: name name» only those names."""
    attack, _, names = key.partition(": ")
    found = figures[attack]
    return f"**{attack}** " + _told({name: found[name] for name in names.split()} if names else found)


def _told(figures: dict[str, Any]) -> str:
    if all(isinstance(value, dict) for value in figures.values()):
        return "; ".join(
            f"{name}: {_told(_brief(value))}" for name, value in figures.items() if "unfiltered" not in name
        )
    return ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in figures.items())


def _brief(figures: dict[str, Any]) -> dict[str, Any]:
    """Keep of a simulated day what the bill is made of, and of anything else all."""
    return (
        figures
        if "deliver" not in figures
        else {name: figures[name] for name in ("rows", "deliver", "dispatch", "row_writes") if name in figures}
    )


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    README.write_text(
        renewed(README.read_text(encoding="utf-8"), json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8"
    )

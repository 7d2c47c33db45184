"""What the attacks counted, for the end of the run and for the README."""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path

FIGURES: defaultdict[str, Counter[str]] = defaultdict(Counter)


def count(attack: str, **figures: int) -> None:
    """Add to the figures of an attack."""
    FIGURES[attack].update(figures)


def at_most(attack: str, **figures: int) -> None:
    """Keep the largest of a figure."""
    for name, value in figures.items():
        FIGURES[attack][name] = max(FIGURES[attack][name], value)


def lines() -> list[str]:
    """Write each attack's figures in a line."""
    return [
        f"{attack}: " + ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in figures.items())
        for attack, figures in FIGURES.items()
    ]


def save() -> None:
    """Merge the figures into the JSON file that OUTBOX_FIGURES names."""
    name = os.environ.get("OUTBOX_FIGURES")
    if not name or not FIGURES:
        return
    path = Path(name)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known |= {attack: dict(figures) for attack, figures in FIGURES.items()}
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")

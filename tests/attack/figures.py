"""What the attacks counted, for the end of the run and for the README."""

from collections import Counter, defaultdict

from tests.figures import merge

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
    """Hand the figures on to the file they are kept in."""
    for attack, figures in FIGURES.items():
        merge(attack, dict(figures))

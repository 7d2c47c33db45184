"""Bars on a grid, worked out here and drawn as SVG by a template: no library, no script, no style of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

WIDTH, HEIGHT = 720.0, 150.0
# Room for the numbers at the left and the times below.
LEFT, BOTTOM, TOP = 56.0, 22.0, 10.0
GAP = 0.2
# So many times stand below, more would run into each other.
LABELS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it is, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    number: int
    since: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A word at a place of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """One series as bars; `lines` are those of the grid, `times` stand below it."""

    bars: tuple[Bar, ...]
    lines: tuple[Tick, ...]
    times: tuple[Tick, ...]
    total: int
    most: Bar
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    floor: float = HEIGHT - BOTTOM


def bars(numbers: Sequence[int], moments: Sequence[datetime], zone: tzinfo) -> Bars:
    """Lay out a series: a number for what happened from each moment on."""
    top = ceiling(max(numbers))
    step = (WIDTH - LEFT) / len(numbers)
    room = HEIGHT - BOTTOM - TOP
    made = tuple(
        Bar(
            x=round(LEFT + step * (place + GAP / 2), 2),
            y=round(HEIGHT - BOTTOM - room * number / top, 2),
            width=round(step * (1 - GAP), 2),
            height=round(room * number / top, 2),
            number=number,
            since=f"{moment.astimezone(zone):%H:%M}",
        )
        for place, (number, moment) in enumerate(zip(numbers, moments, strict=True))
    )
    every = -(-len(made) // LABELS)
    times = tuple(Tick(bar.x, bar.since) for bar in made[::every])
    marks = (0, top // 2, top) if top % 2 == 0 else (0, top)
    lines = tuple(Tick(round(HEIGHT - BOTTOM - room * mark / top, 2), _short(mark)) for mark in marks)
    return Bars(made, lines, times, sum(numbers), max(made, key=lambda bar: bar.number))


def _short(number: int) -> str:
    """Write a round number in little room."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1000:g}k" if number >= 10_000 else f"{number:,}"


def ceiling(number: int) -> int:
    """Give a round number that is not less: 1, 2, 4, 6, 10, 20, 40 …"""
    size = 1
    while True:
        for times in (1, 2, 4, 6):
            if number <= times * size:
                return times * size
        size *= 10

"""How much trouble a benchmark takes, and the middle of what it saw."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is measured; `quick` is enough to see that it works, and for no number."""

    runs: int = 5
    quick: bool = False
    say: Callable[[str], object] = lambda _: None

    def pick(self, full: T, small: T) -> T:
        """Give what a whole run takes, or what a quick one does."""
        return small if self.quick else full

    def times(self, most: int | None = None) -> range:
        """Give the numbers of the runs, fewer of those that take long."""
        return range(min(self.runs, most or self.runs))


def median(values: Sequence[float], digits: int = 3) -> float:
    """Give the middle value, rounded."""
    return round(statistics.median(values), digits)


def ratio(ones: Sequence[float], others: Sequence[float], digits: int = 3) -> float:
    """Give the median of the ratios of what was measured in turn: what slows the machine slows both."""
    return median([one / other for one, other in zip(ones, others, strict=True)], digits)


@contextmanager
def clocked(into: list[float]) -> Iterator[None]:
    """Add the seconds that the block takes."""
    began = time.perf_counter()
    yield
    into.append(time.perf_counter() - began)

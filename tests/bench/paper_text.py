"""Tables, numbers and figures for the page; a figure that is missing says its name, and what writes it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WRITTEN_BY = {
    "measures": "python -m tests.bench",
    "backlog": "python -m tests.bench.backlog",
    "limits": "python -m tests.bench.backlog_limits",
    "counted": "python -m tests.bench.paper_counted",
}


class Figures(Mapping[str, Any]):
    """What was measured, by name; what is within is given as such, too."""

    def __init__(self, found: Mapping[str, Any], path: str = "") -> None:
        self._found, self._path = found, path

    def __getitem__(self, name: str) -> Any:
        """Give a figure. Raises `KeyError` with its whole name."""
        path = f"{self._path}.{name}" if self._path else name
        if name not in self._found:
            command = WRITTEN_BY.get(path.partition(".")[0], "nothing known")
            message = f"figures.json has no {path}; it is written by: {command}"
            raise KeyError(message)
        value = self._found[name]
        return Figures(value, path) if isinstance(value, Mapping) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def one(self, name: str, **wanted: float) -> Any:
        """Give the entry of a list in which these are so. Raises `KeyError` with what was wanted."""
        for entry in self[name]:
            if all(entry.get(key) == value for key, value in wanted.items()):
                return Figures(entry, f"{self._path}.{name}")
        message = f"figures.json has no {self._path}.{name} with {wanted}"
        raise KeyError(message)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def prose(*parts: str) -> str:
    """Join the lines of a paragraph."""
    return " ".join(parts)


def number(value: float, digits: int = 3) -> str:
    """Write a number with so many digits that count."""
    if value == 0:
        return "0"
    if value >= 10 ** (digits - 1) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.{digits}g}"


def dollars(value: float) -> str:
    """Write an amount of money."""
    return f"${value:,.2f}" if value >= 0.005 or value == 0 else f"${value:.1g}"


def share(value: float) -> str:
    """Write how much of a limit is used; in bold how many times it is exceeded."""
    if value > 1:
        return f"**{number(value, 2)} ×**"
    return "under 1 %" if value < 0.01 else f"{value:.0%}".replace("%", " %")

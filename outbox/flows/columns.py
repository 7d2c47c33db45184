"""Which column of a table is which part of a mail."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from outbox.core.errors import InvalidMail, InvalidRequest, Problem, as_details
from outbox.core.message import Message

SINGLE = ("to", "sender", "reply_to", "subject", "text", "html", "send_at", "key", "encoding", "on_unknown")
# Cells that hold several values, with a semicolon between them.
SEVERAL = ("cc", "bcc", "tags", "attach", "unsubscribe")
FIELDS = (*SINGLE, *SEVERAL)
CODE = "code."
ALSO = {"from": "sender", "idempotency_key": "key"}
KNOWN = f"{', '.join(FIELDS)}, {CODE}NAME"
LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is which field; `renamed` maps names in the file, `open_` lets unknown ones be variables."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    open_: bool = False

    def check(self, header: Iterable[str]) -> None:
        """Look at the columns before any row. Raises `InvalidRequest` naming every one that is wrong."""
        names = list(header)
        wrong: list[object] = [
            Message("import.no-column", column=shown(name)) for name in self.renamed if name not in names
        ]
        wrong += as_details(self.fields(dict.fromkeys(names))[1])
        if wrong:
            raise InvalidRequest(Message("problems", problems=wrong))

    def fields(self, cells: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """Give what the cells say by field, and what is wrong with their columns."""
        found: dict[str, Any] = {}
        problems = []
        for column, value in cells.items():
            name = self.name(column)
            if not is_field(name):
                problems += [] if self.open_ else [Problem(shown(column), Message("import.no-part", known=KNOWN))]
            elif name in found:
                problems.append(Problem(shown(column), Message("import.column-twice", field=name)))
            else:
                found[name] = value
        return found, problems

    def variables(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Give the cells as a template sees them: under their new names."""
        return {self.renamed.get(column, column): value for column, value in cells.items()}

    def name(self, column: str) -> str:
        """Give the field, or the variable, that a column is."""
        new = self.renamed.get(column, column)
        return ALSO.get(new, new)

    def content(self, cells: Mapping[str, Any]) -> list[list[Any]]:
        """Give what a row says whichever way its file is written: no order of columns, nothing empty, one line break.

        Raises `InvalidMail` for a nesting too deep to be compared.
        """
        said = [[self.name(column), value] for column, value in cells.items() if value not in (None, "")]
        try:
            return sorted(([name, _plain(value)] for name, value in said), key=json.dumps)
        except RecursionError:
            raise InvalidMail([Problem("row", Message("import.nesting"))]) from None

    def told(self, problems: Iterable[Problem], cells: Mapping[str, Any]) -> list[Problem]:
        """Name the columns that problems lie in, where the file calls them otherwise."""
        # Of two columns for one field the first is named.
        columns = {self.name(column): column for column in reversed(list(cells))}
        return [_told(problem, columns) for problem in problems]


def is_field(name: str) -> bool:
    """Tell whether a column of this name is part of a mail."""
    return name in FIELDS or (name.startswith(CODE) and len(name) > len(CODE))


def shown(column: object) -> str:
    """Name a column in a message; a broken file may have very long ones."""
    text = str(column)
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")


def _told(problem: Problem, columns: Mapping[str, str]) -> Problem:
    name = problem.field.partition("[")[0]
    column = columns.get(name, name)
    return problem if column == name else Problem(f"{shown(column)} ({problem.field})", problem.rule)


def _plain(value: Any) -> Any:  # noqa: ANN401  whatever JSON has
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in sorted(value.items())}
    return value

"""Lines of text -> rows: CSV with a header, or JSON Lines."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from outbox.core import limits
from outbox.core.errors import InvalidRequest, Problem
from outbox.flows.columns import Columns, shown
from outbox.flows.importing import Line

Format = Literal["csv", "jsonl"]
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
OTHER_DELIMITERS = {"\t": "tabs", ";": "semicolons"}


def guess(path: Path) -> Format:
    """Tell the format by the name of the file."""
    return "jsonl" if path.suffix.lower() in JSON_SUFFIXES else "csv"


def rows(lines: Iterable[str], name: str, format_: Format, columns: Columns) -> Iterator[Line]:
    """Give the rows of a file one by one; blank ones are left out. Raises `InvalidRequest` for a broken file."""
    return _csv(lines, name, columns) if format_ == "csv" else _json_lines(lines, name, columns)


def _csv(lines: Iterable[str], name: str, columns: Columns) -> Iterator[Line]:
    # The limit of the module is one for the process; nobody else here reads CSV.
    csv.field_size_limit(limits.TEXTS_BYTES)
    reader = csv.reader(lines, strict=True)
    header = None
    begin = 1
    try:
        for cells in reader:
            if header is None and cells:
                header = _header(cells, name, begin, columns)
            elif header and any(cells):
                yield _row(begin, header, cells)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InvalidRequest(f"{name}, the row that begins in line {begin}{_cause(error)}") from None
    if header is None:
        raise InvalidRequest(f"{name} is empty: it has no header")


def _cause(error: csv.Error) -> str:
    said = str(error)
    if "field larger" in said:
        return f": a cell is larger than {limits.TEXTS_BYTES:,} characters; is a quotation mark missing?"
    return f": its quotation marks do not match ({said}); nothing after it can be read"


def _header(cells: list[str], name: str, begin: int, columns: Columns) -> list[str]:
    header = [cell.strip() for cell in cells]
    where = f"{name}, line {begin}"
    twice = sorted(cell for cell, count in Counter(header).items() if cell and count > 1)
    empty = [str(number) for number, cell in enumerate(header, 1) if not cell]
    other = next((what for char, what in OTHER_DELIMITERS.items() if len(header) == 1 and char in header[0]), "")
    if other:
        raise InvalidRequest(f"{where}: the columns are divided by {other}; save the file with commas")
    if twice:
        raise InvalidRequest(f"{where}: the header names {', '.join(map(shown, twice))} more than once")
    if empty:
        raise InvalidRequest(f"{where}: the header has no name for column {', '.join(empty)}")
    try:
        columns.check(header)
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from None
    return header


def _row(begin: int, header: list[str], cells: list[str]) -> Line:
    problems = list(_nul(zip(header, cells, strict=False)))
    if len(cells) < len(header):
        missing = header[len(cells)]
        rule = f"is missing: the row has {len(cells)} cells, the header {len(header)}"
        problems.append(Problem(shown(missing), rule))
    if len(cells) > len(header):
        rule = f"is followed by more cells: the row has {len(cells)}, the header {len(header)}"
        problems.append(Problem(shown(header[-1]), rule))
    return Line(begin, dict(zip(header, cells, strict=False)), tuple(problems))


def _nul(cells: Iterable[tuple[str, Any]]) -> Iterator[Problem]:
    for name, value in cells:
        if isinstance(value, str) and "\0" in value:
            yield Problem(shown(name), "holds a NUL byte")


def _json_lines(lines: Iterable[str], name: str, columns: Columns) -> Iterator[Line]:
    missing = set(columns.renamed)
    for number, text in enumerate(lines, 1):
        if text.strip():
            row = _json_row(number, text)
            missing -= row.cells.keys()
            yield row
    if missing:
        raise InvalidRequest(f"{name}: --map names {', '.join(map(shown, sorted(missing)))}, which no row has")


def _json_row(number: int, text: str) -> Line:
    try:
        read = json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        return Line(number, {}, (Problem("row", f"is no JSON: {error.msg}, character {error.colno}"),))
    except _Twice as error:
        return Line(number, {}, (Problem(shown(error), "is there more than once"),))
    except (ValueError, RecursionError):
        return Line(number, {}, (Problem("row", "holds a number or a nesting that nobody can read"),))
    if not isinstance(read, dict):
        what = {list: "an array", str: "a text", type(None): "null"}.get(type(read), "a single value")
        return Line(number, {}, (Problem("row", f"is {what}; it must be an object with a member for each column"),))
    return Line(number, read, tuple(_nul(read.items())))


class _Twice(Exception):
    """An object names a member twice; whichever is meant, JSON would silently take the last."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise _Twice(name)
        read[name] = value
    return read


def _no_number(constant: str) -> Any:  # noqa: ANN401  never returns
    raise ValueError(constant)

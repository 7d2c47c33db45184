"""A file of records for spreadsheets (CSV) or scripts (JSON Lines), there as a whole or not at all."""

import csv
import io
import os
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from outbox.core.errors import InvalidRequest
from outbox.core.shown import dumps, words

Format = Literal["csv", "jsonl"]
Encoding = Literal["utf-8-sig", "utf-8", "cp932"]

BOM = "\ufeff"
# A spreadsheet takes a cell that begins so for a formula, and runs it.
FORMULA = ("=", "+", "-", "@")
BREAKS = ("\t", "\r", "\n")
QUOTE = "'"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Records as the bytes of a file; `replace` writes ? for what the encoding has not."""

    columns: Sequence[str]
    form: Format = "csv"
    encoding: Encoding = "utf-8-sig"
    replace: bool = False

    def head(self) -> bytes:
        """Give the first line, with the mark of UTF-8 that spreadsheets look for."""
        if self.form == "jsonl":
            return b""
        return ((BOM if self.encoding == "utf-8-sig" else "") + _line(self.columns)).encode(self._codec)

    def line(self, record: Mapping[str, Any]) -> bytes:
        """Give one record. Raises `InvalidRequest` naming mail and column that the encoding has no character for."""
        if self.form == "jsonl":
            return (dumps({name: record[name] for name in self.columns}) + "\n").encode()
        cells = [guarded(words(record[name])) for name in self.columns]
        try:
            return _line(cells).encode(self._codec, "replace" if self.replace else "strict")
        except UnicodeEncodeError as error:
            raise InvalidRequest(self._no_room_for(error, record, cells)) from None

    @property
    def _codec(self) -> str:
        return "cp932" if self.encoding == "cp932" else "utf-8"

    def _no_room_for(self, error: UnicodeEncodeError, record: Mapping[str, Any], cells: Sequence[str]) -> str:
        char = error.object[error.start]
        column = next((name for name, text in zip(self.columns, cells, strict=True) if char in text), "")
        wide = "; utf-8-sig has it" if self._codec == "cp932" else ""
        where = f"mail {record['id']}, {column}"
        return f"{where}: {self.encoding} has no U+{ord(char):04X}{wide}, and --replace writes ? for it"


def guarded(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run; it shows the text without it, or with it, but as text.

    Some pass over blanks and what cannot be seen before a sign, and take a full-width one for the plain one.
    """
    first = next((char for char in cell if char.isprintable() and not char.isspace()), "")
    runs = cell.startswith(BREAKS) or unicodedata.normalize("NFKC", first).startswith(FORMULA)
    return QUOTE + cell if runs else cell


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside its place and move it there at the end; after an error nothing is left. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()

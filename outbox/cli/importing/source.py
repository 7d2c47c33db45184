"""The file of an import: opened for each pass, and refused when it is not the one that was looked at first."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outbox.cli.importing.encoding import Taken, find_out
from outbox.core import limits
from outbox.core.attachment import Attachment
from outbox.core.errors import InvalidMail, InvalidRequest, Problem

# A text of the largest mail, every character of it escaped in JSON, and some more.
LONGEST_LINE = 2 * limits.TEXTS_BYTES
LOOK_EVERY = 1_000


class Source:
    """A file whose bytes were looked through once. Raises `InvalidRequest` for what is no file, or in no encoding."""

    def __init__(self, path: Path, wanted: str | None = None) -> None:
        if str(path) == "-":
            raise InvalidRequest("An import reads its file several times, which stdin does not allow; save it first.")
        self.path, self.name = path, path.name
        with self._open() as file:
            self._seen = _state(file)
            self.taken: Taken = find_out(file, self.name, wanted)

    def lines(self) -> Iterator[str]:
        """Give the lines as they are, with their ends. Raises `InvalidRequest` when the file has changed."""
        with self._open() as raw, io.TextIOWrapper(raw, self.taken.codec, newline="") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                if number % LOOK_EVERY == 0:
                    self._unchanged(raw)
                number += 1
                if len(line) > LONGEST_LINE:
                    raise InvalidRequest(f"{self.name}, line {number}: is longer than {LONGEST_LINE:,} characters")
                yield line
            self._unchanged(raw)

    def attach(self, written: str) -> tuple[Attachment, int]:
        """Take a file that lies beside this one, or below. Raises `InvalidMail`."""
        base = self.path.resolve().parent
        try:
            place = (base / written).resolve()
            # Whoever wrote the table must not have files of this machine sent.
            if not place.is_relative_to(base):
                raise InvalidMail([Problem("attach", f"{written!r} is not in the directory of {self.name}")])
            if not place.is_file():
                raise InvalidMail([Problem("attach", f"{written!r} is not there, or is no file")])
            return Attachment.from_path(place), place.stat().st_size
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "is no path"
            raise InvalidMail([Problem("attach", f"{written[:100]!r}: {why}")]) from None

    @contextmanager
    def _open(self) -> Iterator[io.BufferedReader]:
        try:
            if self.path.exists() and not self.path.is_file():
                raise InvalidRequest(f"{self.path} is a directory, or something else that is no file")
            file = self.path.open("rb")
        except OSError as error:
            raise InvalidRequest(f"{self.path}: {error.strerror or error}") from None
        with file:
            yield file

    def _unchanged(self, file: io.BufferedReader) -> None:
        if _state(file) != self._seen:
            raise InvalidRequest(f"{self.name} was changed while it was read")


def _state(file: io.BufferedReader) -> tuple[int, ...]:
    now = os.fstat(file.fileno())
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns

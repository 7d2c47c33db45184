"""The file of an import: opened for each pass, and refused when it is not the one that was looked at first."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outbox.cli.importing.encoding import Taken, find_out
from outbox.core import limits
from outbox.core.attachment import Attachment
from outbox.core.errors import InvalidMail, InvalidRequest, Problem
from outbox.flows.importing import Attached

# A text of the largest mail, every character of it escaped in JSON, and some more.
LONGEST_LINE = 2 * limits.TEXTS_BYTES
LOOK_EVERY = 1_000


class Source:
    """A file whose bytes were looked through once. Raises `InvalidRequest` for what is no file, or in no encoding."""

    def __init__(self, path: Path, wanted: str | None = None) -> None:
        if str(path) == "-":
            raise InvalidRequest("An import reads its file several times, which stdin does not allow; save it first.")
        self.path, self.name = path, path.name
        # Each attachment is read once: what it was then, by its place. Some 500 bytes for each different file.
        self._attached: dict[Path, tuple[tuple[int, ...], str]] = {}
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

    def attach(self, written: str) -> Attached:
        """Take a file that lies beside this one, or below, and is not hidden. Raises `InvalidMail`.

        Its content is read once; a file that is another one later in the same run is refused.
        """
        base = self.path.resolve().parent
        try:
            place = (base / written).resolve()
            # Whoever wrote the table must not have files of this machine sent.
            if not place.is_relative_to(base):
                raise InvalidMail([Problem("attach", f"{written!r} is not in the directory of {self.name}")])
            inside = place.relative_to(base)
            if _hidden(Path(written)) or _hidden(inside):
                raise InvalidMail([Problem("attach", f"{written!r} is hidden: a part of its path begins with a dot")])
            if not place.is_file():
                raise InvalidMail([Problem("attach", f"{written!r} is not there, or is no file")])
            size, digest = self._content(place, written)
            return Attached(Attachment.from_path(place), str(inside), size, digest)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "is no path"
            raise InvalidMail([Problem("attach", f"{written[:100]!r}: {why}")]) from None

    def _content(self, place: Path, written: str) -> tuple[int, str]:
        now = place.stat()
        state = now.st_ino, now.st_size, now.st_mtime_ns
        if place not in self._attached:
            with place.open("rb") as file:
                self._attached[place] = state, hashlib.file_digest(file, "sha256").hexdigest()
        before, digest = self._attached[place]
        if before != state:
            raise InvalidMail([Problem("attach", f"{written!r} was changed since it was looked at")])
        return now.st_size, digest

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


def _hidden(path: Path) -> bool:
    # Of an absolute path only what lies below the table counts, and that is asked for too.
    return not path.is_absolute() and any(part.startswith(".") and part not in {".", ".."} for part in path.parts)


def _state(file: io.BufferedReader) -> tuple[int, ...]:
    now = os.fstat(file.fileno())
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns

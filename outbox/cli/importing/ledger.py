"""What an import must remember of its rows: on disk, because a file may have more rows than fit into memory."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from outbox.core.errors import Problem
from outbox.core.message import read_back, stored

TABLES = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "CREATE TABLE seen (what BLOB PRIMARY KEY, line INTEGER, mail TEXT) WITHOUT ROWID",
    "CREATE TABLE bad (line INTEGER PRIMARY KEY, problems TEXT)",
    "CREATE TABLE counts (kind TEXT, name TEXT, mails INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID",
    "BEGIN",
)
COUNT = "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT (kind, name) DO UPDATE SET mails = mails + 1"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of which no mail can be made, and why."""

    line: int
    problems: tuple[Problem, ...]


class Ledger:
    """Notes about rows in a private file that is gone with the process."""

    def __init__(self) -> None:
        # An empty name is SQLite's for a temporary file that nobody else can open.
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in TABLES:
            self._base.execute(statement)
        self.bad_rows = 0

    def close(self) -> None:
        """Throw the notes away."""
        self._base.close()

    def first(self, kind: str, what: str, line: int, mail: str = "") -> tuple[int, str] | None:
        """Note that a row has something; give the line and mail that had it before, None if none did."""
        name = hashlib.blake2b(f"{kind}\0{what}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if self._base.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (name, line, mail)).rowcount:
            return None
        found = self._base.execute("SELECT line, mail FROM seen WHERE what = ?", (name,)).fetchone()
        return int(found[0]), str(found[1])

    def count(self, kind: str, name: str) -> None:
        """Count a mail with something of this kind: to a domain, or with an attachment."""
        self._base.execute(COUNT, (kind, name.encode("utf-8", "replace").decode()))

    def most(self, kind: str, limit: int) -> dict[str, int]:
        """Give those of a kind that the most mails have."""
        asked = "SELECT name, mails FROM counts WHERE kind = ? ORDER BY mails DESC, name LIMIT ?"
        return {str(name): int(mails) for name, mails in self._base.execute(asked, (kind, limit))}

    def distinct(self, kind: str) -> int:
        """Count the different ones of a kind."""
        found = self._base.execute("SELECT count(*) FROM counts WHERE kind = ?", (kind,)).fetchone()
        return int(found[0])

    def note_bad(self, line: int, problems: Iterable[Problem]) -> None:
        """Note that no mail can be made of a row."""
        listed = json.dumps([[problem.field, stored(problem.rule)] for problem in problems])
        self._base.execute("INSERT INTO bad VALUES (?, ?)", (line, listed))
        self.bad_rows += 1

    def is_bad(self, line: int) -> bool:
        """Tell whether no mail can be made of a row."""
        return self._base.execute("SELECT 1 FROM bad WHERE line = ?", (line,)).fetchone() is not None

    def bad(self, most: int = -1) -> Iterator[BadRow]:
        """Give the bad rows in order of their lines, all of them unless told how many."""
        for line, listed in self._base.execute("SELECT line, problems FROM bad ORDER BY line LIMIT ?", (most,)):
            yield BadRow(line, tuple(Problem(field, _rule(rule)) for field, rule in json.loads(listed)))


def _rule(kept: object) -> str:
    return (read_back(kept) if isinstance(kept, dict) else None) or str(kept)

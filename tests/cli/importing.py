"""Files to import, and stores that are interrupted in the middle."""

import _thread
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from outbox.core.errors import MissingSettings
from outbox.testing import MemoryStore
from tests.cli.conftest import Ended, Terminal

ROWS = int(os.environ.get("OUTBOX_IMPORT_ROWS", "1000"))
TEMPLATE = """
sender = "Shop <shop@example.com>"
subject = "{{ name }}様"
text = "Dear {{ name }}"
"""
CSV = "to,name\ntaro@example.com,田中\nhanako@example.org,佐藤\n"


@dataclass
class Bench:
    """A directory with files, and a terminal to import them."""

    terminal: Terminal
    path: Path

    def file(self, text: str | bytes, name: str = "mails.csv") -> str:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def template(self, text: str = TEMPLATE) -> str:
        return self.file(text, "mail.toml")

    def dry(self, file: str, *arguments: str) -> Ended:
        """Look at a file as a script does."""
        return self.terminal("import", file, *arguments, "--json")

    def filled(self, text: str | bytes, template: str = TEMPLATE, *arguments: str) -> Ended:
        """Look at a file with a template."""
        return self.dry(self.file(text), "--template", self.template(template), *arguments)

    def problems(self, ended: Ended) -> list[tuple[int, str, str]]:
        assert ended.status == 1, ended
        return [
            (row["line"], each["field"], each["rule"]) for row in ended.json["bad_rows"] for each in row["problems"]
        ]

    def refused(self, file: str, *arguments: str) -> str:
        """Give why a file cannot be imported at all."""
        ended = self.dry(file, *arguments)
        assert ended.status == 2, ended
        assert not self.rows
        return str(ended.json["error"]["message"])

    def send(self, file: str, *arguments: str, given: tuple[str, ...] = ()) -> Ended:
        """Look, then write with the token of the look."""
        token = self.dry(file, *arguments).json["token"]
        return self.terminal("import", file, *arguments, "--send", token, "--json", *given)

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return self.terminal.service.store.outbox

    def by_recipient(self) -> dict[str, dict[str, Any]]:
        rows = {row["to"]: row for row in self.rows.values()}
        assert len(rows) == len(self.rows), "a mail is there twice"
        return rows


class Flaky:
    """A store in memory that fails, or presses Ctrl-C, at some of its writes: before the effect or after it."""

    def __init__(self, inner: MemoryStore, at: int, *, after: bool, ctrl_c: bool = False) -> None:
        self._inner, self._at, self._after, self._ctrl_c, self._writes = inner, at, after, ctrl_c, itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def add(self, item: Any, *, once: bool) -> None:
        number = next(self._writes)
        if not self._after:
            self._fail(number)
        try:
            self._inner.add(item, once=once)
        finally:
            if self._after:
                self._fail(number)

    def _fail(self, number: int) -> None:
        if self._ctrl_c and number == self._at:
            _thread.interrupt_main()
        if not self._ctrl_c and number >= self._at:
            raise ConnectionError


def no_tables(*_: object, **__: object) -> NoReturn:
    """Be a command line without any table."""
    raise MissingSettings(["OUTBOX_TABLE"], "OUTBOX_TABLE: is not set.")


def many(rows: int) -> str:
    """Make a file of so many rows."""
    return "to,name\n" + "".join(f"u{number}@example.com,n{number}\n" for number in range(rows))


def json_lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)

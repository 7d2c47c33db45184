"""Rows of a table -> mails, and what is wrong with a row."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from outbox.core import limits, places
from outbox.core.attachment import Attachment
from outbox.core.errors import InvalidMail, InvalidRequest, Problem
from outbox.core.mail import ListUnsubscribe, Mail
from outbox.core.message import Message, message_of
from outbox.flows.columns import CODE, Columns
from outbox.flows.support import aware

# 96 bits: among a billion rows, one chance in 10^11 that two different ones meet, which would be a conflict of keys.
DIGEST_BYTES = 12

Fill = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Attach = Callable[[str], "Attached"]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: where it begins, its cells by column, and what is wrong with its form."""

    number: int
    cells: Mapping[str, Any] = field(repr=False)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes with a mail: where it lies beside the table, its size in bytes, the SHA-256 of its content."""

    attachment: Attachment
    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Made:
    """A mail made of a row; `own_key`: the row brought its key itself."""

    number: int
    mail: Mail
    key: str
    own_key: bool = False
    send_at: datetime | None = None
    attached: tuple[Attached, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every row that does not say otherwise; `tags` are added to those of the row."""

    sender: str = ""
    tags: tuple[str, ...] = ()
    send_at: datetime | None = None
    urgent: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """Makes a mail of each row: what the template says goes before the column, the column before the default.

    A row without a key gets one of its content, still without the number that `Pass` gives.
    """

    columns: Columns
    defaults: Defaults
    attach: Attach
    fill: Fill | None = None

    def __call__(self, line: Line) -> Made:
        """Make the mail of a row. Raises `InvalidMail` naming every column that is wrong."""
        if line.problems:
            raise InvalidMail(line.problems)
        try:
            return self._made(line)
        except InvalidMail as error:
            raise InvalidMail(self.columns.told(error.problems, line.cells)) from None

    def _made(self, line: Line) -> Made:
        given, problems = self.columns.fields(line.cells)
        if self.fill is not None:
            given |= self.fill(self.columns.variables(line.cells))
        values = {name: value for name, value in given.items() if value not in (None, "", [])}
        parts = _Parts(values, problems)
        key, send_at = parts.key(), parts.moment() or self.defaults.send_at
        attached = parts.attached(self.attach)
        mail = self._mail(parts, [each.attachment for each in attached])
        made = key or f"import-{self._digest(line.cells, attached)}"
        return Made(line.number, mail, made, bool(key), send_at, tuple(attached))

    def _digest(self, cells: Mapping[str, Any], attached: list[Attached]) -> str:
        content = [self.defaults.label, self.columns.content(cells), [each.digest for each in attached]]
        written = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(written.encode()).digest()[:DIGEST_BYTES].hex()

    def _mail(self, parts: "_Parts", attachments: list[Attachment]) -> Mail:
        # The mail says itself which choices there are, and which is taken when none is made.
        chosen: dict[str, Any] = {name: parts.one(name) for name in ("encoding", "on_unknown") if name in parts.values}
        try:
            mail = Mail(
                sender=parts.one("sender") or self.defaults.sender,
                to=parts.recipient(),
                subject=parts.one("subject"),
                text=parts.one("text"),
                html=parts.one("html"),
                cc=parts.several("cc"),
                bcc=parts.several("bcc"),
                reply_to=parts.one("reply_to"),
                insert_code=parts.codes(),
                list_unsubscribe=parts.unsubscribe(),
                tags=list(dict.fromkeys([*parts.several("tags"), *self.defaults.tags])),
                attachments=attachments,
                urgent=self.defaults.urgent,
                **chosen,
            )
        except InvalidMail as error:
            told = {problem.field for problem in parts.problems}
            raise InvalidMail([*parts.problems, *(p for p in error.problems if p.field not in told)]) from None
        if parts.problems:
            raise InvalidMail(parts.problems)
        return mail


class Pass:
    """One pass over a file: numbers the rows of the same content from 1, so that each of them is a mail.

    Equal rows may change places, as their mails are equal too. It remembers about 150 bytes for each different row:
    15 MB for 100,000.
    """

    def __init__(self, make: Import) -> None:
        self._make = make
        self._counts: dict[bytes, int] = {}

    def __call__(self, line: Line) -> Made:
        """Make the mail of a row, with its key. Raises `InvalidMail`."""
        made = self._make(line)
        if made.own_key:
            return made
        content = bytes.fromhex(made.key.rpartition("-")[2])
        number = self._counts[content] = self._counts.get(content, 0) + 1
        return replace(made, key=f"{made.key}-{number}")


class _Parts:
    """The values of a row; whoever reads one of the wrong type gets an empty one, and the problem is noted."""

    def __init__(self, values: Mapping[str, Any], problems: list[Problem]) -> None:
        self.values, self.problems = values, list(problems)

    def one(self, name: str) -> str:
        value = self.values.get(name, "")
        if isinstance(value, str):
            return value
        self._wrong(name, limits.must_be("type.text", type(value).__name__))
        return ""

    def several(self, name: str) -> list[str]:
        value = self.values.get(name, "")
        listed = value.split(";") if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            self._wrong(name, Message("import.texts"))
            return []
        return [each.strip() for each in listed if each.strip()]

    def recipient(self) -> str:
        to = self.one("to")
        if not to:
            self._wrong("to", Message("import.no-recipient"))
        elif ";" in to and to.count("@") > 1:
            self._wrong("to", Message("import.several-recipients"))
        return to

    def key(self) -> str:
        key = self.one("key")
        try:
            return places.check_key(key) if key else ""
        except InvalidRequest as error:
            self._wrong("key", message_of(error))
            return ""

    def moment(self) -> datetime | None:
        written = self.one("send_at")
        try:
            return aware(datetime.fromisoformat(written.strip())) if written else None
        except (ValueError, InvalidRequest):
            self._wrong("send_at", Message("import.moment"))
            return None

    def codes(self) -> dict[str, str]:
        named = [name for name in self.values if name.startswith(CODE)]
        return {name.removeprefix(CODE): self.one(name) for name in named}

    def unsubscribe(self) -> ListUnsubscribe | None:
        said = {"mailto" if each.startswith("mailto:") else "url": each for each in self.several("unsubscribe")}
        return ListUnsubscribe(**said) if said else None

    def attached(self, attach: Attach) -> list[Attached]:
        return list(self._attached(attach))

    def _attached(self, attach: Attach) -> Iterator[Attached]:
        for name in self.several("attach"):
            try:
                yield attach(name)
            except InvalidMail as error:
                self.problems += [Problem("attach", problem.rule) for problem in error.problems]

    def _wrong(self, name: str, rule: str) -> None:
        self.problems.append(Problem(name, rule))

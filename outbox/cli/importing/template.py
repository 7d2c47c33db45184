"""A mail written once with variables, filled for each row: a TOML file whose values are Jinja2 templates."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined
from jinja2.exceptions import SecurityError, UndefinedError

from outbox.cli.importing.bounds import TooLong, at_most
from outbox.cli.importing.sandbox import Sandbox
from outbox.core import limits
from outbox.core.errors import InvalidMail, InvalidRequest, Problem
from outbox.core.text import shorten, size
from outbox.flows.columns import ALSO, CODE, FIELDS, SEVERAL, shown

BODY_FILES = {"text_file": "text", "html_file": "html"}
# A row decides its own key and files.
KEYS = tuple(name for name in FIELDS if name not in {"key", "attach"})
SIZES = {"text": limits.TEXT_BYTES, "html": limits.HTML_BYTES}
# Of one address or tag, long before the limit of the field tells exactly.
SHORT = 4_096
LARGEST_FILE = 1_000_000
# Of the whole process: while mails are written its other threads compute too.
CPU_SECONDS = 2.0


class _Empty(StrictUndefined):
    """A cell with nothing in it: a template may ask for it, and writes nothing of it unasked."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return False


@dataclass(frozen=True, slots=True)
class _Part:
    """One template of the file: which field it is part of, and how long it may become."""

    field: str
    template: Template
    most: int

    def fill(self, variables: Mapping[str, Any]) -> str:
        written, length = [], 0
        for piece in self.template.generate({"row": variables, **variables}):
            length += size(piece)
            if length > self.most:
                raise OverflowError
            written.append(piece)
        return "".join(written)


class MailTemplate:
    """A template read from its file. Raises `InvalidRequest` naming file and line."""

    def __init__(self, path: Path) -> None:
        self.path, self.files = path, [path]
        self._text, self._html = Sandbox(html=False), Sandbox(html=True)
        self._source = _read(path)
        self.sources = [self._source]
        try:
            read = tomllib.loads(self._source)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InvalidRequest(f"{path.name}: {error}") from None
        self._parts = {name: self._compiled(name, value) for name, value in self._named(read)}

    def fill(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Give the fields of one mail. Raises `InvalidMail` naming the field and what its template lacks."""
        values = {name: _Empty(name=name) if value in (None, "") else value for name, value in variables.items()}
        filled: dict[str, Any] = {}
        problems = []
        for name, parts in self._parts.items():
            self._text.begin()
            self._html.begin()
            try:
                with at_most(CPU_SECONDS):
                    texts = [part.fill(values) for part in parts]
            except Exception as error:  # noqa: BLE001  a template can fail in any way
                problems.append(Problem(name, _cause(error, values)))
            else:
                filled[name] = texts if name in SEVERAL else texts[0]
        if problems:
            raise InvalidMail(problems)
        return filled

    def _named(self, read: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        codes = read.get("code", {})
        flat = {name: value for name, value in read.items() if name != "code"}
        flat |= {f"{CODE}{name}": value for name, value in codes.items()} if isinstance(codes, dict) else {}
        given: set[str] = set()
        for key, value in flat.items():
            name = BODY_FILES.get(key) or ALSO.get(key, key)
            if name not in KEYS and not name.startswith(CODE):
                raise self._wrong(key, f"is no part of a mail; known: {', '.join([*KEYS, *BODY_FILES])}, [code]")
            if name in given:
                raise self._wrong(key, f"says {name} a second time")
            given.add(name)
            yield name, self._body(key, value) if key in BODY_FILES else (key, value)

    def _body(self, key: str, written: Any) -> tuple[str, Any]:  # noqa: ANN401  whatever TOML has there
        base = self.path.resolve().parent
        if not isinstance(written, str) or not (path := (base / written).resolve()).is_relative_to(base):
            raise self._wrong(key, f"must name a file in the directory of {self.path.name}, or below")
        self.files.append(path)
        self.sources.append(_read(path))
        return path.name, self.sources[-1]

    def _compiled(self, name: str, named: tuple[str, Any]) -> list[_Part]:
        where, value = named
        listed = value if isinstance(value, list) and name in SEVERAL else [value]
        if not all(isinstance(each, str) for each in listed):
            raise self._wrong(where, "must be text, or a list of texts for " + ", ".join(SEVERAL))
        most = limits.TEXTS_BYTES if name.startswith(CODE) else SIZES.get(name, SHORT)
        return [_Part(name, self._template(name, where, each), most) for each in listed]

    def _template(self, name: str, where: str, text: str) -> Template:
        sandbox = self._html if name == "html" else self._text
        sandbox.begin()
        try:
            # An editor ends a file, and a multi-line value, with a line break that no header may have.
            return sandbox.from_string(text if name in SIZES else text.rstrip("\r\n"))
        except (TemplateSyntaxError, RecursionError) as error:
            line = getattr(error, "lineno", 1)
            said = getattr(error, "message", None) or "is nested too deeply"
            if text == self.sources[-1] and where == self.files[-1].name:
                raise InvalidRequest(f"{where}, line {line}: {said}") from None
            raise InvalidRequest(f"{self.path.name}, line {self._line(where) + line - 1} ({name}): {said}") from None

    def _wrong(self, key: str, rule: str) -> InvalidRequest:
        return InvalidRequest(f"{self.path.name}, line {self._line(key)}: {shown(key)} {rule}")

    def _line(self, key: str) -> int:
        """Find the line in which the value of a key begins; TOML's own reader does not tell."""
        found = re.search(
            rf"^[ \t]*[\"']?{re.escape(key.removeprefix(CODE))}[\"']?[ \t]*=[ \t]*((?:\"\"\"|''')\r?\n)?",
            self._source,
            re.MULTILINE,
        )
        return self._source.count("\n", 0, found.end()) + 1 if found else 1


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            read = file.read(LARGEST_FILE + 1)
        if len(read) > LARGEST_FILE:
            raise InvalidRequest(f"{path.name} has more than {LARGEST_FILE:,} bytes")
        return read.decode("utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidRequest(f"{path.name}, line {line}: is not UTF-8") from None


def _cause(error: Exception, values: Mapping[str, Any]) -> str:
    """Say why a template could not be filled, without a word of what is in the cells."""
    if isinstance(error, UndefinedError):
        said = str(error)
        found = re.match(r"'(.+)' is undefined", said)
        if found and isinstance(values.get(found[1]), Undefined):
            return f"needs the column {shown(found[1])}, which is empty in this row"
        return (
            f"needs the column {shown(found[1])}, which is not there"
            if found
            else f"needs what is not there: {shorten(said, 100)}"
        )
    if isinstance(error, SecurityError):
        return f"does what no template may: {error}"
    if isinstance(error, (OverflowError, MemoryError)):
        return "its template makes something too large"
    if isinstance(error, (TooLong, RecursionError)):
        return f"its template takes more than {CPU_SECONDS:g} seconds, or never ends"
    return f"its template cannot be filled with this row ({type(error).__name__})"

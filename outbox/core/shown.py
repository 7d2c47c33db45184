"""Mails are hostile input: what a person is shown can neither move a cursor nor hide or reorder text."""

import base64
import json
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Joiners make emoji and some scripts readable and move nothing.
HARMLESS = "\u200c\u200d"
DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
MARK = "\ufffd"


def safe(value: object, *, lines: bool = False) -> str:
    """Give a text without control, direction and line-separator characters; with `lines`, line breaks stay."""
    text = str(value).replace("\r\n", "\n").replace("\t", "    ")
    if not lines:
        text = text.replace("\n", " ")
    return "".join(char if char == "\n" or not _dangerous(char) else MARK for char in text)


def words(value: object) -> str:
    """Describe any value a row may hold; binary is only counted."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value):,} bytes"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={words(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(words(part) for part in value)
    return str(value)


def dumps(data: object, *, indent: int | None = None, only_ascii: bool = False) -> str:
    """Write data as JSON without a loss: bytes as base64, and characters a terminal would act on as escapes."""
    written = json.dumps(data, ensure_ascii=only_ascii, default=_plain, indent=indent)
    return re.sub(r"[^\x20-\x7e\n]", _escaped, written)


def _dangerous(char: str) -> bool:
    return char not in HARMLESS and unicodedata.category(char) in DANGEROUS


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if _dangerous(match[0]) else match[0]


def _plain(value: object) -> Any:  # noqa: ANN401  whatever JSON takes
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        # As a number where one says the same, which is nearly always.
        number = int(value) if value == value.to_integral_value() else float(value)
        return number if Decimal(repr(number)) == value else str(value)
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)

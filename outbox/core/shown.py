"""Mails are hostile input: what a person is shown can neither move a cursor nor hide or reorder text."""

import base64
import json
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

# Joiners make emoji and some scripts readable and move nothing.
HARMLESS = "\u200c\u200d"
DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
MARK = "\ufffd"
# Digits of the largest number that DynamoDB keeps.
LONGEST_NUMBER = 126


def safe(value: object, *, lines: bool = False) -> str:
    """Give a text without control, direction and line-separator characters; with `lines`, line breaks stay."""
    return str(value).replace("\r\n", "\n").translate(_IN_LINES if lines else _IN_ONE_LINE)


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
    return written.translate(_IN_JSON)


def _dangerous(char: str) -> bool:
    return char not in HARMLESS and unicodedata.category(char) in DANGEROUS


class _Table(dict[int, int | str]):
    """What each character is written as; one that is met for the first time is looked at and remembered."""

    def __init__(self, known: Mapping[int, int | str], dangerous: Callable[[str], str]) -> None:
        super().__init__(known)
        self._written = dangerous

    def __missing__(self, code: int) -> int | str:
        char = chr(code)
        self[code] = self._written(char) if _dangerous(char) else code
        return self[code]


_IN_LINES = _Table({ord("\t"): "    ", ord("\n"): "\n"}, lambda _: MARK)
_IN_ONE_LINE = _Table({ord("\t"): "    ", ord("\n"): " "}, lambda _: MARK)
_IN_JSON = _Table({ord("\n"): "\n"}, lambda char: json.dumps(char)[1:-1])


def _plain(value: object) -> Any:  # noqa: ANN401  whatever JSON takes
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        # As a number where one says the same, which is nearly always.
        # The exponent of a number that no table holds would make an integer of any length.
        whole = value.adjusted() < LONGEST_NUMBER and value == value.to_integral_value()
        number = int(value) if whole else float(value)
        return number if Decimal(repr(number)) == value else str(value)
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)

"""Take values out of a JSON object and note what is wrong with them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from outbox.local.sandbox import captured, invented
from outbox.local.sandbox.errors import FieldErrors

Path = tuple[str | int, ...]

# Carriers gave out addresses such as a..b.@docomo.ne.jp: dots may stand anywhere before the @.
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
ADDRESS_LIMITS = (6, 254)


class Reader:
    """One object under examination; every error goes under its path."""

    def __init__(self, values: dict[str, Any], errors: FieldErrors, path: Path = ()) -> None:
        self._values = values
        self._errors = errors
        self._path = path

    def refuse(self, name: str | int, text: str) -> None:
        """Note an error for one field."""
        self._errors.add((*self._path, name), text)

    def unknown(self, known: frozenset[str]) -> list[str]:
        """Return the names that should not be there."""
        return sorted(set(self._values) - known)

    def text(
        self, name: str, low: int, high: int, *, required: bool = False, size: Callable[[str], int] = len
    ) -> str | None:
        """Return a string within its length limits, None when it is missing or wrong."""
        value = self._values.get(name)
        if value is None:
            if required:
                self.refuse(name, invented.REQUIRED)
            return None
        return self.checked_text(name, value, low, high, size=size)

    def checked_text(
        self, name: str | int, value: object, low: int, high: int, *, size: Callable[[str], int] = len
    ) -> str | None:
        """Return the value when it is a string within its length limits."""
        if not isinstance(value, str):
            self.refuse(name, invented.NOT_A_TEXT)
        elif not low <= size(value) <= high:
            self.refuse(name, invented.length_out_of_range(low, high))
        else:
            return value
        return None

    def address(self, name: str, *, required: bool = False) -> str | None:
        """Return a mail address, None when it is missing or wrong."""
        value = self.text(name, *ADDRESS_LIMITS, required=required)
        return None if value is None else self._well_formed(name, value)

    def addresses(self, name: str, most: int) -> tuple[str, ...]:
        """Return a list of mail addresses, without the wrong ones."""
        inner = Reader({}, self._errors, (*self._path, name))
        texts = ((at, inner.checked_text(at, item, *ADDRESS_LIMITS)) for at, item in self.items(name, most))
        found = (inner._well_formed(at, text) for at, text in texts if text is not None)
        return tuple(address for address in found if address is not None)

    def _well_formed(self, name: str | int, value: str) -> str | None:
        if value.isascii() and _ADDRESS.fullmatch(value):
            return value
        self.refuse(name, captured.invalid_format(value))
        return None

    def items(self, name: str, most: int) -> Iterator[tuple[int, Any]]:
        """Go through a list with positions; nothing when it is missing, wrong or too long."""
        value = self._values.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.refuse(name, invented.NOT_A_LIST)
        elif len(value) > most:
            self.refuse(name, invented.too_many(most))
        else:
            yield from enumerate(value)

    def objects(self, name: str, most: int) -> Iterator["Reader"]:
        """Go through a list of objects."""
        for at, item in self.items(name, most):
            if isinstance(item, dict):
                yield Reader(item, self._errors, (*self._path, name, at))
            else:
                self._errors.add((*self._path, name, at), invented.NOT_AN_OBJECT)

    def inner(self, name: str, *, required: bool = False) -> "Reader | None":
        """Return the object in a field, None when it is missing or wrong."""
        value = self._values.get(name)
        if isinstance(value, dict):
            return Reader(value, self._errors, (*self._path, name))
        if value is not None:
            self.refuse(name, invented.NOT_AN_OBJECT)
        elif required:
            self.refuse(name, invented.REQUIRED)
        return None

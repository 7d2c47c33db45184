"""Read the query of a search; parameters that the mail API does not know are ignored."""

import re
from datetime import datetime

from starlette.datastructures import QueryParams

from outbox.local.sandbox import invented
from outbox.local.sandbox.errors import FieldErrors


class Query:
    """The parameters, every wrong one noted under its name."""

    def __init__(self, params: QueryParams) -> None:
        self._params = params
        self._errors = FieldErrors()

    def raise_if_wrong(self) -> None:
        """Raise Invalid when a parameter was wrong."""
        self._errors.raise_if_any()

    def text(self, name: str, most: int) -> str | None:
        """Return a text of limited length."""
        value = self._params.get(name)
        if value is not None and len(value) > most:
            self._errors.add([name], invented.length_out_of_range(0, most))
        return value or None

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within its bounds."""
        value = self._params.get(name)
        if value is None or value == "":
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            self._errors.add([name], invented.NOT_A_NUMBER)
            return None
        if not low <= int(value) <= high:
            self._errors.add([name], invented.out_of_range(low, high))
        return int(value)

    def many(self, name: str, most: int, choices: tuple[str, ...] | None = None) -> frozenset[str]:
        """Return the values of `name[]`; empty means no filter, and so does ALL among them."""
        values = self._params.getlist(f"{name}[]")
        if len(values) > most:
            self._errors.add([name], invented.too_many(most))
        for at, value in enumerate(values):
            if choices is not None and value not in choices:
                self._errors.add([name, at], invented.not_one_of(choices))
        return frozenset() if "ALL" in values else frozenset(values)

    def time(self, name: str) -> float | None:
        """Return a moment in seconds since 1970; a date without time and offset is refused."""
        value = self._params.get(name)
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self._errors.add([name], invented.NOT_A_TIME)
            return None
        return moment.timestamp()

    def sorting(self, name: str, fields: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
        """Return pairs of field and whether it descends."""
        choices = tuple(f"{field}:{order}" for field in fields for order in ("asc", "desc"))
        items = tuple(item.strip() for item in self._params.get(name, "").split(",") if item.strip())
        if any(item not in choices for item in items):
            self._errors.add([name], invented.not_one_of(choices))
            return ()
        return tuple((item.partition(":")[0], item.endswith(":desc")) for item in items)

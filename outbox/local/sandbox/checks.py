"""Refuse JSON from a person or a test with a sentence that names the field."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx

Check = Callable[[object], Any]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HIGHEST_PORT = 65_535


class BadInput(ValueError):
    """The field and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def fields(payload: object, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the checked values of an object; raises BadInput at the first unknown or wrong field."""
    if not isinstance(payload, dict):
        raise BadInput("body", "must be a JSON object")
    return {name: _checked(name, value, checks) for name, value in payload.items()}


def _checked(name: str, value: object, checks: Mapping[str, Check]) -> object:
    if name not in checks:
        raise BadInput(name, f"is not known; known are {', '.join(sorted(checks))}")
    try:
        return checks[name](value)
    except BadInput as inner:
        raise BadInput(f"{name}.{inner.field}", inner.problem) from None
    except ValueError as problem:
        raise BadInput(name, str(problem)) from None


def integer(low: int, high: int) -> Check:
    """Accept a whole number within the bounds, both included."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"must be a whole number from {low} to {high}, not {value!r}"
            raise ValueError(msg)
        return value

    return check


def number(low: float, high: float) -> Check:
    """Accept a number within the bounds, both included."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            msg = f"must be a number from {low:g} to {high:g}, not {value!r}"
            raise ValueError(msg)
        return float(value)

    return check


def one_of(*choices: object) -> Check:
    """Accept one of the given values."""

    def check(value: object) -> object:
        # `True == 1`: compare types as well, or `true` would pass for a status of 1.
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            msg = f"must be one of {', '.join(map(str, choices))}, not {value!r}"
            raise ValueError(msg)
        return value

    return check


def text(*, least: int = 1) -> Check:
    """Accept a string of at least so many characters."""

    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) < least:
            msg = f"must be a text of at least {least} characters, not {value!r}"
            raise ValueError(msg)
        return value

    return check


def header(value: object) -> str:
    """Accept what can be put into an HTTP header, however absurd; a number becomes its digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        msg = f"must be a text or a number, not {value!r}"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for every check
    shown = str(value)
    if not shown.isascii() or not (shown.isprintable() or not shown):
        msg = "must be printable ASCII, it goes into an HTTP header"
        raise ValueError(msg)
    return shown


def secret(*, without: str = "") -> Check:
    """Accept a printable text without these characters; what was given is never repeated in the refusal."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not (value.isprintable() or not value) or set(value) & set(without):
            msg = f"must be a text of printable characters{f' without {without!r}' if without else ''}"
            raise ValueError(msg)
        return value

    return check


def loopback_url(value: object) -> str:
    """Accept an http URL of this machine's loopback, or nothing; the URL may hold a secret and is not repeated."""
    # Parsed by what will call it: two parsers may disagree on which part of an odd URL is the host.
    try:
        url = httpx.URL(value) if isinstance(value, str) else None
    except httpx.InvalidURL:
        url = None
    if not isinstance(value, str) or url is None:
        msg = "must be a URL, or empty"
        raise ValueError(msg)
    if value and (url.scheme != "http" or url.host not in LOOPBACK or (url.port or 0) > _HIGHEST_PORT):
        msg = "must begin with http://127.0.0.1, http://localhost or http://[::1]: nothing leaves this machine"
        raise ValueError(msg)
    if url.userinfo:
        msg = "must not hold a user or password; there is webhook_user and webhook_password"
        raise ValueError(msg)
    return value


def optional(check: Check) -> Check:
    """Accept null as well."""
    return lambda value: None if value is None else check(value)


def inner(checks: Mapping[str, Check]) -> Check:
    """Accept an object with the given fields."""
    return lambda value: fields(value, checks)

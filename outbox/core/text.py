"""Which characters may stand where: the one guard against header injection."""

import re
from functools import cache

BODY_CONTROLS = "\r\n\t"
# Control characters (Cc), halves of surrogate pairs (Cs), and the two separators that some take for line breaks.
_BAD = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"


def bad_character(text: str, allowed: str = "") -> str | None:
    """Name the first character that could break out of a header, or cannot be encoded; None if all is well."""
    bad = _bad(allowed).search(text)
    return f"U+{ord(bad[0]):04X}" if bad else None


@cache
def _bad(allowed: str) -> re.Pattern[str]:
    return re.compile(f"(?![{re.escape(allowed)}]){_BAD}" if allowed else _BAD)


def size(text: str) -> int:
    """Count the bytes of a text in UTF-8; lone surrogates count as three."""
    return len(text.encode("utf-8", "surrogatepass"))


def shorten(text: str, limit: int) -> str:
    """Cut a text to so many characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def mask(email: str) -> str:
    """Show enough of an address to recognise it in a log, and not who it is: t***@example.com."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}***{at}{domain}" if at else "***"

"""Which characters may stand where: the one guard against header injection."""

import unicodedata

LINE_SEPARATORS = "\u2028\u2029"
BODY_CONTROLS = "\r\n\t"


def bad_character(text: str, allowed: str = "") -> str | None:
    """Name the first character that could break out of a header, or cannot be encoded; None if all is well."""
    for char in text:
        if char in allowed:
            continue
        if unicodedata.category(char) in {"Cc", "Cs"} or char in LINE_SEPARATORS:
            return f"U+{ord(char):04X}"
    return None


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

"""Parts of a mail as a person reads and types them in a form, and back: nothing that was not touched is rewritten.

| part        | in the form                                                                       |
|-------------|-----------------------------------------------------------------------------------|
| addresses   | one per line, or with commas; a comma in a name stays one                           |
| tags        | one per line                                                                        |
| insert code | NAME=VALUE, one per line; a line that begins with a blank goes on the one before it |
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from outbox.core.address import Address
from outbox.core.errors import InvalidMail, Problem
from outbox.core.message import Message
from outbox.core.shown import words

# What a browser, or UTF-8, does not give back as it was.
UNSHOWABLE = re.compile("[\0\ud800-\udfff]")
COMMAS = ",;，；、"
CODES = "insert_code"
# Lines that are wrong; more than that nobody corrects one by one.
MOST_TOLD = 20


def line(value: object) -> str:
    """Write a text for a field of one line."""
    return lines(value).replace("\n", " ")


def lines(value: object) -> str:
    """Write a text for a field of many lines, as a browser gives it back."""
    return UNSHOWABLE.sub("\ufffd", _text(value).replace("\r\n", "\n").replace("\r", "\n"))


def flag(value: object) -> str:
    """Write yes or no for a box to tick."""
    return "yes" if value is True else ""


def addresses(value: object) -> str:
    """Write addresses one per line, names in quotes where a comma would divide them."""
    return "\n".join(line(_plain(each)) for each in _listed(value))


def tags(value: object) -> str:
    """Write tags one per line."""
    return "\n".join(map(line, _listed(value)))


def codes(value: object) -> str:
    """Write insert codes as NAME=VALUE, one per line; lines of a value but its first begin with a blank."""
    if not isinstance(value, Mapping):
        return "\n".join(map(line, _listed(value)))
    return "\n".join(f"{line(name)}={lines(part)}".replace("\n", "\n ") for name, part in value.items())


def read_addresses(typed: str) -> list[str]:
    """Read addresses on lines of their own or divided by commas, as they were typed."""
    return [each for written in typed.split("\n") if written.strip() for each in _divided(written)]


def read_tags(typed: str) -> list[str]:
    """Read tags, each on a line."""
    return [each.strip() for each in typed.split("\n") if each.strip()]


def read_codes(typed: str) -> dict[str, str]:
    """Read insert codes. Raises `InvalidMail` naming the first lines that are none."""
    found: dict[str, list[str]] = {}
    problems: list[Problem] = []
    name = ""
    for number, written in enumerate(typed.split("\n"), 1):
        if written.startswith(" ") and name:
            found[name].append(written[1:])
            continue
        if not written.strip():
            continue
        if len(problems) == MOST_TOLD:
            break
        name, equals, value = written.partition("=")
        name = name.strip()
        if not equals:
            problems.append(Problem(CODES, Message("rule.variable-line", number=number)))
        elif name in found:
            problems.append(Problem(CODES, Message("rule.variable-twice", number=number, name=name[:40])))
        found[name] = [value]
    if problems:
        raise InvalidMail(problems)
    return {name: "\n".join(values) for name, values in found.items()}


def like(before: object, new: Any) -> Any:  # noqa: ANN401  whatever a part of a mail is
    """Give a text with the line ends of the one it replaces; also those of insert codes, each by its name."""
    if isinstance(new, dict):
        old = before if isinstance(before, Mapping) else {}
        return {name: like(old.get(name), value) for name, value in new.items()}
    if not isinstance(new, str) or not isinstance(before, str):
        return new
    windows = "\r\n" in before and "\n" not in before.replace("\r\n", "")
    return new.replace("\n", "\r\n") if windows else new


def _divided(written: str) -> Iterable[str]:
    """Divide a line at commas that follow an address: one before an @ belongs to a name."""
    start, quoted, angle, address, skip = 0, False, False, False, False
    for place, char in enumerate(written):
        if skip:
            skip = False
        elif quoted:
            skip, quoted = char == "\\", char != '"'
        elif char in COMMAS and address and not angle:
            yield from _some(written[start:place])
            start, address = place + 1, False
        else:
            quoted, angle = char == '"', (angle or char == "<") and char != ">"
            address = address or char == "@"
    yield from _some(written[start:])


def _some(written: str) -> Iterable[str]:
    stripped = written.strip().strip(COMMAS).strip()
    return [stripped] if stripped else []


def _plain(value: object) -> object:
    try:
        return str(Address.parse(value)) if isinstance(value, str) else value
    except InvalidMail:
        return value


def _listed(value: object) -> list[Any]:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return list(value) if isinstance(value, (list, tuple)) else [] if value in (None, "") else [value]


def _text(value: object) -> str:
    """Give any value as a text that can be corrected."""
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode(errors="replace")
    return words(value)


# How each part is written into the form and read from it.
WRITE: Mapping[str, Callable[[object], str]] = {
    "sender": line, "to": line, "cc": addresses, "bcc": addresses, "reply_to": line, "subject": line, "text": lines,
    "html": lines, CODES: codes, "tags": tags, "urgent": flag,
}  # fmt: skip
READ: Mapping[str, Callable[[str], Any]] = {
    "cc": read_addresses, "bcc": read_addresses, CODES: read_codes, "tags": read_tags, "urgent": bool,
}  # fmt: skip

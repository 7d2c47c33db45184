"""All that is wrong with a row as a mail, at once: so that each message can stand beside its field."""

import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

from outbox.core.errors import InvalidMail, Problem, RowBroken
from outbox.core.mail import Mail
from outbox.core.row import PARTS, Item, part_of

# In place of what is wrong, so that the rest can be looked at: a mail stops at its first kind of problem.
SOMEBODY = "somebody@example.com"
STAND_INS: Mapping[str, str] = {"sender": SOMEBODY, "to": SOMEBODY, "subject": "-", "text": "-"}
PART = re.compile(r"(?P<name>\w+)(?:\[(?P<number>\d+)\])?.*", re.DOTALL)


def faults(whole: Item) -> list[Problem]:
    """List everything that keeps a mail from being made of these attributes, each once."""
    found = [Problem(name, "is missing") for name in ("sender", "to", "subject") if name not in whole]
    parts: dict[str, Any] = {problem.field: STAND_INS[problem.field] for problem in found}
    for name in PARTS:
        if name not in whole:
            continue
        try:
            parts[name] = part_of(whole, name)
        except (RowBroken, InvalidMail) as wrong:
            found += [wrong.problem] if isinstance(wrong, RowBroken) else wrong.problems
            parts = _replaced(parts, name)
    while True:
        try:
            Mail(**parts)
        except InvalidMail as wrong:
            found += wrong.problems
            before, parts = parts, reduce(_without, wrong.problems, parts)
            if parts == before:
                return list(dict.fromkeys(found))
        else:
            return list(dict.fromkeys(found))


def _without(parts: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """Put something harmless in the place of what is wrong."""
    match = PART.fullmatch(problem.field)
    name, number = (match["name"], match["number"]) if match else ("", None)
    if number is not None and isinstance(parts.get(name), list):
        listed = parts[name].copy()
        listed[int(number)] = SOMEBODY
        return parts | {name: listed}
    return _replaced(parts, name)


def _replaced(parts: dict[str, Any], name: str) -> dict[str, Any]:
    if name in STAND_INS:
        return parts | {name: STAND_INS[name]}
    others = {other: value for other, value in parts.items() if other != name}
    # A mail whose HTML is wrong does not lack a text for that.
    return {"text": STAND_INS["text"], **others} if name == "html" else others

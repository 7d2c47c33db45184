"""A sentence as data: a code of the catalogue and its parameters, written out in whatever language somebody reads.

A `Message` is a text, too, the English one: whoever does not translate can print it, compare it to nothing and log it.
On a row it is stored as a map, `{"code": …, parameters…}`, which `stored` gives and `read_back` reads.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from outbox.core.catalogue import SENTENCES
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.text import shorten

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
# `{name}`, or `{name:,}` for a number with thousands separated.
HOLE = re.compile(r"\{(\w+)(:,)?\}")
# What a row stores of a parameter: the words of others are quoted, not kept whole.
LONGEST_PARAMETER, MOST_PARTS, DEEPEST = 500, 20, 8
LONGEST = 1000
UNSAID = "…"
SEPARATORS: Mapping[Language, str] = {"en": "; ", "ja": "、"}
ERRORS, EVENTS = frozenset(map(str, ErrorCode)), frozenset(map(str, EventCode))


class Message(str):
    """One sentence, in English; `code` and `params` say the same in any language."""

    __slots__ = ("code", "params")
    code: str
    params: Mapping[str, Any]

    def __new__(cls, code: str, /, **params: Any) -> Self:  # noqa: ANN401  whatever a sentence tells of
        """Make it. Raises `KeyError` for a code that the catalogue does not have."""
        message = super().__new__(cls, _filled(SENTENCES[code], params, "en"))
        message.code, message.params = str(code), params
        return message

    def __reduce__(self) -> Any:  # noqa: ANN401  pickle's own
        return _unpickled, (self.code, dict(self.params))


def render(value: object, language: Language, depth: int = 0) -> str:
    """Write a message in a language, also one as it is stored; any other text stays as it is.

    What a person may have typed on a row is told as far as it goes: nothing raises, and what is nested deeper than
    any message is left out.
    """
    if depth > DEEPEST:
        return UNSAID
    if isinstance(value, Message):
        return _filled(SENTENCES[value.code], value.params, language, depth)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return _of_stored(value, language, depth)
    if isinstance(value, (list, tuple)):
        parts = [render(part, language, depth + 1).rstrip(".。") for part in value]
        return SEPARATORS[language].join(parts)
    return str(value)


def message_of(error: BaseException) -> str:
    """Give what an error says: its `Message` if it has one, which can be translated, else its text."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Message) else str(error)


def stored(value: object, depth: int = 0) -> Any:  # noqa: ANN401  what a row can hold
    """Give the form in which a parameter stands on a row: short, and only types every table takes."""
    if depth > DEEPEST:
        return UNSAID
    if isinstance(value, Message):
        return {"code": value.code} | {name: stored(part, depth + 1) for name, part in value.params.items()}
    if isinstance(value, Mapping):
        return {str(name): stored(part, depth + 1) for name, part in list(value.items())[:MOST_PARTS]}
    if isinstance(value, (list, tuple)):
        return [stored(part, depth + 1) for part in value[:MOST_PARTS]]
    if isinstance(value, (bool, int)) or value is None:
        return value
    return shorten(str(value), LONGEST_PARAMETER)


def read_back(value: Mapping[str, Any]) -> Message | None:
    """Give the message that `stored` made a map of; None for whatever else a map is.

    Its parameters stay as they are stored: `render` reads them.
    """
    code = value.get("code")
    if not isinstance(code, str) or code not in SENTENCES:
        return None
    return Message(code, **{str(name): part for name, part in value.items() if name != "code"})


def reason(item: Mapping[str, Any], language: Language) -> str:
    """Say why a row is where it is: from its code and details, or, where a person broke those, as `reason` has it."""
    error, details = item.get("error"), item.get("details")
    key = f"error.{error}"
    if isinstance(error, str) and error in ERRORS and isinstance(details, Mapping) and _fits(key, details):
        return shorten(_filled(SENTENCES[key], details, language), LONGEST)
    if "status" in item and (said := _finished(item, language)):
        return said
    return shorten(str(item.get("reason", "")), LONGEST)


def event(what: object, language: Language) -> str:
    """Say in a word what an event of a timeline is; one that nobody knows is shown as it is."""
    if isinstance(what, str) and what in EVENTS:
        return _filled(SENTENCES[f"event.{what}"], {}, language)
    return str(what)


def event_reason(event: Mapping[str, Any], language: Language) -> str:
    """Say why an event happened, from its code and details; empty where it has none."""
    return reason({name: event[name] for name in ("error", "details", "reason") if name in event}, language)


def _finished(item: Mapping[str, Any], language: Language) -> str:
    """Say of a mail in history how it got there; empty for others."""
    if "forgotten_at" in item:
        return _filled(SENTENCES["finished.erased"], {}, language)
    by = str(item.get("confirmed_by", ""))
    if item.get("status") == "SENT":
        code = "finished.found" if by == "records" else "finished.confirmed" if by else "finished.sent"
        return _filled(SENTENCES[code], {"who": by}, language)
    details = item.get("details")
    if item.get("status") == "CANCELLED" and isinstance(details, Mapping) and "who" in details:
        code = "finished.cancelled-in-batch" if "batch" in details else "finished.cancelled"
        return _filled(SENTENCES[code], details, language)
    return ""


def _of_stored(value: Mapping[str, Any], language: Language, depth: int) -> str:
    code = value.get("code")
    if isinstance(code, str) and code in SENTENCES:
        return _filled(SENTENCES[code], value, language, depth)
    if "field" in value and "rule" in value:
        field, rule = (render(value[name], language, depth + 1) for name in ("field", "rule"))
        return f"{_called(field, language)}: {rule}"
    return ", ".join(f"{name}={render(part, language, depth + 1)}" for name, part in value.items())


def _called(field: str, language: Language) -> str:
    """Give what a part of a mail is called: `cc[2]` as the third of its list; what is no part stays as it is."""
    name, bracket, number = field.partition("[")
    called = SENTENCES.get(f"field.{name}")
    return f"{called[LANGUAGES.index(language)]}{bracket}{number}" if called else field


def _fits(key: str, details: Mapping[str, Any]) -> bool:
    """Tell whether a person has left all that a sentence tells of."""
    return all(hole[0] in details for hole in HOLE.findall(SENTENCES[key][0]))


def _filled(sentence: tuple[str, str], params: Mapping[str, Any], language: Language, depth: int = 0) -> str:
    template = sentence[LANGUAGES.index(language)]

    def part(hole: re.Match[str]) -> str:
        value = params.get(hole[1], UNSAID)
        return f"{value:,}" if hole[2] and isinstance(value, int) else render(value, language, depth + 1)

    return HOLE.sub(part, template)


def _unpickled(code: str, params: Mapping[str, Any]) -> Message:
    return Message(code, **params)

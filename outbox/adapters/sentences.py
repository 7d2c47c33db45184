"""Error bodies of the mail API, of any nesting, as one readable sentence."""

import json
from collections.abc import Iterator
from typing import Any

from outbox.adapters.plain_text import plain_text
from outbox.core.message import Message
from outbox.core.text import shorten

LONGEST = 480
DEEPEST = 20


def sentence_of(status: int, body: str) -> Message:
    """Say what an error body says, in its own words; fields come as a path: `to.0.cc: invalid format.`"""
    if said := shorten(_said(body), LONGEST):
        return Message("answer-said", said=said, status=status)
    return Message("answer-without-reason", status=status)


def _said(body: str) -> str:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return " ".join(plain_text(body).split())
    if isinstance(answer, dict) and "error_messages" in answer:
        answer = answer["error_messages"]
    elif isinstance(answer, dict) and isinstance(answer.get("message"), str):
        answer = answer["message"] or answer.get("error") or ""
    said, length = [], 0
    for leaf in _leaves(answer, ()):
        said.append(leaf)
        length += len(leaf)
        if length > LONGEST:
            break
    return "; ".join(said)


def _leaves(part: Any, path: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401  JSON of any shape
    if len(path) > DEEPEST:
        yield f"{'.'.join(path)}: …"
    elif isinstance(part, dict):
        for key, value in part.items():
            # `main` is where the API puts what belongs to no field.
            yield from _leaves(value, path if key == "main" and not path else (*path, str(key)))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            nested = isinstance(value, (dict, list))
            yield from _leaves(value, (*path, str(number)) if nested else path)
    elif part is not None and str(part).strip():
        text = " ".join(str(part).split())
        yield f"{'.'.join(path)}: {text}" if path else text

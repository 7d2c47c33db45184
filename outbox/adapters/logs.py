"""JSON log lines that never hold a token, a body or a full address, whatever a caller puts into them."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import structlog

from outbox.core.text import mask, shorten

# Loose on purpose: better a masked word too many than one address too few. It begins where a word begins, so that a
# long word without an @ is not read again from each of its letters.
_ADDRESS = re.compile(
    r"(?<![^\s<>\"'(),;:=\[\]{}])[^\s<>\"'(),;:=\[\]{}][^\s<>\"'(),;:=\[\]{}@]*@[^\s<>\"'(),;:\[\]{}]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w+/=.~-]+")
_TOKEN = re.compile(r"\b[A-Za-z0-9+/_-]{86}==")
_SECRET_NAMES = re.compile(r"(?i)token|secret(?!_id)|password|api_?key|authorization|cookie")
_BODY_NAMES = {"text", "html", "subject", "text_part", "html_part", "insert_code", "content", "body", "data", "request"}
LONGEST_VALUE = 2000
# A token has as many characters at least.
LONGEST_WORD = 88


def configure(level: str = "INFO") -> None:
    """Send every log line of this process to stdout as JSON, those of libraries from WARNING up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_drop_record, *_RENDER], foreign_pre_chain=_FIRST)
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_FIRST, *_RENDER],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask addresses, tokens and bodies in a log line, at any depth."""
    return {_scrub_name(str(name)): _clean(str(name), value, 0) for name, value in event.items()}


def _clean(name: str, value: Any, depth: int) -> Any:  # noqa: ANN401  whatever somebody logs
    if _is_private(name):
        return "[left out]"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping) and depth < 4:
        return {_scrub_name(str(key)): _clean(str(key), part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < 4:
        return [_clean("", part, depth + 1) for part in value]
    if isinstance(value, (bytes, bytearray)):
        return f"[{len(value)} bytes]"
    return _scrub(str(value))


# The same few names come with every line.
@lru_cache(256)
def _is_private(name: str) -> bool:
    return bool(_SECRET_NAMES.search(name)) or name.lower() in _BODY_NAMES


@lru_cache(256)
def _scrub_name(name: str) -> str:
    return _scrub(name)


def _scrub(text: str) -> str:
    # Most values are short words; the looks at the text say which of the searches could find anything.
    if len(text) >= LONGEST_WORD and "==" in text:
        text = _TOKEN.sub("[left out]", text)
    if len(text.split(None, 1)) > 1:
        text = _BEARER.sub("[left out]", text)
    if "@" in text:
        text = _ADDRESS.sub(lambda match: mask(match[0]), text)
    return shorten(text, LONGEST_VALUE)


def _name_error(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say where an error came from without its message, which may quote a mail."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["code"] = (
            getattr(error, "response", {}).get("Error", {}).get("Code") if hasattr(error, "response") else None
        )
        event["at"] = _places(error)
    return event


def _places(error: BaseException) -> list[str]:
    trace, places = error.__traceback__, []
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-12:]


def _drop_record(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out what `ProcessorFormatter` adds for its own use."""
    return {name: value for name, value in event.items() if name not in {"_record", "_from_structlog"}}


_FIRST: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _name_error,
]
_RENDER: list[Any] = [redact, structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]

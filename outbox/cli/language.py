"""The language of whoever reads the answer: reasons and events are rendered in it, JSON never is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from outbox.core import message
from outbox.core.message import LANGUAGES, Language, Message
from outbox.core.row import Event, Row

LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
_spoken: ContextVar[Language] = ContextVar("language", default="en")


def of_environment(environment: Mapping[str, str]) -> Language:
    """Give the language a shell is set to: `OUTBOX_LANGUAGE`, else that of the locale, else English."""
    wanted = environment.get("OUTBOX_LANGUAGE", "")
    for language in LANGUAGES:
        if wanted == language:
            return language
    locale = next((environment[name] for name in LOCALE if environment.get(name)), "")
    return "ja" if locale.lower().startswith("ja") else "en"


@contextmanager
def spoken(language: Language) -> Iterator[None]:
    """Render in a language until the end, unless `speak` chooses another one meanwhile."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def speak(language: Language) -> None:
    """Render in a language from now on."""
    _spoken.set(language)


def current() -> Language:
    """Give the reader's language."""
    return _spoken.get()


def told(value: object) -> object:
    """Write out a `Message` for the reader; anything else stays as it is."""
    return message.render(value, _spoken.get()) if isinstance(value, Message) else value


def why(row: Row) -> str:
    """Say why a mail is where it is."""
    return message.reason(row.item, _spoken.get())


def event(what: object) -> str:
    """Say in a word what happened."""
    return message.event(what, _spoken.get())


def why_event(happened: Event) -> str:
    """Say why an event happened; empty where it does not tell."""
    doubt = happened.get("why")
    said = message.event_reason(happened, _spoken.get())
    return said or (message.render(doubt, _spoken.get()) if doubt is not None else "")

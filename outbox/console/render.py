"""Draws pages: templates with everything escaped, in the viewer's language and zone."""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from outbox.console import times
from outbox.console.ask import Ask, address
from outbox.console.words import LANGUAGES
from outbox.core.bounce import problem_of
from outbox.core.message import Message, reason
from outbox.core.row import Row
from outbox.core.shown import safe, words

TEMPLATES = Path(__file__).parent / "templates"
BEFORE = {
    "seconds": "%(number)d seconds ago",
    "minutes": "%(number)d minutes ago",
    "hours": "%(number)d hours ago",
    "days": "%(number)d days ago",
}
LATER = {
    "seconds": "in %(number)d seconds",
    "minutes": "in %(number)d minutes",
    "hours": "in %(number)d hours",
    "days": "in %(number)d days",
}


@cache
def environment() -> Environment:
    """Give what templates are read with, and keeps them compiled; a name that is not there is an error, not nothing."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    made.filters |= {"safe_text": safe, "words": _words, "when": when, "ago": ago, "said": said, "why": why}
    made.globals |= {"address": address, "LANGUAGES": LANGUAGES, "problem_of": problem_of}
    return made


def drawn(template: str, *, ask: Ask, **values: Any) -> str:  # noqa: ANN401  whatever a template takes
    """Draw a template for an `Ask`, its texts in that viewer's language."""
    return environment().get_template(template).render(ask=ask, _=partial(_spoken, ask), **values)


def _spoken(ask: Ask, english: str, /, **values: Any) -> Markup:  # noqa: ANN401  whatever can be written
    """Say something in the viewer's language; our own words are trusted, the values are not."""
    said = Markup(ask.words(english))  # noqa: S704  the catalogue is ours
    return said % {name: Markup.escape(value) for name, value in values.items()} if values else said


def _words(value: object, *, lines: bool = False) -> str:
    """Describe whatever a row holds, with nothing in it that could reorder the page."""
    return safe(words(value), lines=lines)


@pass_context
def said(context: Context, sentence: object) -> str:
    """Give what the service says, in the viewer's language; any other text as it is."""
    ask: Ask = context["ask"]
    told = ask.words.said(sentence) if isinstance(sentence, Message) else words(sentence)
    return safe(times.local(told, ask.zone))


@pass_context
def why(context: Context, row: Row) -> str:
    """Say why a mail is where it is, in the viewer's language; empty where nothing is known."""
    ask: Ask = context["ask"]
    return safe(times.local(reason(row.item, ask.words.code), ask.zone))


@pass_context
def when(context: Context, written: object) -> Markup:
    """Write a moment in the viewer's zone, for people and for machines."""
    ask: Ask = context["ask"]
    found = times.moment(written)
    if found is None:
        return Markup.escape(safe(words(written)))
    values: Mapping[str, str] = {"iso": found.isoformat(), "shown": times.shown(found, ask.zone)}
    return Markup('<time datetime="%(iso)s">%(shown)s</time>') % values


@pass_context
def ago(context: Context, written: object) -> str:
    """Say how long ago a moment was, or when it will be; nothing for what is no moment."""
    ask: Ask = context["ask"]
    found = times.moment(written)
    if found is None:
        return ""
    number, unit = times.ago(min(found, ask.now), max(found, ask.now))
    return ask.words(LATER[unit] if found > ask.now else BEFORE[unit], number=number)

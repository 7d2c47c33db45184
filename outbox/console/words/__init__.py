"""What the console says, in the languages it speaks; English is the language the code is written in.

Each language is a folder of TOML files with two tables: `words`, English to its translation, with `%(name)s` where a
value goes; and `sentences`, for what the service itself has written on a mail, with `{name}` where a value stands. A
sentence that nobody has translated is shown in English: better understood half than not at all.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LANGUAGES = {"en": "English", "ja": "日本語"}
HOLE = re.compile(r"\{(\w+)\}")
# A translation may hold a sentence that the service has put into another one: «Not sent: …».
DEEPEST = 8
# What is longer is no sentence of the service, and matching it would take long.
LONGEST = 1500
WEIGHED = re.compile(r"([A-Za-z0-9*-]+)(?:\s*;\s*q\s*=\s*([01](?:\.\d{0,3})?))?")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with holes: the names of the holes, and what stands before, between and after them."""

    names: tuple[str, ...]
    literals: tuple[str, ...]

    @classmethod
    def of(cls, written: str) -> "Sentence":
        """Read it; every second part is the name of a hole."""
        parts = HOLE.split(written)
        return cls(tuple(parts[1::2]), tuple(parts[::2]))

    def values(self, said: str) -> dict[str, str] | None:
        """Give what stands in the holes, each as short as it can be, if this is the sentence; else None.

        Made by hand: a regular expression takes seconds over a text that somebody has made for it.
        """
        if not said.startswith(self.literals[0]) or not said.endswith(self.literals[-1]):
            return None
        if not self.names:
            return {} if said == self.literals[0] else None
        first, *between, last = self.literals
        found, at, end = [], len(first), len(said) - len(last)
        for literal in between:
            place = said.find(literal, at, end)
            if place < 0:
                return None
            found.append(said[at:place])
            at = place + len(literal)
        if at > end:
            return None
        return dict(zip(self.names, [*found, said[at:end]], strict=False))


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    code: str
    words: Mapping[str, str] = field(default_factory=dict)
    sentences: tuple[tuple[Sentence, str], ...] = ()

    def __call__(self, english: str, **values: Any) -> str:  # noqa: ANN401  whatever can be written
        """Say it, with the values filled in."""
        said = self.words.get(english, english)
        return said % values if values else said

    def said(self, sentence: str) -> str:
        """Translate what the service wrote, as far as it is known."""
        return self.words.get(sentence) or self._said(sentence, 0)

    def _said(self, sentence: str, depth: int) -> str:
        if depth == DEEPEST or len(sentence) > LONGEST:
            return sentence
        for known, translation in self.sentences:
            if (values := known.values(sentence)) is not None:
                # What stands in a hole may be a sentence again; that it reads like a label of a page means nothing.
                parts = {name: self._said(part, depth + 1) for name, part in values.items()}
                return _filled(translation, parts)
        return sentence


@cache
def words(code: str) -> Words:
    """Give a language by its code; English for one we do not speak."""
    if code not in LANGUAGES or code == "en":
        return Words("en")
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / code).glob("*.toml"))]
    known = {english: said for table in tables for english, said in table.get("words", {}).items()}
    sentences = {english: said for table in tables for english, said in table.get("sentences", {}).items()}
    # «{field}: {rule}» fits much that another sentence says better, first of all one that begins in words of its own.
    exact_first = sorted(sentences, key=lambda english: (english.startswith("{"), -len(HOLE.sub("", english))))
    return Words(code, known, tuple((Sentence.of(english), sentences[english]) for english in exact_first))


def chosen(accepted: Iterable[str]) -> str:
    """Choose among the languages a browser asks for, the dearest first."""
    for tag in accepted:
        code = tag.partition("-")[0].lower()
        if code in LANGUAGES:
            return code
    return "en"


def accepted(header: str) -> list[str]:
    """Read an Accept-Language header, the dearest first; what cannot be read is left out."""
    found = [match for part in header[:500].split(",") if (match := WEIGHED.fullmatch(part.strip()))]
    weighed = [(float(match[2] or 1), match[1]) for match in found]
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight]


def _filled(translation: str, parts: Mapping[str, str]) -> str:
    return HOLE.sub(lambda hole: parts.get(hole[1], hole[0]), translation)

"""What stands on pages, in the languages the console speaks; English is the language the code is written in.

Each language is a folder of TOML files with a table `words`: English to its translation, with `%(name)s` where a value
goes. What the service says of mails has a code, and stands in `outbox.core.catalogue` in every language.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from outbox.core.message import Language, render

HERE = Path(__file__).parent
LANGUAGES = {"en": "English", "ja": "日本語"}
WEIGHED = re.compile(r"([A-Za-z0-9*-]+)(?:\s*;\s*q\s*=\s*([01](?:\.\d{0,3})?))?")


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    code: Language
    words: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, english: str, **values: Any) -> str:  # noqa: ANN401  whatever can be written
        """Say it, with the values filled in."""
        said = self.words.get(english, english)
        return said % values if values else said

    def said(self, told: object) -> str:
        """Write out what the service says, a `Message` or one as it is stored; any other text stays as it is."""
        return render(told, self.code)


@cache
def words(code: str) -> Words:
    """Give a language by its code; English for one we do not speak."""
    if code != "ja":
        return Words("en")
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / code).glob("*.toml"))]
    return Words("ja", {english: said for table in tables for english, said in table["words"].items()})


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

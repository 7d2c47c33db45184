"""What people are shown cannot act on their terminal or page, and JSON loses nothing."""

import json
import sys
import unicodedata
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from outbox.core.shown import dumps, safe

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_nothing_dangerous_is_shown(text: str) -> None:
    """No control, direction, surrogate or separator character comes through, but a line break where it is wanted."""
    for lines in (False, True):
        shown = safe(text, lines=lines)
        left = {char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
        assert left <= {"\u200c", "\u200d"} | ({"\n"} if lines else set())


@given(ANY)
def test_json_is_exact_and_harmless(text: str) -> None:
    """JSON gives back the very same text, and what is written is printable."""
    written = dumps({text: text})

    assert json.loads(written) == {text: text}
    assert all(unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"} for char in written)


def test_readable_scripts_stay() -> None:
    """Emoji of several parts, Japanese and accents are left as they are."""
    text = "👩‍💻 髙﨑 é ①"

    assert safe(text) == text
    assert json.loads(dumps(text, only_ascii=True)) == text
    assert dumps(text) == f'"{text}"'


def test_every_character_at_once() -> None:
    """All of Unicode goes through both."""
    everything = "".join(map(chr, range(sys.maxunicode + 1)))

    assert len(safe(everything, lines=True)) >= len(everything) - 1
    # Two lone surrogates side by side are read back as the one character they encode; nothing else differs.
    without = "".join(char for char in everything if unicodedata.category(char) != "Cs")
    assert json.loads(dumps(without)) == without


def test_numbers_of_the_table() -> None:
    """A number that JSON can hold is one, also beyond whole numbers; only more digits than that become text."""
    said = {"price": Decimal("1.5"), "thousand": Decimal("1E+3"), "exact": Decimal("0.12345678901234567890123456789")}

    assert dumps(said) == '{"price": 1.5, "thousand": 1000, "exact": "0.12345678901234567890123456789"}'
    beyond = {"largest": Decimal("9E+125"), "no table's": Decimal("1E+999999")}
    assert dumps(beyond) == f'{{"largest": {9 * 10**125}, "no table\'s": "1E+999999"}}'

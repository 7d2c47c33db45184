"""Which characters may stand where."""

import sys
import unicodedata

from outbox.core.text import BODY_CONTROLS, bad_character


def test_bad_characters_are_those_of_the_unicode_categories():
    """Controls, halves of surrogate pairs and two separators: every other character passes."""
    characters = list(map(chr, range(sys.maxunicode + 1)))
    bad = [char for char in characters if unicodedata.category(char) in {"Cc", "Cs"} or char in "\u2028\u2029"]
    assert [char for char in characters if bad_character(char)] == bad


def test_the_first_bad_character_that_is_not_allowed_is_named():
    """Line breaks may stand in a body; what follows them is still looked at."""
    assert bad_character("a\r\n\tb", BODY_CONTROLS) is None
    assert bad_character("a\r\n\x00b\x01", BODY_CONTROLS) == "U+0000"
    assert bad_character("") is None

"""What is typed and what is held: each comes back as it went."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.console import written

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(TEXTS)
def test_texts_come_back_as_they_went(text: str) -> None:
    """What a browser gives back of an untouched field is what was shown."""
    shown = written.lines(text)

    assert written.lines(shown.replace("\n", "\r\n")) == shown
    assert written.like(text, shown) == text or "\r" in text


@given(st.dictionaries(st.from_regex(r"[0-9a-zA-Z]{1,16}", fullmatch=True), TEXTS, max_size=5))
def test_insert_codes_come_back_as_they_went(codes: dict[str, str]) -> None:
    """Also with several lines, with equals signs, and empty."""
    expected = {name: written.lines(value) for name, value in codes.items()}

    assert written.read_codes(written.codes(codes)) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a@x.jp, b@x.jp", ["a@x.jp", "b@x.jp"]),
        ('"Yamada, Taro" <t@x.jp>, Bob <b@x.jp>', ['"Yamada, Taro" <t@x.jp>', "Bob <b@x.jp>"]),
        ("Yamada, Taro <t@x.jp>; c@x.jp", ["Yamada, Taro <t@x.jp>", "c@x.jp"]),
        ('"a \\" b, c" <t@x.jp>,d@x.jp', ['"a \\" b, c" <t@x.jp>', "d@x.jp"]),
        ("a@x.jp、b@x.jp,\n\n,c@x.jp", ["a@x.jp", "b@x.jp", "c@x.jp"]),
        ('"open <a@x.jp>, b@x.jp\nc@x.jp', ['"open <a@x.jp>, b@x.jp', "c@x.jp"]),
        (" , ; ", []),
    ],
)
def test_addresses_are_divided_where_they_end(typed: str, expected: list[str]) -> None:
    """A comma in a name stays one, with quotes or without."""
    assert written.read_addresses(typed) == expected

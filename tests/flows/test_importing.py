"""A row of a table becomes a mail, or says which column is wrong."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from outbox import Attachment
from outbox.core.errors import InvalidMail, InvalidRequest, Problem
from outbox.flows.columns import Columns
from outbox.flows.importing import Attached, Defaults, Import, Line, Pass

CELLS = {"to": "taro@example.com", "subject": "Hello", "text": "Hi"}
SHOP = Defaults(sender="shop@example.com")


def attach(name: str) -> Attached:
    if name == "none":
        raise InvalidMail([Problem("attach", "'none' is not there")])
    return Attached(Attachment(name, b"abc"), name, 3, f"digest of {name}")


def importing(*, fill: Any = None, **renamed: str) -> Import:
    return Import(Columns(renamed, open_=fill is not None), SHOP, attach, fill)


def problems(cells: Mapping[str, Any], **renamed: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidMail) as caught:
        importing(**renamed)(Line(2, CELLS | cells))
    return [(problem.field, problem.rule) for problem in caught.value.problems]


def test_key_of_a_row() -> None:
    """A row without a key gets one of its content and of how many it is of that content."""
    numbered = Pass(importing())
    first, second = (numbered(Line(number, CELLS)).key for number in (2, 3))
    assert re.fullmatch("import-[0-9a-f]{24}-1", first)
    assert second == first.removesuffix("1") + "2"
    made = numbered(Line(7, CELLS | {"key": "k"}))
    assert (made.key, made.own_key) == ("k", True)


def test_key_of_a_row_written_otherwise() -> None:
    """Neither its line, nor the order of columns, nor an empty cell, nor the line break makes another row of it."""
    row = CELLS | {"text": "a\r\nb"}
    other = {"cc": ""} | dict(reversed((CELLS | {"text": "a\nb"}).items()))
    assert Pass(importing())(Line(2, row)).key == Pass(importing())(Line(9, other)).key


@pytest.mark.parametrize("cells", [{"text": "Ho"}, {"attach": "a"}, {"cc": "c@example.com"}])
def test_key_of_another_row(cells: dict[str, Any]) -> None:
    """Another cell, or an attachment, makes another row of it."""
    assert Pass(importing())(Line(2, CELLS | cells)).key != Pass(importing())(Line(2, CELLS)).key


def test_template_before_column_before_default() -> None:
    """What the template says wins over the column, and the column over the option."""
    made = importing(fill=lambda values: {"subject": f"for {values['who']}"}, name="who")(
        Line(2, CELLS | {"name": "Taro", "from": "row@example.com"})
    )
    assert (made.mail.subject, made.mail.sender.email) == ("for Taro", "row@example.com")


@pytest.mark.parametrize("column", ["subjct", "insert_code", "code.", "attachments", ""])
def test_unknown_column(column: str) -> None:
    """Without a template an unknown column is a slip of the pen, told by name."""
    [(field, rule)] = problems({column: "x"})
    assert field == repr(column)
    assert "is no part of a mail; known: to, sender" in rule


def test_header_at_once() -> None:
    """Every wrong column of a header is told in one sentence."""
    with pytest.raises(InvalidRequest) as caught:
        Columns({"mail": "to", "none": "cc"}).check(["mail", "to", "naem"])
    assert str(caught.value).startswith(
        "--map names the column 'none', which is not there; 'to': says to a second time"
    )
    assert "'naem': is no part of a mail" in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "field", "words"),
    [
        ({"to": ""}, "to", "every row needs a recipient"),
        ({"to": "a@example.com; b@example.com"}, "to", "a mail has one recipient"),
        ({"to": 7}, "to", "must be text, not int"),
        ({"cc": {"a": "b"}}, "cc", "must be text, or a list of texts"),
        ({"cc": ["a@example.com", 1]}, "cc", "must be text, or a list of texts"),
        ({"subject": "a\r\nBcc: x@example.com"}, "subject", "control character U+000D"),
        ({"to": "Taro\n <t@example.com>"}, "to", "control character U+000A"),
        ({"send_at": "2026-01-01T09:00"}, "send_at", "no time with a time zone"),
        ({"send_at": "tomorrow"}, "send_at", "no time with a time zone"),
        ({"key": "k" * 257}, "key", "1 to 256 bytes"),
        ({"key": "outbox:k"}, "key", "must not begin with"),
        ({"attach": "none"}, "attach", "is not there"),
        ({"encoding": "EUC"}, "encoding", "must be one of"),
        ({"text": "x" * 400_000}, "text", "is 400000 bytes long"),
        ({"code.n-1": "x"}, "insert_code", "must be 1 to 16 letters and digits"),
    ],
)
def test_wrong_cells(cells: dict[str, Any], field: str, words: str) -> None:
    """Each wrong cell is named with its rule."""
    found = problems(cells)
    assert any(name == field and words in rule for name, rule in found), found


def test_all_problems_of_a_row() -> None:
    """A row tells everything that is wrong with it at once."""
    found = problems({"to": "x", "send_at": "x", "attach": "none", "cc": "y"})
    assert {field for field, _ in found} == {"to", "send_at", "attach", "cc[0]"}


def test_formulas_are_text() -> None:
    """What a spreadsheet would compute is a text like any other."""
    assert importing()(Line(2, CELLS | {"subject": '=HYPERLINK("x")'})).mail.subject == '=HYPERLINK("x")'


def test_broken_lines() -> None:
    """A row whose form is wrong is told as its reader told it."""
    with pytest.raises(InvalidMail) as caught:
        importing()(Line(2, {}, (Problem("row", "is an array"),)))
    assert str(caught.value) == "row: is an array"

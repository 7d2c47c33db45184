"""`outbox export` writes a whole file or none, safe for spreadsheets, in the encoding that was asked for."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from outbox.cli.sheet import guarded
from outbox.flows.export import COLUMNS
from tests.cli.conftest import Terminal


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Give the place of the file."""
    return tmp_path / "mails.csv"


def rows(path: Path, encoding: str = "utf-8-sig") -> list[dict[str, Any]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def test_what_waits_for_a_person(terminal: Terminal, out: Path) -> None:
    """The columns are fixed, and all three states are meant unless one is named."""
    terminal.write_failed("a", subject="=cmd()", tags=["x", "y"], to="a@example.co")
    terminal.write_failed("b", subject="ご注文")
    terminal("hold", "b")

    ended = terminal("export", "--all", "--out", str(out))
    told = terminal("export", "--where", "state=held", "--out", str(out.with_suffix(".2")), "--json").json

    assert (ended.status, ended.out) == (0, f"2 mails are in {out}.\n")
    assert (told["mails"], told["columns"]) == (1, list(COLUMNS))
    a, b = rows(out)
    assert tuple(a) == COLUMNS
    assert (a["id"], a["subject"], a["tags"], a["error"]) == ("a", "'=cmd()", "x, y", "refused")
    assert (b["id"], b["status"], b["subject"]) == ("b", "HELD", "ご注文")
    assert out.read_bytes().startswith(b"\xef\xbb\xbfid,status")


def test_every_cell_is_guarded(terminal: Terminal, out: Path) -> None:
    """Nothing a spreadsheet would run stands at the beginning of a cell."""
    for number, sign in enumerate("=+-@"):
        terminal.write_failed(f"{sign}{number}", subject=f"{sign}1+1")
    terminal("export", "--all", "--out", str(out))

    cells = [cell for row in rows(out) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
    assert sum(cell.startswith("'") for cell in cells) == 8


def test_cp932(terminal: Terminal, out: Path) -> None:
    """What it has not is an error naming mail and column, which leaves the old file, or a question mark if asked."""
    terminal.write_failed("a", subject="請求書 №1")
    assert terminal("export", "--all", "--encoding", "cp932", "--out", str(out)).status == 0
    assert rows(out, "cp932")[0]["subject"] == "請求書 №1"

    before = out.read_bytes()
    terminal.write_failed("b", subject="Hi 🎉")
    ended = terminal("export", "--all", "--encoding", "cp932", "--out", str(out))
    assert (ended.status, out.read_bytes(), list(out.parent.iterdir())) == (2, before, [out])
    assert "mail b, subject: cp932 has no U+1F389" in ended.err
    assert terminal("export", "--all", "--encoding", "cp932", "--replace", "--out", str(out)).status == 0
    assert [row["subject"] for row in rows(out, "cp932")] == ["Hi ?", "請求書 №1"]


def test_json_lines_with_bodies(terminal: Terminal, out: Path) -> None:
    """One object a line; texts only if asked for."""
    terminal.write_failed("a", text="Line\nline", tags=["x"])
    terminal("export", "--all", "--format", "jsonl", "--bodies", "--out", str(out))

    (line,) = out.read_text(encoding="utf-8").splitlines()
    told = json.loads(line)
    assert (told["id"], told["tags"], told["text"], list(told)) == (
        "a",
        ["x"],
        "Line\nline",
        [*COLUMNS, "text", "html"],
    )


def test_history(terminal: Terminal, out: Path) -> None:
    """What was sent, by days or by address, as `outbox history` finds it."""
    terminal.write_sent("old", to="x@example.com", cc=["y@example.com"])
    terminal.service.clock.forward(days=10)
    terminal.write_sent("new", tags=["t"])

    def ids(*options: str) -> list[str]:
        assert terminal("export", "--history", *options, "--out", str(out)).status == 0
        return [row["id"] for row in rows(out)]

    assert ids() == ids("--tag", "t") == ["new"]
    assert ids("--from", "2026-01-01", "--until", "2026-01-11") == ["new", "old"]
    assert ids("--day", "2026-01-01") == ids("--to", "Y@example.com") == ["old"]
    assert ids("--text", "nothing") == []


def test_bad_input(terminal: Terminal, out: Path) -> None:
    """What contradicts itself is refused, and no file is made."""
    wrong = [
        ["--out", str(out)],
        ["--all", "--history", "--out", str(out)],
        ["--all", "--to", "a@example.com", "--out", str(out)],
        ["--history", "--day", "2026-01-01", "--from", "2026-01-01", "--out", str(out)],
        ["--history", "--day", "soon", "--out", str(out)],
        ["--history", "--to", "nobody", "--out", str(out)],
        ["--history", "--from", "2020-01-01", "--out", str(out)],
        ["--all", "--format", "jsonl", "--encoding", "cp932", "--out", str(out)],
        ["--all", "--format", "xlsx", "--out", str(out)],
        ["--all", "--out", str(out / "no" / "such.csv")],
    ]
    assert [words for words in wrong if terminal("export", *words).status != 2] == []
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    "cell",
    [
        "=1",
        " =1",
        "\u3000=1",
        "\n=1",
        "\nx",
        "\tx",
        "\ufeff@x",
        "\u200b=1",
        "\uff1d1",
        " \uff0b1",
        "\uff0d1",
        "\uff20x",
    ],
)
def test_what_a_spreadsheet_would_run_is_guarded(cell: str) -> None:
    """Blanks before the sign, line feeds and full-width signs hide no formula."""
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", " ", "x=1", " a", "\u3042", "'=1"])
def test_any_other_cell_is_left_as_it_is(cell: str) -> None:
    """A text stays the text it was."""
    assert guarded(cell) == cell

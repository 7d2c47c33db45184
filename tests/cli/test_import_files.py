"""Files that are broken, or in another encoding, are told by line and byte or column; nothing is guessed silently."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from tests.cli.importing import CSV, Bench, json_lines

HEAD = "to,subject,text,from\n"
ROW = "taro@example.com,S,T,s@example.com\n"
# Characters that cp932 has and Shift_JIS has not, or that are mapped differently by others.
JAPANESE = "髙橋①～－‖㈱表ソ能ｱ"


@pytest.fixture
def bench(terminal: Terminal, tmp_path: Path) -> Bench:
    """Give a directory, and a terminal to import its files."""
    return Bench(terminal, tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("asked", [False, True])
def test_encodings(bench: Bench, encoding: str, *, asked: bool) -> None:
    """Files as spreadsheets write them are read byte for byte, and the report says in which encoding."""
    name = encoding.removesuffix("-sig")
    file = bench.file((HEAD + ROW.replace("S", JAPANESE)).replace("\n", "\r\n").encode(encoding))
    options = ("--encoding", name) if asked else ()

    assert bench.dry(file, *options).json["encoding"] == name
    assert bench.send(file, *options).status == 0

    [row] = bench.rows.values()
    assert (row["to"], row["subject"].encode(encoding)) == ("taro@example.com", JAPANESE.encode(encoding))


def test_why_it_was_read_so(bench: Bench) -> None:
    """A person is told where a file stops being UTF-8."""
    out = bench.terminal("import", bench.file((HEAD + ROW + ROW.replace("S", "日")).encode("cp932"))).out
    assert "cp932 (it is not utf-8: line 3, byte 18 (0x93))" in out


def test_a_guess_is_told(bench: Bench) -> None:
    """Nothing in a file proves cp932, so a person sees a cell of it, unless they said the encoding."""
    file = bench.file((HEAD + ROW + ROW.replace("S", "日本")).encode("cp932"))

    out = bench.terminal("import", file).out
    assert "warning: cp932 is a guess" in out
    assert "line 3, 'subject': '日本'" in " ".join(out.split())
    document = bench.dry(file).json
    assert document["encoding_guessed"]
    assert document["first_not_ascii"] == {"line": 3, "column": "subject", "value": "日本"}
    assert "is a guess" not in bench.terminal("import", file, "--encoding", "cp932").out


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (HEAD.encode() + b"a@example.com,\xff\xfe,T,s@example.com\n", (), "neither utf-8 (line 2, byte 15 (0xff)) nor"),
        ((HEAD + "日").encode("cp932"), ("--encoding", "utf-8"), "is not utf-8: line 2, byte 1 (0x93)"),
        ((HEAD + "日" * 5).encode(), ("--encoding", "cp932"), "is utf-8 throughout, first seen in line 2, byte 1"),
        (HEAD.encode("utf-8-sig"), ("--encoding", "cp932"), "begins with the mark of UTF-8"),
        (HEAD.encode("utf-8-sig") + b"\n\x93\xfa", (), "is not utf-8: line 3, byte 1 (0x93)"),
        (HEAD.encode("utf-16"), (), "is UTF-16"),
        ((HEAD + "テスト").encode("euc_jp"), (), "may be cp932 or EUC-JP"),
        (HEAD.encode() + b"\x93", (), "neither utf-8 (line 2, byte 1 (0x93)) nor cp932 (line 2, byte 1 (0x93))"),
        (b"", (), "is empty"),
        (b"\n\n", (), "is empty: it has no header"),
        (HEAD.encode(), (), "holds no row"),
        (HEAD.encode() + b",,,\n\n", (), "holds no row"),
        (b"to,subject,to,text\n" + ROW.encode(), (), "line 1: the header names 'to' more than once"),
        (b"to,subject,,text\n" + ROW.encode(), (), "line 1: the header has no name for column 3"),
        (b"to,from,sender,text\n", (), "line 1: 'sender': says sender a second time"),
        (b"to,naem\n" + ROW.encode(), (), "line 1: 'naem': is no part of a mail; known: to, sender"),
        (b"to;subject;text\n", (), "line 1: the columns are divided by semicolons"),
        (HEAD.encode(), ("--map", "mail=to"), "--map names the column 'mail', which is not there"),
        (HEAD.encode(), ("--map", "mail"), "is not of the form COLUMN=FIELD"),
        (HEAD.encode() + ROW.encode() + b'"a', (), "begins in line 3: its quotation marks do not match"),
        (HEAD.encode() + b'"a"b,c\n', (), "begins in line 2: its quotation marks do not match"),
        (HEAD.encode() + b'"a\n' + b"x,y\n" * 2_000_000, (), "begins in line 2: a cell is larger than 5,000,000"),
        (b"x" * 10_000_001, (), "line 1: is longer than 10,000,000 characters"),
        (HEAD.encode(), ("--encoding", "latin-1"), "--encoding 'latin-1' is none of utf-8, cp932"),
        (HEAD.encode(), ("--format", "xlsx"), "--format 'xlsx' is none of csv, jsonl"),
    ],
)
def test_files_nobody_can_read(bench: Bench, content: bytes, options: tuple[str, ...], told: str) -> None:
    """What is wrong with a whole file is told with its place, and nothing is written."""
    assert told in bench.refused(bench.file(content), *options)


def test_places_that_are_no_file(bench: Bench) -> None:
    """A directory, nothing at all, and stdin, which cannot be read twice, are refused."""
    assert "is a directory" in bench.refused(str(bench.path))
    assert "No such file" in bench.refused(str(bench.path / "none.csv"))
    assert "which stdin does not allow" in bench.refused("-")


@pytest.mark.parametrize(
    ("row", "field", "rule"),
    [
        ("a@example.com,S\n", "'text'", "is missing: the row has 2 cells, the header 4"),
        (ROW.strip() + ",more\n", "'from'", "is followed by more cells: the row has 5, the header 4"),
        ("a@example.com,S\0S,T,s@example.com\n", "'subject'", "holds a NUL byte"),
        ('a@example.com,"S\nBcc: x@example.com",T,s@example.com\n', "subject", "holds the control character U+000A"),
        ('"Taro\r\n <a@example.com>",S,T,s@example.com\n', "to", "the name holds the control character U+000D"),
        (f"a@example.com,S,{'x' * 400_000},s@example.com\n", "text", "is 400000 bytes long in UTF-8"),
    ],
)
def test_bad_rows_of_csv(bench: Bench, row: str, field: str, rule: str) -> None:
    """A bad row is told by line and column; the rows around it are good."""
    ended = bench.dry(bench.file(HEAD + ROW + row + ROW))
    [(line, found, said)] = bench.problems(ended)
    assert (line, found) == (3, field)
    assert said.startswith(rule)
    assert ended.json["mails"] == 2


@pytest.mark.parametrize(
    ("row", "field", "rule"),
    [
        ("[1]", "row", "is an array; it must be an object with a member for each column"),
        ('"a"', "row", "is a text; it must be"),
        ("null", "row", "is null; it must be"),
        ("7", "row", "is a single value; it must be"),
        ('{"to": ', "row", "is no JSON: Expecting value, character"),
        ('{"to": NaN}', "row", "holds a number or a nesting"),
        ("[" * 100_000, "row", "holds a number or a nesting"),
        ('{"to": "a@example.com", "to": "b@example.com"}', "'to'", "is there more than once"),
        ('{"to": "a@example.com", "text": "\\ud800", "subject": "S"}', "text", "holds the control character U+D800"),
    ],
)
def test_bad_rows_of_json_lines(bench: Bench, row: str, field: str, rule: str) -> None:
    """A line that is no row is told by its number; the lines around it are good."""
    good = json_lines({"to": "a@example.com", "subject": "S", "text": "T"})
    ended = bench.dry(bench.file(good + row + "\n" + good, "mails.jsonl"), "--from", "s@example.com")
    [(line, found, said)] = bench.problems(ended)
    assert (line, found) == (2, field)
    assert said.startswith(rule)
    assert ended.json["mails"] == 2


def test_renaming_what_no_line_has(bench: Bench) -> None:
    """A slip in --map is told also where there is no header."""
    file = bench.file(json_lines({"to": "a@example.com"}), "mails.jsonl")
    assert "--map names 'mail', which no row has" in bench.refused(file, "--map", "mail=to")


def test_bad_rows_never_overwrite_the_file(bench: Bench) -> None:
    """The list of bad rows cannot be written over what is imported."""
    file = bench.file(CSV)
    assert "names a file that is read" in bench.refused(file, "--bad-rows", file)


def test_memory_is_flat(bench: Bench) -> None:
    """Ten times the rows take hardly more memory to look at."""

    def peak(rows: int) -> int:
        with (bench.path / "mails.csv").open("w") as file:
            file.write(HEAD)
            file.writelines(f"u{number}@d{number}.example.com,S,{'T' * 500},s@example.com\n" for number in range(rows))
        code = (
            "import resource, sys; from outbox.cli.app import main; "
            f"status = main(['import', {str(bench.path / 'mails.csv')!r}]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(status)"
        )
        ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return int(ended.stderr.split()[-1])

    assert resource.getpagesize()
    small, large = peak(2_000), peak(20_000)
    assert large < small * 1.15

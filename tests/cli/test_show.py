"""`outbox show` tells everything about a mail, whatever the mail tries."""

import base64
from typing import Any

import pytest

from outbox import Attachment
from tests.cli.conftest import Terminal


def test_everything(terminal: Terminal) -> None:
    """Where it is, why, what one can do, what is in it and what happened stand on one page."""
    terminal.write_failed("bad", cc=["Anna <anna@example.com>"], tags=["order-1"], insert_code={"NAME": "Taro"})

    out = terminal("show", "bad").out

    for told in (
        *("FAILED", "outbox", "The mail API refused it: to: invalid format. (400)", "Anna <anna@example.com>"),
        *("order-1", "NAME=Taro", "Good morning.", "details", "written", "outbox edit bad", "outbox cancel bad"),
    ):
        assert told in out


def test_commands_ask_in_the_same_place(terminal: Terminal) -> None:
    """The commands to copy carry the options that were needed to get here."""
    terminal.write_failed("it's bad")

    out = terminal("--stack", "prod", "--as", "bob", "show", "it's bad").out

    assert "outbox --stack prod --as bob resend 'it'\"'\"'s bad'" in out


def test_local_times(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """People read times in their own zone with its offset, scripts in UTC."""
    import time

    terminal.write("new")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()

    out, document = terminal("show", "new").out, terminal("show", "new", "--json").json
    monkeypatch.undo()
    time.tzset()

    assert "2026-01-01 09:00:00+09:00" in out
    assert document["row"]["created_at"] == "2026-01-01T00:00:00.000Z"


def test_long_body(terminal: Terminal) -> None:
    """A long body is cut, which is said; --full shows it all."""
    terminal.write("long", text="\n".join(f"line {number}" for number in range(100)))

    short, full = terminal("show", "long").out, terminal("show", "long", "--full").out

    assert "line 99" not in short
    assert "--full" in short
    assert "line 99" in full


def test_json_is_exact(terminal: Terminal) -> None:
    """JSON holds the row without a loss, bytes as base64, and what can be done as commands."""
    terminal.write("files", text="a\tb\r\n太郎", attachments=[Attachment("a.bin", b"\x00\xff")])

    document = terminal("show", "files", "--json").json

    assert document["row"]["text"] == "a\tb\r\n太郎"
    assert base64.b64decode(document["row"]["attachments"][0]["content"]) == b"\x00\xff"
    assert {"command": "outbox hold files", "purpose": "put it aside until it is released"} in document["can"]


def test_not_found(terminal: Terminal) -> None:
    """An id nobody has is said, with where to look; the exit status is 1."""
    ended = terminal("show", "nobody")

    assert (ended.status, ended.out) == (1, "")
    assert "'nobody'" in ended.err
    assert terminal("show", "nobody", "--json").json["error"]["kind"] == "NotFound"


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj.exe[bold red]x[/] :bomb: \x00\r\n[link=http://evil.example]y[/link]"


@pytest.mark.parametrize("field", ["subject", "text", "html", "to", "reason", "note", "status"])
def test_hostile_text(terminal: Terminal, field: str) -> None:
    """No text of a mail moves the cursor, turns the line round or is taken for markup, in any field and any table."""
    terminal.write_failed("bad")
    terminal.service.store.edit("bad", **{field: HOSTILE})

    for arguments in (("show", "bad"), ("show", "bad", "--full"), ("find",), ("hold", "bad")):
        ended = terminal(*arguments)
        assert not set(ended.out + ended.err) & set("\x1b\x07\x9b\u202e\x00\r")
    if field != "status":
        shown = terminal("show", "bad", "--full").out
        assert "[bold red]x[/] :bomb:" in shown or field == "reason"


def test_hostile_json(terminal: Terminal) -> None:
    """JSON keeps hostile text exactly, and writes it so that a terminal stays as it was."""
    terminal.write_failed("bad")
    terminal.service.store.edit("bad", subject=HOSTILE)

    ended = terminal("show", "bad", "--json")

    assert ended.json["row"]["subject"] == HOSTILE
    assert not set(ended.out) & set("\x1b\x07\x9b\u202e\x00\r")


@pytest.mark.parametrize(
    "broken",
    [
        {"subject": 7},
        {"cc": {"a": [b"\x00"]}},
        {"attachments": "none"},
        {"attachments": [3, {"name": 4}]},
        {"timeline": ["what", {"at": 3, "changes": {"to": 1}}]},
        {"status": 12},
        {"due_at": 5, "created_at": None},
        {"tags": {"b", "a"}},
        {"text": b"\xff"},
    ],
)
def test_broken_row(terminal: Terminal, broken: dict[str, Any]) -> None:
    """A row a person broke is shown all the same."""
    terminal.write_failed("bad")
    terminal.service.store.edit("bad", **broken)

    for arguments in (("show", "bad"), ("show", "bad", "--json"), ("find",), ("find", "--json")):
        assert terminal(*arguments).status == 0

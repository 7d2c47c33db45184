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
        *("order-1", "NAME=Taro", "Good morning.", "details", "enqueued", "outbox edit bad", "outbox cancel bad"),
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
    terminal.write("files", text="a\tb\r\n太郎")
    terminal.service.store.edit("files", attachments=[Attachment("a.bin", b"\x00\xff").to_item()])

    document = terminal("show", "files", "--json").json

    assert document["row"]["text"] == "a\tb\r\n太郎"
    assert base64.b64decode(document["row"]["attachments"][0]["content"]) == b"\x00\xff"
    assert {"command": "outbox hold files", "purpose": "put it aside until it is released"} in document["can"]


def test_files(terminal: Terminal) -> None:
    """Each file is shown with its type and size, wherever it lies, and so are texts that lie in the bucket."""
    codes = {"a": "x" * 300_000}
    terminal.write("files", attachments=[Attachment("請求書.pdf", b"x" * 12_345)], insert_code=codes)
    part = Attachment("a.bin", b"\x00\xff").to_item()
    terminal.service.store.edit("files", attachments=[*terminal.row("files").item["attachments"], part])

    out = terminal("show", "files").out

    assert "請求書.pdf, application/pdf, 12,345 bytes" in out
    assert "a.bin, application/octet-stream, 2 bytes" in out
    assert "texts" in out
    assert "in the bucket, 300,0" in out
    assert "mails/files/" not in out


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


def test_what_came_back(terminal: Terminal) -> None:
    """Bounces of the mail are on its page, and as they are stored in JSON; a hostile message moves nothing."""
    terminal.write_sent("m", cc=["cc@example.com"])
    terminal.came_back("m", "cc@example.com", message=HOSTILE)
    terminal.came_back("m", "stranger@example.com")

    ended, document = terminal("show", "m"), terminal("show", "m", "--json").json

    assert "HARDERROR 550" in ended.out
    assert "stranger" not in ended.out
    assert not set(ended.out) & set("\x1b\x07\x9b\u202e\x00\r")
    assert [bounce["recipient"] for bounce in document["bounces"]] == ["cc@example.com"]


def test_links_between_mails(terminal: Terminal) -> None:
    """The old mail names the new one and who made it, the new one the old; and how to make one is told."""
    terminal.write_sent("old")
    document = terminal("resend", "old", "--yes", "--json").json["results"][0]

    old, new = terminal("show", "old").out, terminal("show", document["resent_as"]).out

    assert f"{document['resent_as']}, " in old
    assert ", by alice" in old
    assert "outbox resend old" in old
    assert "resend of" in new
    assert document["id"] == "old"


def test_who_was_left_out(terminal: Terminal) -> None:
    """A copy that was not sent is told with its reason, whatever a hand made of it."""
    terminal.write_sent("m")
    left_out: list[Any] = [{"address": "cc@example.com", "reason": "suppressed without end"}, HOSTILE, {"x": 1}]
    terminal.service.store.history["m"]["left_out"] = left_out

    out = terminal("show", "m").out

    assert "cc@example.com: suppressed without end" in out
    assert not set(out) & set("\x1b\x07\x9b\u202e\x00\r")


def test_a_suppressed_mail_says_how_to_send_it_anyway(terminal: Terminal) -> None:
    """The command stands among the others, with its option."""
    terminal.write_failed("m")
    terminal.service.store.edit("m", error="suppressed")

    assert "outbox resend --anyway m" in terminal("show", "m").out

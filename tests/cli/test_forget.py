"""`outbox forget` and `outbox delete` take things out of history, asked for twice."""

from typing import Any

import pytest

from outbox import Attachment
from tests.cli.conftest import Terminal

TARO = "taro@example.com"


def person(monkeypatch: pytest.MonkeyPatch, *, answer: bool) -> list[str]:
    """Sit a person down who answers every question so; give the questions."""
    asked: list[str] = []

    def confirm(question: Any) -> bool:
        asked.append(str(question))
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", confirm)
    return asked


def test_a_person_is_asked_knowing_how_much(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question says what would go; a no changes nothing."""
    terminal.write_sent("m")
    terminal.came_back("m", TARO)
    asked = person(monkeypatch, answer=False)

    assert terminal("forget", TARO).status == 1

    assert "1 mails to it, 0 copies and 1 bounces" in asked[0]
    assert terminal.row("m").item["to"] == TARO


def test_forget(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done and what is beyond reach is told."""
    terminal.write_sent("m", attachments=[Attachment("a.txt", b"a")])
    person(monkeypatch, answer=True)

    ended = terminal("forget", TARO)

    assert ended.status == 0
    for told in ("mails to it emptied: 1, and 1 files", "35 days", "62 days"):
        assert told in ended.out
    assert "to" not in terminal.row("m").item
    assert terminal("show", "m").status == 0


def test_forget_in_a_script(terminal: Terminal) -> None:
    """Without --yes nothing is done; a dry run needs none."""
    terminal.write_sent("m")

    assert terminal("forget", TARO).status == 2
    assert terminal("forget", TARO, "--dry-run", "--json").json["mails"] == ["m"]
    assert "Would be forgotten" in terminal("forget", TARO, "--dry-run").out
    assert terminal.row("m").item["to"] == TARO
    assert terminal("forget", TARO, "--yes", "--json").json["mails"] == ["m"]
    assert "to" not in terminal.row("m").item


def test_unsent_mails(terminal: Terminal) -> None:
    """They are named with the command that cancels each, and the exit status says that something is left."""
    terminal.write_sent(f"to-{TARO}", to="hanako@example.com", cc=[TARO])
    terminal.write("waits")

    ended = terminal("forget", TARO, "--yes")

    assert ended.status == 1
    assert "outbox cancel waits" in ended.out
    assert "cannot be changed:\n  to-taro@example.com" in ended.out


def test_files_that_stay(terminal: Terminal) -> None:
    """What could not be done is told, and the exit status is 1."""
    terminal.write_sent("m", attachments=[Attachment("a.txt", b"a")])
    terminal.service.files.undeletable = {terminal.row("m").own_files[0]: "AccessDenied"}

    ended = terminal("forget", TARO, "--yes")

    assert (ended.status, "m: 1 of its files: AccessDenied" in ended.out) == (1, True)


def test_delete(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mail goes after a yes; its files are named unless they go as well."""
    terminal.write_sent("m", attachments=[Attachment("a.txt", b"a")])
    assert terminal("delete", "m").status == 2
    person(monkeypatch, answer=False)
    assert terminal("delete", "m").status == 1
    person(monkeypatch, answer=True)

    ended = terminal("delete", "m")

    assert (ended.status, "--files would have deleted them:\n  mails/m/" in ended.out) == (0, True)
    assert terminal("show", "m").status == 1


def test_delete_with_files(terminal: Terminal) -> None:
    """With --files nothing is left in the bucket."""
    terminal.write_sent("m", attachments=[Attachment("a.txt", b"a")])

    assert terminal("delete", "m", "--files", "--yes", "--json").json["files_left"] == []
    assert terminal.service.files.objects == {}


def test_an_unsent_mail_is_not_deleted(terminal: Terminal) -> None:
    """It is cancelled first."""
    terminal.write("m")

    ended = terminal("delete", "m", "--yes")

    assert (ended.status, "cancel an unsent one first" in ended.err) == (1, True)
    assert terminal.status("m") == "PENDING"

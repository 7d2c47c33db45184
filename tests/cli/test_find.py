"""`outbox find` lists what is asked for, and says when history was not asked."""

import pytest

from outbox.core.states import Status
from tests.cli.conftest import Terminal


def test_outbox(terminal: Terminal) -> None:
    """Without a question it lists the outbox with the reason of each, and says that history was left out."""
    terminal.write_failed("bad", subject="Ticket")
    terminal.write("new")

    ended = terminal("find")

    assert ended.status == 0
    assert "bad" in ended.out
    assert "The mail API refused it: to: invalid format. (400)" in ended.out
    assert "History was not looked through" in ended.out


def test_json_rows_as_the_list_shows_them(terminal: Terminal) -> None:
    """A script gets of each row what the index shows, exactly as it is stored."""
    terminal.write_failed("bad")

    document = terminal("find", "--status", "failed", "--json").json

    assert [mail["id"] for mail in document["mails"]] == ["bad"]
    assert document["mails"][0]["where"] == "outbox"
    stored, shown = terminal.row("bad").item, document["mails"][0]["row"]
    assert shown == {name: stored[name] for name in shown}
    assert {"id", "status", "to", "subject", "reason"} <= shown.keys()
    assert (document["more"], document["history_searched"]) == (False, False)


def test_history_by_recipient(terminal: Terminal) -> None:
    """A whole address finds what was sent to it."""
    terminal.write_sent("gone", to="taro@example.com")

    assert terminal("find", "--to", "taro@example.com", "--json").json["mails"][0]["where"] == "history"


def test_history_by_delivery_id(terminal: Terminal) -> None:
    """The mail API's id finds the mail."""
    terminal.write_sent("gone")

    assert "gone" in terminal("find", "--delivery-id", terminal.row("gone").delivery_id).out


def test_limit(terminal: Terminal) -> None:
    """A list that was cut says so."""
    for number in range(3):
        terminal.write(f"m-{number}")

    assert "There are more than these 2" in terminal("find", "--limit", "2").out
    assert terminal("find", "--limit", "2", "--json").json["more"] is True
    assert terminal("find", "--limit", "3", "--json").json["more"] is False


def test_nothing(terminal: Terminal) -> None:
    """Nothing found is no failure."""
    ended = terminal("find", "--tag", "none")

    assert (ended.status, "No mail found." in ended.out) == (0, True)


def test_a_question_without_an_answer(terminal: Terminal) -> None:
    """A state of the outbox and a day of history together are refused, not answered with nothing."""
    ended = terminal("find", "--status", Status.FAILED, "--day", "2026-01-01")

    assert (ended.status, "look in history" in ended.err) == (2, True)


def test_wrong_day_and_state(terminal: Terminal) -> None:
    """What is no day and what is no state is wrong usage, in JSON too."""
    assert terminal("find", "--day", "01.01.2026").status == 2
    assert terminal("find", "--status", "lost", "--json").json["error"]["kind"] == "WrongUsage"


def test_narrow_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal an id is folded and never cut, however long the key was."""
    key = "".join(f"k{number:03d}" for number in range(60))
    terminal.write(key)
    monkeypatch.setenv("COLUMNS", "80")

    column = "".join(line[1:].split("\u2502")[0].strip() for line in terminal("find").out.splitlines())

    assert key in column

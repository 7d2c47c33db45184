"""`outbox resend` of a mail in history makes a new one, and asks first where one should think twice."""

import pytest

from tests.cli.conftest import Terminal


@pytest.fixture
def old(terminal: Terminal) -> str:
    """Give the id of a mail sent yesterday."""
    terminal.write_sent("old", cc=["cc@example.com"])
    terminal.service.clock.forward(days=1)
    return "old"


def new_rows(terminal: Terminal) -> list[str]:
    return list(terminal.service.store.outbox)


def test_a_new_mail(terminal: Terminal, old: str) -> None:
    """The result names the new mail; the old one names it too."""
    ended = terminal("resend", old)

    (new_id,) = new_rows(terminal)
    assert (ended.status, f"goes again as {new_id}" in ended.out) == (0, True)
    assert new_id in terminal("show", old).out


def test_to_somebody_else(terminal: Terminal, old: str) -> None:
    """Another address gets it alone."""
    result = terminal("resend", old, "--to", "hanako@example.com", "--json").json["results"][0]

    assert (result["id"], result["ok"], result["row"]["to"]) == (old, True, "hanako@example.com")
    assert "cc" not in result["row"]
    assert new_rows(terminal) == [result["resent_as"]]


def test_an_unsent_mail_to_somebody_else(terminal: Terminal) -> None:
    """It is corrected where it is; the command for it is told."""
    terminal.write_failed("bad")

    ended = terminal("resend", "bad", "--to", "hanako@example.com")

    assert (ended.status, new_rows(terminal)) == (1, ["bad"])
    assert "outbox edit bad --to hanako@example.com --send" in ended.out


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_script_must_say_yes(terminal: Terminal, old: str, more: tuple[str, ...]) -> None:
    """With a warning nothing is done without --yes, and the exit status is 1."""
    terminal.came_back(old, "cc@example.com")

    ended = terminal("resend", old, *more)

    assert (ended.status, new_rows(terminal)) == (1, [])
    assert "HARDERROR" in ended.out
    assert "--yes" in ended.out
    if more:
        error = ended.json["results"][0]["error"]
        assert (error["kind"], len(error["warnings"])) == ("NeedsConfirmation", 1)
    assert terminal("resend", old, "--yes", *more).status == 0
    assert len(new_rows(terminal)) == 1


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked(terminal: Terminal, old: str, monkeypatch: pytest.MonkeyPatch, *, answer: bool) -> None:
    """The warnings are shown, then the question; anything but yes does nothing."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda _: answer)
    terminal("resend", old)
    assert terminal("resend", old, "--json").status == 1

    ended = terminal("resend", old)

    assert "sent again already" in ended.out
    assert (ended.status, len(new_rows(terminal))) == ((0, 2) if answer else (1, 1))


def test_anyway(terminal: Terminal) -> None:
    """A mail that failed as suppressed goes anyway; another one is refused that."""
    terminal.write_failed("s")
    terminal.service.store.outbox["s"]["error"] = "suppressed"
    terminal.write_failed("bad")

    ended = terminal("resend", "s", "bad", "--anyway", "--json")

    assert [each["ok"] for each in ended.json["results"]] == [True, False]
    assert terminal.row("s").item["send_anyway"] == "taro@example.com"
    assert "send_anyway" not in terminal.row("bad").item


def test_what_cannot_be_sent_again(terminal: Terminal, old: str) -> None:
    """A mail that was erased says so, and offers nothing."""
    terminal("forget", "taro@example.com", "--yes")

    ended = terminal("resend", old)

    assert (ended.status, new_rows(terminal)) == (1, [])
    assert "what it said was erased on request" in ended.out
    assert terminal("show", old, "--json").json["can"] == []

"""`outbox history` and `outbox bounces` tell what was sent and what came back."""

import pytest

from tests.cli.conftest import Terminal
from tests.cli.test_show import HOSTILE


def test_history(terminal: Terminal) -> None:
    """Mails of today with what came back of each, on a wide terminal and a narrow one."""
    terminal.write_sent("a", subject="Your order", cc=["cc@example.com"])
    terminal.write("unsent")
    terminal.came_back("a", "cc@example.com", "SOFTERROR")

    ended = terminal("history")

    assert ended.status == 0
    for told in ("Your order", "SENT", "SOFTERROR 550 cc@example.com"):
        assert told in ended.out
    assert "unsent" not in ended.out


def test_narrow_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal nothing is left out."""
    terminal.write_sent("a", subject="Your order")
    terminal.came_back("a", "taro@example.com")
    monkeypatch.setenv("COLUMNS", "80")

    out = terminal("history").out

    assert "Your order" in out
    assert "HARDERROR 550" in out


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--to", "taro@example.com"), ["a"]),
        (("--to", "CC@example.com"), ["b"]),
        (("--id", "a"), ["a"]),
        (("--key", "b"), ["b"]),
        (("--id", "a", "--key", "a"), ["a"]),
        (("--delivery-id", "2"), ["b"]),
        (("--day", "2026-01-01", "--tag", "x"), ["b"]),
        (("--from", "2025-12-31", "--until", "2026-01-01", "--text", "FIRST"), ["a"]),
        (("--status", "cancelled"), []),
        (("--bounced",), ["b"]),
        (("--day", "2025-12-31"), []),
    ],
)
def test_questions(terminal: Terminal, arguments: tuple[str, ...], found: list[str]) -> None:
    """Each question finds its mails, and options combine."""
    terminal.write_sent("a", subject="First")
    terminal.write_sent("b", to="hanako@example.com", cc=["cc@example.com"], tags=["x"])
    terminal.came_back("b", "hanako@example.com")

    document = terminal("history", *arguments, "--json").json

    assert [mail["id"] for mail in document["mails"]] == found
    assert document["more"] is False
    if found == ["b"]:
        assert document["mails"][0]["bounces"][0]["type"] == "HARDERROR"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--day", "2026-01-01", "--from", "2026-01-01"),
        ("--id", "a", "--key", "b"),
        ("--to", "taro"),
        ("--status", "FAILED"),
        ("--from", "2026-01-02", "--until", "2026-01-01"),
        ("--day", "today"),
    ],
)
def test_wrong_questions(terminal: Terminal, wrong: tuple[str, ...]) -> None:
    """What nothing can answer is wrong usage."""
    assert terminal("history", *wrong).status == 2


def test_limit(terminal: Terminal) -> None:
    """A list that was cut says so, and one that found nothing too."""
    assert "No mail found" in terminal("history").out
    assert "Nothing came back" in terminal("bounces").out
    for number in range(3):
        terminal.write_sent(f"m-{number}")
        terminal.came_back(f"m-{number}", "taro@example.com")

    for command in ("history", "bounces"):
        assert "more than these 2" in terminal(command, "--limit", "2").out
        assert terminal(command, "--limit", "2", "--json").json["more"] is True
        assert terminal(command, "--limit", "3", "--json").json["more"] is False


def test_bounces(terminal: Terminal) -> None:
    """Each bounce names its mail, and one that belongs to none says so."""
    terminal.write_sent("a")
    terminal.came_back("a", "taro@example.com")
    terminal.came_back("a", "stranger@example.com", "DROP")

    out, document = terminal("bounces").out, terminal("bounces", "--unmatched", "--json").json

    assert "HARDERROR 550" in out
    assert "none here" in out
    assert [(each["bounce"]["recipient"], each["mail_id"]) for each in document["bounces"]] == [
        ("stranger@example.com", None)
    ]
    assert len(terminal("bounces", "--to", "TARO@example.com", "--json").json["bounces"]) == 1
    assert len(terminal("bounces", "--delivery-id", "1", "--day", "2026-01-01", "--json").json["bounces"]) == 2


def test_hostile_text(terminal: Terminal) -> None:
    """Neither a subject nor what the mail API says of a bounce acts on the terminal."""
    terminal.write_sent("a")
    terminal.service.store.history["a"] |= {"subject": HOSTILE, "to": f"{HOSTILE}<taro@example.com>"}
    terminal.came_back("a", "taro@example.com", HOSTILE, message=HOSTILE, code=HOSTILE)
    terminal.came_back("a", "", "UNREADABLE", said=HOSTILE, problem="", delivery_id="", message="")

    for command in (("history",), ("bounces",), ("history", "--json"), ("bounces", "--json")):
        out = terminal(*command).out
        assert "bold red" in out
        assert not set(out) & set("\x1b\x07\x9b\u202e\x00\r")

"""`outbox doctor` lists what is wrong and, asked to, mends it."""

import pytest

from outbox.cli.commands import doctor
from tests.cli.conftest import Terminal
from tests.cli.test_show import HOSTILE


def test_nothing_wrong(terminal: Terminal) -> None:
    """A healthy service has exit status 0; how far it has come is told beside the answer."""
    terminal.write_sent("m")

    ended = terminal("doctor")

    assert (ended.status, ended.out) == (0, "Nothing is wrong.\n")
    assert "history: 1 rows" in ended.err


def test_find_and_repair(terminal: Terminal) -> None:
    """Findings have exit status 1 until they are mended."""
    terminal.write_sent("m")
    terminal.service.store.history["m"]["expires_at"] *= 1000
    terminal.write("lost")
    terminal.service.store.edit("lost", status="SNET")

    found = terminal("doctor")
    mended = terminal("doctor", "--repair", "--json")

    assert (found.status, "milliseconds" in found.out, "0 repaired, 2 left" in found.out) == (1, True, True)
    assert (mended.status, mended.json["left"], mended.json["counts"]) == (0, 0, {"lost": 1, "never expires": 1})
    assert all(finding["repaired"] for finding in mended.json["findings"])
    assert terminal.row("lost").timeline[-1]["who"] == "alice"
    assert terminal("doctor").status == 0


def test_many(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than anybody reads is counted; --pages ends it early."""
    monkeypatch.setattr(doctor, "SHOWN", 5)
    for number in range(150):
        terminal.service.store.history[f"m-{number}"] = {"id": f"m-{number}"}

    assert "the first 5 of 150" in terminal("doctor").out
    assert terminal("doctor", "--pages", "1", "--json").json["counts"] == {"never expires": 100}


def test_hostile_text(terminal: Terminal) -> None:
    """Neither an id nor a value acts on the terminal."""
    terminal.service.store.history[HOSTILE] = {"id": HOSTILE, "expires_at": HOSTILE}

    for more in ((), ("--json",)):
        assert not set(terminal("doctor", *more).out) & set("\x1b\x07\x9b\u202e\x00\r")

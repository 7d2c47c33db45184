"""`outbox suppressed` shows, lifts and adds addresses that get no mail."""

import pytest

from outbox.flows.suppression import SuppressionList
from tests.cli.conftest import Terminal
from tests.cli.test_show import HOSTILE

TARO = "taro@example.com"


@pytest.fixture
def waiting(terminal: Terminal) -> str:
    """Give the id of a mail that waits for a suppressed address."""
    terminal("suppressed", "add", TARO, "--reason", "he said so")
    terminal.service.suppression = SuppressionList(terminal.suppressions, terminal.service.clock)
    return terminal.write_failed("m")


def test_add_and_show(terminal: Terminal) -> None:
    """Who is suppressed, since when and why is told; an address nobody knows gets mail."""
    added = terminal("suppressed", "add", "Taro@Example.com", "--reason", "he said so", "--until", "2026-02-01T00:00Z")

    assert f"{TARO} is suppressed since 2026-01-01T00:00:00.000Z until 2026-02-01" in added.out
    out = terminal("suppressed", "show", TARO).out
    assert "until 2026-02-01" in out
    assert "suppressed_by: alice" in out
    assert "gets mail" in terminal("suppressed", "show", "hanako@example.com").out
    assert terminal("suppressed", "show", TARO, "--json").json["waiting"] == []
    assert "nonce" not in terminal("suppressed", "show", TARO, "--json").json["entry"]


@pytest.mark.parametrize("until", ["tomorrow", "2026-02-01", "2025-01-01T00:00Z"])
def test_a_wrong_end(terminal: Terminal, until: str) -> None:
    """A time without a zone or one that has passed is wrong usage."""
    assert terminal("suppressed", "add", TARO, "--until", until).status == 2
    assert terminal.suppressions.entries == {}


def test_list(terminal: Terminal) -> None:
    """All addresses are listed, page by page, and a list that was cut says so."""
    assert "No address" in terminal("suppressed", "list").out
    for number in range(3):
        terminal("suppressed", "add", f"a{number}@example.com")

    assert terminal("suppressed", "list").out.count("added by alice") == 3
    assert "more than these 2" in terminal("suppressed", "list", "--limit", "2").out
    document = terminal("suppressed", "list", "--limit", "3", "--json").json
    assert (len(document["addresses"]), document["more"]) == (3, False)


def test_lift_says_what_waits(terminal: Terminal, waiting: str) -> None:
    """The mails that wait are counted, with the command that sends them, and the API's own list is told of."""
    ended = terminal("--stack", "prod", "suppressed", "lift", "TARO@example.com")

    assert ended.status == 0
    assert f"1 mails to it wait; this sends them: outbox --stack prod suppressed lift {TARO} --resend" in ended.out
    assert "two weeks" in ended.out
    assert terminal.status(waiting) == "FAILED"


def test_lift_and_send(terminal: Terminal, waiting: str) -> None:
    """With --resend the mails that wait for this address go, and no other."""
    terminal.write_failed("refused", to="hanako@example.com")
    terminal.service.store.outbox["refused"]["error"] = "suppressed"

    ended = terminal("suppressed", "lift", TARO, "--resend")
    terminal.service.ring_until_quiet()

    assert (ended.status, "rings again" in ended.out) == (0, True)
    assert (terminal.status(waiting), terminal.status("refused")) == ("SENT", "FAILED")


def test_lift_again_and_several(terminal: Terminal, waiting: str) -> None:
    """An address that is not suppressed changes nothing; mails that wait are sent even then."""
    terminal("suppressed", "lift", TARO)

    document = terminal("suppressed", "lift", TARO, "hanako@example.com", "--resend", "--json").json

    assert [(each["email"], each["lifted"]) for each in document["lifted"]] == [
        (TARO, False),
        ("hanako@example.com", False),
    ]
    assert [each["id"] for each in document["lifted"][0]["resent"]] == [waiting]


def test_no_address(terminal: Terminal) -> None:
    """What is no address is wrong usage."""
    for command in ("add", "show", "lift"):
        assert terminal("suppressed", command, "nobody").status == 2


def test_a_slip_in_one_of_several_addresses(terminal: Terminal) -> None:
    """Nothing is lifted when one of them is no address."""
    terminal("suppressed", "add", TARO)

    assert terminal("suppressed", "lift", TARO, "nobody").status == 2
    assert terminal("suppressed", "show", TARO, "--json").json["suppressed"]


def test_hostile_text(terminal: Terminal) -> None:
    """An entry a hand wrote does not act on the terminal."""
    terminal.suppressions.put({"email": TARO, "reason": HOSTILE, HOSTILE: HOSTILE})

    for command in (("list",), ("show", TARO), ("list", "--json")):
        assert not set(terminal("suppressed", *command).out) & set("\x1b\x07\x9b\u202e\x00\r")

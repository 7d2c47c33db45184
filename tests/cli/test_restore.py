"""`outbox restore` counts first, brings rows back when told to, and can be ended and repeated at any moment."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from outbox.cli import program
from outbox.cli.commands import restore
from outbox.cli.connect import Options
from outbox.core.errors import InvalidRequest
from outbox.core.retention import Retention
from outbox.testing import MemoryStore
from outbox.testing.source import MemorySource
from outbox.wiring.copied import Copied
from outbox.wiring.desk import Beside, Desk
from tests.cli.conftest import Ended, Terminal
from tests.cli.test_show import HOSTILE


@dataclass
class WithCopy:
    """A terminal on a service in memory, beside which lies a copy named outbox-copy."""

    terminal: Terminal
    backup: MemoryStore = field(default_factory=MemoryStore)

    def __call__(self, *arguments: str) -> Ended:
        self.terminal.capsys.readouterr()
        status = program.run(["restore", "--from", "outbox-copy", *arguments], connect=self._connect)
        captured = self.terminal.capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    def copy_all(self) -> None:
        """Make the copy of what is in the outbox now."""
        self.backup.outbox = dict(self.store.outbox)

    @property
    def store(self) -> Any:
        return self.terminal.service.store

    def _connect(self, options: Options, *, control: bool = False) -> Desk:
        def copied(table: str) -> Copied:
            if table != "outbox-copy":
                message = f"there is no table {table} in us-east-1"
                raise InvalidRequest(message)
            return Copied(MemorySource(self.backup.outbox, table), self.backup, self.store)

        who = options.who or "alice"
        clock = self.terminal.service.clock
        return Desk(self.store, clock, Retention(400), lambda: who, "memory", beside=Beside(copied=copied))


@pytest.fixture
def cli(terminal: Terminal) -> WithCopy:
    """Give a terminal beside a copy in which one mail was sent since, one is gone, and one was corrected."""
    made = WithCopy(terminal)
    for mail_id in ("sent", "gone", "corrected"):
        terminal.write(mail_id)
    made.copy_all()
    made.store.remove("gone")
    terminal.service.support.edit("corrected", {"subject": "Corrected"}, "bob")
    terminal.service.support.hold("corrected", "bob")
    terminal.service.deliver()
    assert terminal.status("sent") == "SENT"
    return made


def test_a_dry_run_comes_first(cli: WithCopy) -> None:
    """Nothing is written; counts, examples and the command that does it are shown."""
    before = dict(cli.store.outbox)

    ended = cli()

    assert ended.status == 0
    assert cli.store.outbox == before
    for told in ("3  │ rows read", "1  │ to be brought back as HELD", "1  │ changed meanwhile", "1  │ in live history"):
        assert " ".join(told.split()) in " ".join(ended.out.split())
    assert "Nothing was written. To do it: outbox restore --from outbox-copy --go" in ended.out
    assert "gone" in ended.out


def test_go(cli: WithCopy) -> None:
    """What is missing is there as HELD, in the person's name, and a second run has nothing to do."""
    ended = cli("--go")

    row = cli.terminal.row("gone")
    assert (ended.status, row.status, row.error, row.timeline[-1]["who"]) == (0, "HELD", "restored", "alice")
    assert "They are HELD" in ended.out
    assert "outbox release --where error=restored\n" in ended.out
    assert cli.terminal.row("corrected").item["subject"] == "Corrected"
    again = cli("--yes")
    assert (again.status, "They are HELD" in again.out) == (0, False)
    assert "There is nothing to do." in cli().out


def test_json(cli: WithCopy) -> None:
    """One document with every count, also those that are none."""
    told = cli("--go", "--json").json

    assert (told["from"], told["into"], told["written"], told["finished"], told["rows"]) == (
        "outbox-copy",
        "outbox",
        True,
        True,
        3,
    )
    counts = {name: count for name, count in told["counts"].items() if count}
    assert counts == {"arrives": 1, "changed": 1, "in_history": 1}
    assert told["of_those_that_arrive"] == {"in_doubt": 0, "files": 0, "unreadable": 0}
    assert told["samples"]["arrives"][0]["id"] == "gone"
    assert told["command"] == "outbox restore --from outbox-copy --go"


def test_into_history(cli: WithCopy) -> None:
    """History gets its own rows back; the outbox is left alone."""
    cli.backup.outbox = dict(cli.store.history)
    cli.store.history.clear()
    before = dict(cli.store.outbox)

    assert "--into history --go" in cli("--into", "history").out
    assert cli("--into", "history", "--go").status == 0
    assert (set(cli.store.history), cli.store.outbox) == ({"sent"}, before)


def test_quarantine(cli: WithCopy) -> None:
    """The copy itself is silenced; live rows stay as they are."""
    before = dict(cli.store.outbox)
    assert "--quarantine --go" in cli("--quarantine").out

    ended = cli("--quarantine", "--go")

    assert {item["status"] for item in cli.backup.outbox.values()} == {"HELD"}
    assert (cli.store.outbox, '"quarantined"' in ended.out) == (before, True)
    assert cli("--quarantine", "--json").json["counts"]["quiet"] == 3


@pytest.mark.parametrize(
    "wrong",
    [
        ("--quarantine", "--into", "outbox"),
        ("--into", "control"),
        ("--segments", "0"),
        ("--segments", "65"),
        ("--rate", "0"),
        ("--from", "missing"),
    ],
)
def test_wrong_usage(cli: WithCopy, wrong: tuple[str, ...]) -> None:
    """What makes no sense has exit status 2 and touches nothing."""
    before = dict(cli.store.outbox)
    assert cli("--go", *wrong).status == 2
    assert cli("--go", "--json", *wrong).status == 2
    assert cli.store.outbox == before


def test_the_table_must_be_named(terminal: Terminal) -> None:
    """There is no copy that goes without saying."""
    assert terminal("restore", "--go").status == 2


def test_an_empty_copy(cli: WithCopy) -> None:
    """An empty table is no error, and said to be empty."""
    cli.backup.outbox = {}
    ended = cli("--go")
    assert (ended.status, "rows read" in ended.out) == (0, True)


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c(cli: WithCopy, monkeypatch: pytest.MonkeyPatch, *, as_json: bool) -> None:
    """Ended by a person it tells what was done, and the same command completes it."""
    add, calls = cli.store.add, []

    def interrupted(item: Any, *, once: bool) -> None:
        calls.append(item["id"])
        if len(calls) == 30:
            raise KeyboardInterrupt
        add(item, once=once)

    cli.backup.outbox |= {f"m-{number}": cli.backup.outbox["gone"] | {"id": f"m-{number}"} for number in range(500)}
    monkeypatch.setattr(cli.store, "add", interrupted)

    ended = cli("--go", *(["--json"] if as_json else []))

    assert ended.status == 130
    assert not ended.json["finished"] if as_json else "the same command again completes it" in ended.out
    assert [thread for thread in threading.enumerate() if "ThreadPool" in thread.name] == []
    assert cli("--go").status == 0
    assert {f"m-{number}" for number in range(500)} <= set(cli.store.outbox)


def test_aws_going_away(cli: WithCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error on the way has its own words and status; how far it came is told beside it."""
    from botocore.exceptions import EndpointConnectionError

    def away(_item: Any, *, once: bool) -> None:
        raise EndpointConnectionError(endpoint_url="x")

    cli.backup.outbox = {"m": cli.backup.outbox["gone"] | {"id": "m"}}
    monkeypatch.setattr(cli.store, "add", away)

    ended = cli("--go")

    assert (ended.status, "out of reach" in ended.err) == (1, True)


def test_what_cannot_be_written_is_named(cli: WithCopy) -> None:
    """Exit status 1, and the ids of the rows that did not go in."""
    from outbox.testing import LARGEST_ITEM

    cli.backup.outbox = {"bytes": {"id": "bytes", "x": b"x" * (LARGEST_ITEM - 8)}}
    ended = cli("--go")
    assert (ended.status, "Not written: bytes" in ended.out) == (1, True)
    assert cli("--go", "--json").json["failed"] == ["bytes"]


def test_progress(cli: WithCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far it came, how fast, and how long it still takes stands on stderr; none of it in JSON."""
    monkeypatch.setattr(restore, "TOLD_EVERY", 0.0)
    cli.backup.outbox |= {f"m-{number}": {"id": f"m-{number}"} for number in range(900)}

    ended = cli()

    assert " a second, of about 903: " in ended.err
    assert cli("--json").err == ""


def test_a_rate(cli: WithCopy) -> None:
    """A rate is kept over all segments."""
    cli.backup.outbox = {f"m-{number}": {"id": f"m-{number}"} for number in range(20)}
    began = time.monotonic()
    assert "restore --from outbox-copy --segments 2 --rate 40 --go" in cli("--rate", "40", "--segments", "2").out
    assert time.monotonic() - began > 0.4


def test_notes_about_what_arrives(cli: WithCopy) -> None:
    """In doubt, with files, no mails: each is told, since a person has to decide on it."""
    stored = {"key": "mails/f/1", "size": 1, "sha256": "0" * 64}
    cli.backup.outbox |= {
        "doubt": cli.backup.outbox["gone"] | {"id": "doubt", "status": "SENDING"},
        "f": cli.backup.outbox["gone"] | {"id": "f", "body": stored},
        "odd": {"id": "odd"},
    }
    out = cli().out
    assert "1 of them may have been sent" in out
    assert "1 of them name files" in out
    assert "1 of them are no mails" in out


def test_hostile_text(cli: WithCopy) -> None:
    """Nothing of a row acts on the terminal."""
    cli.backup.outbox[HOSTILE] = {"id": HOSTILE, "status": HOSTILE, "to": HOSTILE, "subject": HOSTILE}
    for more in ((), ("--json",), ("--go",)):
        assert not set(cli(*more).out) & set("\x1b\x07\x9b\u202e\x00\r")


def test_where_there_are_no_copies(terminal: Terminal) -> None:
    """A desk without AWS says so."""
    assert terminal("restore", "--from", "outbox-copy").status == 2

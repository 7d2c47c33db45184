"""An import that is interrupted anywhere is completed by the same command: nothing doubled, nothing lost."""

import random
from pathlib import Path

import pytest

from outbox.flows import bulk_write
from tests.cli.conftest import Terminal
from tests.cli.importing import CSV, ROWS, Bench, Flaky, many

INTERRUPTED = 130
pytestmark = pytest.mark.timeout(600 + ROWS // 50)


@pytest.fixture
def bench(terminal: Terminal, tmp_path: Path) -> Bench:
    """Give a directory, and a terminal to import its files."""
    return Bench(terminal, tmp_path)


def check(bench: Bench, rows: int) -> None:
    """Look that each row is there once, as it should be."""
    found = bench.by_recipient()
    assert found.keys() == {f"u{number}@example.com" for number in range(rows)}
    assert all(row["subject"] == f"n{to[1:].partition('@')[0]}様" for to, row in found.items())


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("ctrl_c", [False, True])
def test_interrupted_at_random_points(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, after: bool, ctrl_c: bool
) -> None:
    """Ctrl-C, or a table that is gone from some write on, twice; then the same command again completes it."""
    monkeypatch.setattr(bulk_write, "TRIES", 1)
    service, chance = bench.terminal.service, random.Random(ROWS)
    file, template = bench.file(many(ROWS)), bench.template()
    token = bench.dry(file, "--template", template).json["token"]
    command = ("import", file, "--template", template, "--send", token, "--json")

    for _ in range(2):
        bench.terminal.store = Flaky(service.store, chance.randrange(1, ROWS // 3), after=after, ctrl_c=ctrl_c)
        ended = bench.terminal(*command)
        assert ended.status == (INTERRUPTED if ctrl_c else 1)
        assert ended.json["stopped"]
        assert 0 < len(bench.rows) < ROWS
    bench.terminal.store = None
    ended = bench.terminal(*command)

    assert (ended.status, ended.json["failed"]) == (0, [])
    assert ended.json["written"] + ended.json["duplicates"] == ROWS
    check(bench, ROWS)


def test_a_single_failure_is_tried_again(bench: Bench) -> None:
    """A write without an answer is written once, in the same run."""
    file = bench.file(many(3))
    token = bench.dry(file, "--template", bench.template()).json["token"]
    first, add = [True], bench.terminal.service.store.add

    def answerless(item: object, *, once: bool) -> None:
        add(item, once=once)
        if first:
            first.clear()
            raise ConnectionError

    bench.terminal.service.store.add = answerless
    ended = bench.terminal("import", file, "--template", bench.template(), "--send", token)

    assert ended.status == 0
    check(bench, 3)


def test_ctrl_c_is_told_with_the_way_on(bench: Bench) -> None:
    """Who presses Ctrl-C hears what was written, and the command that goes on."""
    file = bench.file(many(500))
    command = bench.dry(file, "--template", bench.template()).json["send"]
    bench.terminal.store = Flaky(bench.terminal.service.store, 100, after=True, ctrl_c=True)

    ended = bench.terminal(*command.split()[1:])

    assert ended.status == INTERRUPTED
    assert f"{len(bench.rows):,} written" in ended.out
    assert "It was stopped by hand. To go on, without doubles:" in ended.out
    assert ended.out.rstrip().endswith(command)


def test_mails_that_are_in_history_by_now(bench: Bench) -> None:
    """What was sent between two runs is there already."""
    file = bench.file(CSV)
    bench.send(file, "--template", bench.template(), "--urgent")
    bench.terminal.service.deliver()
    assert bench.rows == {}

    ended = bench.send(file, "--template", bench.template(), "--urgent")

    assert (ended.json["written"], ended.json["duplicates"], bench.rows) == (0, 2, {})


def test_a_file_that_changes_while_it_is_sent(bench: Bench) -> None:
    """The run stops with a sentence; what was written stays and is told."""
    file = bench.file(many(5000))
    token = bench.dry(file, "--template", bench.template()).json["token"]
    add = bench.terminal.service.store.add

    def meddling(item: object, *, once: bool) -> None:
        with open(file, "a") as opened:  # noqa: PTH123  any way to change it
            opened.write("x")
        add(item, once=once)

    bench.terminal.service.store.add = meddling
    ended = bench.terminal("import", file, "--template", bench.template(), "--send", token)

    assert ended.status == 1
    assert "mails.csv was changed while it was read." in ended.out
    assert 0 < len(bench.rows) < 5000


def test_an_attachment_that_goes_meanwhile(bench: Bench) -> None:
    """A file that vanishes during the run fails its row by line; the others are written."""
    bench.file("a", "a.txt")
    file = bench.file("to,name,attach\na@example.com,a,\n" + "b@example.com,b,a.txt\n")
    token = bench.dry(file, "--template", bench.template()).json["token"]
    bench.terminal.service.files.before = lambda _step, _key: (_ for _ in ()).throw(ConnectionError)

    ended = bench.terminal("import", file, "--template", bench.template(), "--send", token)

    assert ended.status == 1
    assert "1 written, 0 there already, 1 failed" in ended.out
    assert "line 3: its files could not be stored" in ended.out

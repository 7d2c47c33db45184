"""`outbox resend`, `cancel`, `reopen`, `hold`, `release`: several mails at once, each result told."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.cli.conftest import Terminal


def test_resend(terminal: Terminal) -> None:
    """Failed mails ring again."""
    terminal.write_failed("a")
    terminal.write_failed("b")

    ended = terminal("resend", "a", "b")

    assert (ended.status, ended.out.count("rings again")) == (0, 2)
    assert (terminal.status("a"), terminal.status("b")) == ("PENDING", "PENDING")


def test_hold_and_release(terminal: Terminal) -> None:
    """A held mail tells who holds it and why, and goes on when it is released."""
    terminal.write("m")

    assert "Held by bob: ask the shop" in terminal("--as", "bob", "hold", "m", "--note", "ask the shop").out
    assert terminal.status("m") == "HELD"
    assert terminal("release", "m").status == 0
    assert terminal.status("m") == "PENDING"


def test_one_of_several_fails(terminal: Terminal) -> None:
    """One mail that cannot be changed does not keep the others from it; the exit status is 1."""
    terminal.write_failed("a")
    terminal.write_sent("gone")
    terminal.write_failed("b")

    ended = terminal("resend", "a", "gone", "nobody", "b", "a", "--json")

    assert ended.status == 1
    assert [(each["id"], each["ok"]) for each in ended.json["results"]] == [
        ("a", True),
        ("gone", False),
        ("nobody", False),
        ("b", True),
    ]
    kinds = [each["error"]["kind"] for each in ended.json["results"] if "error" in each]
    assert kinds == ["NeedsConfirmation", "NotFound"]
    assert "not done" in terminal("hold", "gone").out


def test_cancel_asks(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is asked before a mail is called back; anything but yes changes nothing."""
    terminal.write("m")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda _: False)

    assert terminal("cancel", "m").status == 1
    assert terminal.status("m") == "PENDING"

    monkeypatch.setattr("typer.confirm", lambda _: True)
    assert terminal("cancel", "m").status == 0
    assert terminal.status("m") == "CANCELLED"


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_cancel_where_nobody_can_be_asked(terminal: Terminal, more: tuple[str, ...]) -> None:
    """A script must say --yes; without it nothing is cancelled."""
    terminal.write("m")

    assert terminal("cancel", "m", *more).status == 2
    assert terminal.status("m") == "PENDING"
    assert terminal("cancel", "m", "--yes", *more).status == 0
    assert terminal.status("m") == "CANCELLED"


def test_cancel_says_what_takes_it_back(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is asked knows the way back."""
    terminal.write("m")
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: asked.append(question) or True)

    assert terminal("cancel", "m").status == 0
    assert "`outbox reopen` takes that back" in asked[0]


def test_reopen(terminal: Terminal) -> None:
    """A cancel is taken back without a question, for nothing goes by it; each result is told."""
    terminal.write_sent("gone")
    terminal.write("a")
    terminal("cancel", "a", "--yes")

    assert "outbox reopen a" in terminal("show", "a").out
    ended = terminal("--as", "bob", "reopen", "a", "gone", "nobody", "a")

    assert (ended.status, ended.out.count("reopened"), ended.out.count("not done")) == (1, 2, 2)
    assert "Reopened by bob." in ended.out
    assert "only CANCELLED mails are" in ended.out
    assert terminal.status("a") == "HELD"
    assert terminal("release", "a").status == 0
    assert "outbox reopen" not in terminal("show", "gone").out


def test_reopen_for_a_script(terminal: Terminal) -> None:
    """JSON tells each mail's row as it is then, or the kind of error."""
    terminal.write("a")
    terminal("cancel", "a", "--yes")

    ended = terminal("reopen", "a", "nobody", "--json")

    first, second = ended.json["results"]
    assert (ended.status, first["ok"], first["row"]["status"], first["where"]) == (1, True, "HELD", "outbox")
    assert second["error"]["kind"] == "NotFound"
    assert terminal("reopen", "a", "--json").json["results"][0]["error"]["kind"] == "WrongState"


class Breaking:
    """A store that goes out of reach after so many reads."""

    def __init__(self, store: Any, reads: int) -> None:
        self._store, self._left = store, reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, mail_id: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
        return self._store.get(mail_id)


def test_aws_goes_away_meanwhile(terminal: Terminal) -> None:
    """What was done before AWS went out of reach is told, and what was not tried as well."""
    for mail_id in ("a", "b", "c"):
        terminal.write_failed(mail_id)
    terminal.store = Breaking(terminal.service.store, 1)

    ended = terminal("resend", "a", "b", "c", "--json")

    assert ended.status == 1
    kinds = [each.get("error", {}).get("kind", "done") for each in ended.json["results"]]
    assert kinds == ["done", "EndpointConnectionError", "NotTried"]


def test_aws_out_of_reach(terminal: Terminal) -> None:
    """AWS out of reach from the start is one error that says where it was looked for."""
    terminal.store = Breaking(terminal.service.store, 0)

    ended = terminal("hold", "a", "b")

    assert (ended.status, ended.out) == (1, "")
    assert "tables in memory" in ended.err
    assert "--endpoint-url" in ended.err


def test_a_note_reaches_every_row_of_a_batch(terminal: Terminal) -> None:
    """The command that is shown has the note, and the rows have it then."""
    terminal.write_failed("a")
    where = ("--where", "state=failed", "--note", "ask the shop")

    assert "hold --where state=failed --note 'ask the shop' --send" in terminal("hold", *where).out
    assert terminal("hold", *where, "--send").status == 0
    assert terminal.row("a").reason == "Held by alice: ask the shop"


@pytest.mark.parametrize("yes", ["--yes", "--send"])
def test_yes_is_an_answer_for_many_too(terminal: Terminal, yes: str) -> None:
    """`cancel` and `release` with --where act on a yes, and only then."""
    terminal.write_failed("a")
    terminal.write("h")
    terminal("hold", "h")

    terminal("cancel", "--where", "state=failed")
    terminal("release", "--where", "error=held")
    assert (terminal.status("a"), terminal.status("h")) == ("FAILED", "HELD")
    assert terminal("cancel", "--where", "state=failed", yes).status == 0
    assert terminal("release", "--where", "error=held", yes).status == 0
    assert (terminal.status("a"), terminal.status("h")) == ("CANCELLED", "WAITING")


def test_held_mails_are_released_by_a_file_of_ids(terminal: Terminal, tmp_path: Path) -> None:
    """Ids name also what may have been sent; by its state alone it stays."""
    terminal.write("h")
    terminal("hold", "h")
    terminal.service.store.edit("h", error="held-in-doubt")
    (tmp_path / "ids").write_text("h\n")

    shown = terminal("release", "--where", "state=held", "--json").json
    assert (shown["count"], [each["count"] for each in shown["excluded"]]) == (0, [1])
    terminal("release", "--where", "state=held", "--yes")
    assert terminal.status("h") == "HELD"
    assert terminal("release", "--where", f"ids=@{tmp_path / 'ids'}", "--yes").status == 0
    assert terminal.status("h") == "WAITING"

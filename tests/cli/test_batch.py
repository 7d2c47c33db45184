"""`--where`: looked at first, then a batch that can be stopped, continued and looked at."""

import os
import signal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from outbox.adapters import aws
from outbox.adapters.control import DynamoRegister
from outbox.adapters.dynamodb import DynamoStore
from outbox.core.retention import Retention
from outbox.core.states import Status
from outbox.flows.batch import Action, Batches
from outbox.flows.where import Where
from outbox.testing import TickingClock
from tests.cli.conftest import Terminal
from tests.store import tables


@pytest.fixture
def full(terminal: Terminal) -> Terminal:
    """Give a terminal on three failed mails to two domains."""
    terminal.write_failed("a", to="a@example.co")
    terminal.write_failed("b", to="b@example.co", tags=["orders"])
    terminal.write_failed("c", to="c@example.com")
    return terminal


def statuses(terminal: Terminal) -> dict[str, str]:
    return {mail_id: terminal.status(mail_id) for mail_id in ("a", "b", "c")}


def test_a_look_first(full: Terminal) -> None:
    """Without --send nothing is done: count, sample, and the very command that does it."""
    full.suppressions.put({"email": "b@example.co"})
    ended = full("resend", "--where", "domain=example.co", "--where", "state=failed")

    assert (ended.status, set(statuses(full).values())) == (0, {"FAILED"})
    assert "2 mails are meant." in ended.out
    assert "1 of them go to suppressed addresses" in ended.out
    assert "outbox resend --where domain=example.co --where state=failed --send" in ended.out


def test_a_part_of_recipient_and_subject(full: Terminal) -> None:
    """Mails are meant by what one reads of them in a list, and so they are told in the list of batches."""
    full.service.store.edit("b", subject="Your ORDER")

    assert "2 mails are meant." in full("resend", "--where", "to=EXAMPLE.CO", "--where", "subject=hello").out
    assert full("resend", "--where", "to=b@", "--where", "subject=your order", "--send").status == 0
    assert statuses(full) == {"a": "FAILED", "b": "WAITING", "c": "FAILED"}
    (batch,) = full("batch", "list", "--json").json["batches"]
    assert batch["where"] == {"status": "FAILED", "to": "b@", "subject": "your order"}


def test_a_look_as_json(full: Terminal) -> None:
    """A script gets the same."""
    told = full("resend", "--where", "domain=example.co", "--json").json

    assert (told["count"], told["more"], [row["id"] for row in told["sample"]]) == (2, False, ["b", "a"])
    assert told["go_on"].endswith("--send")


def test_unknown_is_said_loudly(full: Terminal) -> None:
    """Mails that may have been sent are only meant when named, and then that is said."""
    full.service.store.edit("c", status="UNKNOWN", problem="UNKNOWN")

    assert "1 UNKNOWN, may have been sent" in full("resend", "--all").out
    assert "MAY HAVE BEEN SENT" in full("resend", "--where", "state=unknown").out
    assert full("resend", "--where", "state=unknown", "--json").json["warnings"]


@pytest.mark.parametrize("yes", ["--send", "--yes"])
def test_send(full: Terminal, yes: str) -> None:
    """The batch is told with its counts, listed, and done."""
    ended = full("resend", "--where", "domain=example.co", yes)
    batch = ended.err.split()[1].rstrip(".")

    assert ended.status == 0
    assert statuses(full) == {"a": "WAITING", "b": "WAITING", "c": "FAILED"}
    assert batch in full("batch", "list").out
    shown = full("batch", "show", batch, "--json").json
    assert (shown["batch"]["state"], shown["batch"]["done"], shown["go_on"]) == ("done", 2, "")
    assert full("batch", "continue", batch).status == 1
    assert full("batch", "stop", batch).status == 0
    assert {full.row("a").timeline[-1][name] for name in ("who", "batch")} == {"alice", batch}


def test_ids_from_a_file(full: Terminal, tmp_path: Path) -> None:
    """Blank lines and doubles are counted, ids of nobody too."""
    file = tmp_path / "ids.txt"
    file.write_text("\ufeffa\n\nb\na\nnobody\n", encoding="utf-8")

    out = full("resend", "--where", f"ids=@{file}").out
    report = full("resend", "--where", f"ids=@{file}", "--send", "--json").json["batch"]

    assert "2 mails are meant." in out
    assert "1 no such mail" in out
    assert "2 lines of the file were blank or there twice." in out
    assert (report["done"], report["skipped"]) == (2, [{"why": {"code": "skipped.gone"}, "count": 1}])


def test_bad_input(full: Terminal, tmp_path: Path) -> None:
    """Every slip is refused with exit status 2 and touches nothing."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_text("x" * 300)
    wrong = [
        ["resend"],
        ["resend", "--send", "a"],
        ["resend", "a", "--where", "tag=x"],
        ["resend", "--where", "tag=x", "--anyway"],
        ["resend", "--where", "colour=red"],
        ["resend", "--where", "ids=@nowhere"],
        *(["resend", "--where", f"ids=@{tmp_path / name}"] for name in ("empty", "binary", "long")),
        ["edit"],
        ["edit", "--where", "tag=x"],
        ["edit", "--set", "subject=x"],
        ["edit", "a", "--where", "tag=x", "--set", "subject=x"],
        ["edit", "--where", "tag=x", "--set", "colour=red"],
        ["edit", "--where", "tag=x", "--set", "sender=nobody", "--send"],
    ]
    assert {" ".join(words): full(*words).status for words in wrong if full(*words).status != 2} == {}
    assert full("batch", "show", "01NONE").status == 1
    assert full("batch", "continue", "01NONE", "--json").json["error"]["kind"] == "NoBatch"
    assert full("batch", "list").out == "There is no batch yet.\n"
    assert set(statuses(full).values()) == {"FAILED"}


def test_edit_shows_before_and_after(full: Terminal) -> None:
    """The corrections are shown on a sample and counted; nothing is written."""
    ended = full("edit", "--all", "--set", "to-domain=example.co:example.jp")

    assert "2 mails would change, 1 need no correction." in ended.out
    assert "a@example.jp" in ended.out
    assert "--set to-domain=example.co:example.jp --all --send" in ended.out
    assert full.row("a").item["to"] == "a@example.co"
    told = full("edit", "--all", "--set", "reply_to=help@example.com", "--json").json
    assert (told["would_change"], told["would_not"], told["changes"][0]["changes"]["reply_to"]) == (
        3,
        0,
        ["", "help@example.com"],
    )


@pytest.mark.parametrize(("yes", "status"), [("--send", "WAITING"), ("--yes", "FAILED")])
def test_edit(full: Terminal, yes: str, status: str) -> None:
    """Corrected, and sent again only if asked."""
    ended = full("edit", "--all", "--set", "to-domain=example.co:example.jp", yes)

    assert (ended.status, full.row("a").item["to"]) == (0, "a@example.jp")
    assert statuses(full) == {"a": status, "b": status, "c": "FAILED"}
    assert "1 needs no correction" in ended.out


def test_ctrl_c(full: Terminal) -> None:
    """It ends cleanly with the command that continues; continued, all are sent again once."""
    inner = full.service.store
    begun = inner.get

    def interrupted(mail_id: str) -> Any:
        inner.get = begun
        os.kill(os.getpid(), signal.SIGINT)
        return begun(mail_id)

    for number in range(300):
        full.service.store.put({**inner.outbox["a"], "id": f"x{number}"})
    inner.get = interrupted
    before = len(inner.changes)
    ended = full("resend", "--all", "--send")
    batch = ended.err.split()[1].rstrip(".")

    assert ended.status == 1
    assert f"outbox batch continue {batch}" in ended.out
    report = full("batch", "continue", batch, "--json").json["batch"]
    assert (report["state"], report["done"], len(inner.changes) - before) == ("done", 303, 303)
    assert report["continued_by"] == "alice"
    assert "  continued by alice, 20" in full("batch", "show", batch).out


def test_on_dynamodb() -> None:
    """The same on real requests: index, conditions, the item of the batch."""
    with mock_aws():
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = aws.dynamodb(boto3.Session(**keys))
        tables.create(client)
        client.create_table(
            TableName="control",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        store, clock = DynamoStore(client, "outbox", "history"), TickingClock()
        from outbox.testing import MemoryStore
        from tests.flows.test_batch import fill

        memory = MemoryStore()
        ids = fill(memory, clock, 130)
        for item in memory.outbox.values():
            store.add(item, once=False)
        # One at a time: the emulator is not made for threads.
        batches = Batches(store, DynamoRegister(client, "control"), clock, Retention(400), lambda _: None, threads=1)
        looked = batches.preview(Where(Status.FAILED, domain="example.co"))
        batch = batches.start(Where(Status.FAILED, domain="example.co"), Action("resend"), "alice")
        stopped = batches.run(batch, lambda _: batches.stop(batch))
        report = batches.run(batch)

        assert (looked.count, stopped.state, stopped.done) == (130, "stopped", 100)
        assert (report.state, report.done, report.skipped) == ("done", 130, {})
        row = store.get(ids[0])
        assert row is not None
        assert (row["status"], row["timeline"][-1]["batch"], "problem" in row) == ("WAITING", batch, False)
        assert [each.id for each in batches.latest()] == [batch]


def test_held_mails_are_released_in_bulk(terminal: Terminal) -> None:
    """`release --where` means held mails, shows them first, and lets them go by a batch."""
    for number in range(3):
        terminal.write(f"h{number}")
        assert terminal("hold", f"h{number}").status == 0
    assert "release" in terminal("release", "--where", "error=held").out
    assert {terminal.status(f"h{number}") for number in range(3)} == {"HELD"}
    assert terminal("release", "--where", "error=held", "--send").status == 0
    assert {terminal.status(f"h{number}") for number in range(3)} <= {"WAITING", "PENDING"}


def test_ids_and_where_together_are_refused(terminal: Terminal) -> None:
    """Nobody could tell which is meant; nothing at all is as unclear."""
    terminal.write("a")
    assert terminal("hold", "a", "--where", "state=failed").status == 2
    assert terminal("hold").status == 2
    assert terminal("cancel", "a", "--all", "--yes").status == 2
    assert terminal.status("a") == "PENDING"


def test_a_denied_right_is_one_error(full: Terminal) -> None:
    """The first row that AWS refuses ends the run, with the command that goes on once the right is given."""
    inner, calls = full.service.store, []

    class Denying:
        def __getattr__(self, name: str) -> Any:
            return denied if name == "update" else getattr(inner, name)

    def denied(mail_id: str, *_: Any) -> None:
        calls.append(mail_id)
        answer: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, "UpdateItem")

    full.store = Denying()
    ended = full("resend", "--all", "--send")
    full.store = None
    batch = ended.err.split()[1].rstrip(".")

    assert (ended.status, len(calls)) == (1, len(set(calls)))
    assert "AccessDenied" in ended.err
    assert "Traceback" not in ended.err
    assert f"outbox batch continue {batch}" in ended.err
    assert full("batch", "continue", batch, "--json").json["batch"]["done"] == 3

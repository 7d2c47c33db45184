"""A restored copy on the deployed service: nothing is sent by it, and exactly what a person must decide on is there."""

import itertools
import random
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from outbox.adapters.wire import to_wire
from outbox.cli import program
from outbox.core import clock, transitions
from outbox.core.codes import ErrorCode
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from tests.conftest import make_mail
from tests.waiting import SECONDS, wait_for

pytestmark = pytest.mark.stack

SENT, UNSENT, CHANGED = 1000, 100, 50
ENDED = 600


def unsent(mail_id, **parts):
    """Make a row as the service writes it."""
    return transitions.new(make_mail(**parts), mail_id, Stamp(clock.now(), "app"))


def failed(item):
    """Make of it the row of a mail the API refused, corrected by a person since."""
    row = Row(item | {"status": "SENDING"})
    return transitions.dead_letter(
        row, ErrorCode.REFUSED, {"answer": "no such domain"}, Stamp(clock.now(), "deliver")
    ).applied(row.item) | {"subject": "Corrected"}


def sent(item, number):
    """Make of it the history row of a sent mail."""
    return transitions.sent(
        Row({**item, "status": "SENDING"}), f"9{number}", Stamp(clock.now(), "deliver"), Retention(400)
    )


def put_all(deployed, table, rows):
    """Write rows 25 at a time, in parallel."""

    def put(batch):
        requests = [{"PutRequest": {"Item": to_wire(item)}} for item in batch]
        assert not deployed.dynamodb.batch_write_item(RequestItems={table: requests})["UnprocessedItems"]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [batch for batch in batched(rows, 25) if batch]))


def batched(rows, size):
    rest = iter(rows)
    while batch := list(itertools.islice(rest, size)):
        yield batch


@pytest.fixture
def copy(deployed):
    """Give the name of a table with the keys of the outbox and nothing else: no stream, no index."""
    name = f"{deployed.info.outbox_table}-restored"
    deployed.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    deployed.dynamodb.delete_table(TableName=name)


@pytest.fixture
def where(deployed, monkeypatch):
    """Give the options that name the deployed tables; the credentials are in the environment."""
    arguments = deployed.stack.boto3_arguments
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", arguments["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", arguments["aws_secret_access_key"])
    tables = ["--table", deployed.info.outbox_table, "--history-table", deployed.info.history_table]
    aws = ["--endpoint-url", arguments["endpoint_url"], "--region", arguments["region_name"], "--as", "alice"]
    return [*aws, *tables]


@pytest.fixture
def cli(where):
    """Give the command itself, on the deployed tables."""
    return lambda *words: program.run([*where, *words])


def live(deployed):
    """Read the live outbox by id."""
    pages, cursor = [], None
    while True:
        page = deployed.store.every("outbox", 1000, cursor)
        pages += page.items
        cursor = page.cursor
        if cursor is None:
            return {item["id"]: item for item in pages}


def test_a_restored_copy_sends_nothing_and_leaves_what_is_to_decide_on(deployed, copy, cli):
    """Of 1,000 rows sent since, 100 unsent and 50 changed, the 150 are there to decide on, and no mail went out."""
    there = [unsent(f"sent-{number}") for number in range(SENT)]
    history = [sent(row, n) for n, row in enumerate(there)]
    missing = [unsent(f"unsent-{number}") for number in range(UNSENT)]
    before = [unsent(f"changed-{number}") for number in range(CHANGED)]
    corrected = {row["id"]: failed(row) for row in before}
    put_all(deployed, deployed.info.history_table, history)
    put_all(deployed, deployed.info.outbox_table, corrected.values())
    put_all(deployed, copy, [*there, *missing, *before])
    deployed.settle()
    assert (deployed.arrived(), live(deployed)) == ([], corrected)

    assert cli("restore", "--from", copy) == 0
    assert live(deployed) == corrected

    for _ in range(2):
        assert cli("restore", "--from", copy, "--go") == 0
        deployed.settle(2.5)
        deployed.dispatch()
        deployed.settle()

        rows = live(deployed)
        assert deployed.arrived() == []
        assert {key: rows[key] for key in corrected} == corrected
        assert set(rows) == set(corrected) | {row["id"] for row in missing}
        told = Counter((row["status"], row["error"], row["revision"]) for row in rows.values())
        assert told == {("HELD", "restored", 2): UNSENT, ("FAILED", "refused", 2): CHANGED}

    deployed.support.release("unsent-7", "bob")
    deployed.until("unsent-7", "SENT")
    assert len(deployed.arrived()) == 1


def test_the_live_tables_are_no_copies(deployed, copy, cli):
    """Neither live table can be restored from or silenced by mistake; the copy can."""
    for table in (deployed.info.outbox_table, deployed.info.history_table):
        for more in ([], ["--quarantine"], ["--into", "history"]):
            assert cli("restore", "--from", table, "--go", *more) == 2
    put_all(deployed, copy, [unsent(f"m-{number}") for number in range(30)])

    assert cli("restore", "--from", copy, "--quarantine", "--go") == 0

    items = deployed.dynamodb.scan(TableName=copy, ConsistentRead=True)["Items"]
    assert Counter(item["status"]["S"] for item in items) == {"HELD": 30}
    assert live(deployed) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_at_any_moment(deployed, copy, where):
    """Ended by SIGINT again and again, also while it starts, the last run completes it and nothing is there twice."""
    there = [unsent(f"m-{number}") for number in range(ENDED)]
    put_all(deployed, copy, there)
    command = [sys.executable, "-m", "outbox.cli", *where, "restore", "--from", copy, "--go"]
    chance, midway = random.Random(5), 0
    for number in range(4):
        written = len(live(deployed))
        running = subprocess.Popen([*command, "--rate", "100"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if number % 2:
            wait_for(lambda written=written: len(live(deployed)) > written, pause=0.2)
        with suppress(subprocess.TimeoutExpired):
            running.wait(chance.uniform(0.1, 1))
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=SECONDS)
        assert running.returncode != 0
        midway += running.returncode == 130 and b"same command again" in out

    assert subprocess.run(command, check=False, capture_output=True).returncode == 0

    rows = live(deployed)
    assert midway >= 2
    assert set(rows) == {row["id"] for row in there}
    assert Counter((row["status"], row["revision"], len(row["timeline"])) for row in rows.values()) == {
        ("HELD", 2, 2): ENDED
    }
    assert deployed.arrived() == []


def test_history_lost_and_brought_back(deployed, copy, cli):
    """History restored from a copy is found as before, by its mails' copies too; nothing rings."""
    done = [sent(unsent(f"m-{n}", cc=[f"cc{n}@example.com"]), n) for n in range(30)]
    put_all(deployed, copy, done)

    assert cli("restore", "--from", copy, "--into", "history", "--go") == 0
    deployed.settle()

    assert deployed.store.get_finished("m-3") == done[3]
    assert [row["id"] for row in deployed.store.by_recipient("cc7@example.com", 10).items] == ["m-7"]
    assert (deployed.arrived(), live(deployed)) == ([], {})

"""What people do with history, once on DynamoDB's own tables: its expressions, pages and types."""

import boto3
import pytest
from moto import mock_aws

from outbox import Outbox
from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.core import moves
from outbox.core.bounce import Bounce
from outbox.core.change import Expect, Patch
from outbox.core.errors import Lost, NeedsConfirmation, WrongState
from outbox.core.places import BOUNCE
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.flows.again import Again, links
from outbox.flows.doctor import Doctor
from outbox.flows.forget import Forget
from outbox.flows.history import History, Sought
from outbox.flows.support import Support
from outbox.testing import MemoryFiles, TickingClock
from outbox.testing.bounces import MemorySuppressions
from tests.conftest import make_mail
from tests.store import tables

KEEP = Retention(400)
TARO = "taro@example.com"


@pytest.fixture
def clock():
    """Give a clock that stands."""
    return TickingClock()


@pytest.fixture
def store():
    """Give both tables."""
    with mock_aws():
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = aws.dynamodb(boto3.Session(**keys))
        tables.create(client)
        yield DynamoStore(client, "outbox", "history")


@pytest.fixture
def sent(store, clock):
    """Give what sends mails without a mail API; each delivery has the mail's id."""

    def send(mail_id, **parts):
        Outbox(store=store, now=clock).enqueue(make_mail(**parts), idempotency_key=mail_id)
        row = Row(store.get(mail_id))
        store.finish(mail_id, Expect(), moves.sent(row, f"d-{mail_id}", clock(), KEEP, "deliver"))

    return send


def came_back(store, clock, number, delivery, email):
    store.keep(Bounce(f"{BOUNCE}{number}", "HARDERROR", clock(), clock(), email, "550", delivery_id=delivery).item(400))


def test_look(store, clock, sent):
    """Days, recipients and bounces are found, page by page and in order."""
    for number in range(30):
        sent(f"m-{number:02d}", cc=["cc@example.com"])
        clock.forward(seconds=1)
    came_back(store, clock, 1, "d-m-07", "cc@example.com")
    history = History(store, clock)
    newest = [f"m-{number:02d}" for number in reversed(range(30))]
    assert [kept.row.id for kept in history.look(Sought())] == newest
    assert [kept.row.id for kept in history.look(Sought(to="cc@example.com"))] == newest
    assert [kept.row.id for kept in history.look(Sought(bounced=True))] == ["m-07"]
    assert [each.mail_id for each in history.bounces()] == ["m-07"]


def test_send_again(store, clock, sent):
    """The new row and the note are one write, and the second person is asked."""
    sent("m")
    clock.forward(hours=1)
    again = Again(store, None, clock)
    row = again("m", "alice")
    assert Row(store.get(row.id)).item["resend_of"] == "m"
    assert [link["id"] for link in links(Row(store.get_finished("m")))] == [row.id]
    with pytest.raises(NeedsConfirmation):
        again("m", "bob")
    assert len(store.every("outbox", 100).items) == 1


def test_forget(store, clock, sent):
    """Rows are emptied by real update expressions, and leave the index."""
    sent("mine", cc=["anna@example.com"], tags=["t"], insert_code={"a": "b"}, reply_to=TARO)
    sent("hers", to="anna@example.com", cc=[TARO], bcc=["b@example.com"])
    came_back(store, clock, 1, "d-mine", TARO)
    forget = Forget(store, MemorySuppressions(), MemoryFiles(), clock)

    report = forget(TARO, "alice")

    assert (report.mails, report.copies, report.bounces, report.left) == (["mine"], ["hers"], 1, {})
    assert TARO not in str(store.every("history", 100).items)
    assert store.copies(TARO, 100).items == []
    assert store.get_finished("hers")["bcc"] == ["b@example.com"]
    assert forget(TARO, "alice").mails == []
    with pytest.raises(WrongState):
        Again(store, None, clock)("mine", "bob")


@pytest.mark.parametrize("wrong", ["milliseconds", "2027-01-01", [1], None, True])
def test_doctor(store, clock, sent, wrong):
    """An end of any type is expected as it was and mended."""
    sent("m")
    end = 1000 * store.get_finished("m")["expires_at"] if wrong == "milliseconds" else wrong
    store.annotate("m", Patch({"expires_at": end} if end is not None else {"x": 1}, frozenset({"expires_at"})))
    doctor = Doctor(store, clock, KEEP)
    assert [bool(finding.repaired) for finding in doctor("alice", repair=True)] == [True]
    assert list(doctor()) == []


def test_delete(store, clock, sent):
    """A mail goes with the items of its copies."""
    sent("m", cc=["cc@example.com"])
    Support(store, clock, KEEP).delete("m", "alice")
    assert store.every("history", 100).items == []
    with pytest.raises(Lost):
        store.annotate("m", Patch({"x": 1}))
    assert History(store, clock).look(Sought(to="cc@example.com")) == []

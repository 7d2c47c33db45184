"""What people do with history, once on DynamoDB's own tables: its expressions, pages and types."""

from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from outbox import Outbox
from outbox.adapters import aws
from outbox.adapters.dynamodb import DynamoStore
from outbox.core import transitions
from outbox.core.bounce import Bounce
from outbox.core.change import Patch
from outbox.core.errors import Lost, NeedsConfirmation, WrongState
from outbox.core.places import BOUNCE
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.core.transitions import Stamp
from outbox.flows.activity import HOUR, Activity
from outbox.flows.again import Again, links
from outbox.flows.doctor import Doctor
from outbox.flows.forget import Forget
from outbox.flows.history import History, Sought
from outbox.flows.overview import overview
from outbox.flows.support import Support
from outbox.flows.switch import State
from outbox.testing import MemoryFiles, MemoryRegister, TickingClock
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
        claimed = transitions.claim(store.get(mail_id), clock(), timedelta(seconds=180), "x")
        row = Row(store.update(mail_id, *claimed))
        store.finish(
            mail_id, transitions.claimed(row), transitions.sent(row, f"d-{mail_id}", Stamp(clock(), "deliver"), KEEP)
        )

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


def walk(page_of):
    """Go through all pages."""
    pages, after = [], ""
    while not pages or after:
        page = page_of(after)
        pages.append(page)
        after = page.after
    return pages


def test_pages(store, clock, sent):
    """The tables take every place in a walk, also where mails have the same time and days are asked for."""
    for number in range(30):
        sent(f"m-{number:02d}", cc=["cc@example.com"], tags=["odd"] if number % 2 else [])
        came_back(store, clock, number, f"d-m-{number:02d}", "cc@example.com")
        clock.forward(hours=number % 3 == 0)
    history = History(store, clock)
    newest = [f"m-{number:02d}" for number in reversed(range(30))]
    for size, question in ((4, {}), (7, {"to": "cc@example.com"}), (9, {"to": TARO, "since": "2025-12-01"})):
        pages = walk(lambda after, size=size, question=question: history.page(Sought(**question), size, after))
        found = [kept for page in pages for kept in page.mails]
        assert sorted((kept.row.id for kept in found), reverse=True) == newest
        assert [kept.row.finished_at for kept in found] == sorted((k.row.finished_at for k in found), reverse=True)
        assert all(len(kept.bounces) == 1 for kept in found)
    odd = walk(lambda after: history.page(Sought(tag="odd"), 4, after))
    assert sorted((kept.row.id for page in odd for kept in page.mails), reverse=True) == newest[::2]
    bounced = walk(lambda after: history.page(Sought(bounced=True), 4, after))
    assert sorted((kept.row.id for page in bounced for kept in page.mails), reverse=True) == newest
    for question in ({}, {"to": "cc@example.com"}):
        bounces = walk(lambda after, question=question: history.bounces_page(**question, size=4, after=after))
        assert sorted((each.mail_id for page in bounces for each in page.bounces), reverse=True) == newest


def test_how_things_stand(store, clock, sent):
    """The chart and the overview ask the tables' own indexes."""
    for number in range(12):
        sent(f"m-{number}")
        clock.forward(seconds=10)
    Outbox(store=store, now=clock).enqueue(make_mail(), idempotency_key="waits")
    clock.forward(minutes=6)

    chart = Activity(store, clock)(HOUR)
    seen = overview(store, MemoryRegister(), None, State(), clock())

    assert [(bucket.finished, bucket.waiting) for bucket in chart.buckets[-9:]] == [
        (6, 0),
        (6, 0),
        *[(0, 0)] * 4,
        (0, 1),
        (0, 0),
        (0, 0),
    ]
    assert (str(seen.due_now), seen.oldest_unsent) == ("1", clock() - timedelta(minutes=2))
    assert str(seen.sent_last_minute) == "0"


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

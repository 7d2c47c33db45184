"""The doctor finds what nobody would find and what would never be deleted, and mends what is certain."""

from datetime import timedelta

import pytest

from outbox import Attachment
from outbox.core import clock
from outbox.core.change import Patch
from outbox.core.retention import Retention
from outbox.flows.doctor import Doctor
from tests.conftest import make_mail
from tests.flows.bounces import bounce


@pytest.fixture
def doctor(service):
    """Give the doctor."""
    return Doctor(service.store, service.clock, Retention(400))


@pytest.fixture
def sent(service, mail):
    """Give the id of a sent mail with a copy and a bounce."""
    service.outbox.enqueue(mail(cc=["cc@example.com"]), idempotency_key="m")
    service.ring_until_quiet()
    bounce(service, service.row("m").delivery_id, "taro@example.com")
    return "m"


def kinds(findings):
    return [(finding.id, finding.kind) for finding in findings]


@pytest.mark.usefixtures("sent")
def test_a_healthy_service(service, doctor, mail):
    """Mails in every state, copies, bounces and marks are all in order."""
    service.outbox.enqueue(mail())
    service.outbox.enqueue(mail(), send_at=service.clock() + timedelta(days=1))
    service.support.hold(service.outbox.enqueue(mail()).id, "bob")
    assert list(doctor()) == []


def epoch(service, **offset):
    return int((service.clock() + timedelta(**offset)).timestamp())


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (lambda service: None, 400),
        (lambda service: epoch(service, days=30) * 1000, 30),
        (lambda service: str(epoch(service, days=30)), 30),
        (lambda service: clock.text(service.clock() + timedelta(days=30)), 30),
        (lambda service: "2026-01-31", 30),
        (lambda service: epoch(service, days=30) + 0.5, 30),
        (lambda service: "in a month", 400),
        (lambda service: True, 400),
        (lambda service: 10**10, 400),
        (lambda service: 10**30, 400),
        (lambda service: 0, 400),
        (lambda service: [1], 400),
        (lambda service: epoch(service, days=-3) * 1000, 0),
    ],
)
def test_an_end_that_never_comes_is_found_and_mended(service, doctor, sent, value, days):
    """Missing, milliseconds, text, fractions, another age: DynamoDB would keep the row for ever."""
    wrong = value(service)
    service.store.history[sent]["expires_at"] = wrong
    if wrong is None:
        del service.store.history[sent]["expires_at"]

    assert kinds(doctor()) == [(sent, "never expires")]
    assert service.store.history[sent].get("expires_at") == wrong
    (finding,) = doctor("alice", repair=True)

    assert finding.repaired
    assert 0 <= service.store.history[sent]["expires_at"] - epoch(service, days=days) <= 1
    assert list(doctor()) == []


def test_items_of_the_service_must_end_too(service, doctor, sent):
    """Copies, bounces and marks are looked at like mails."""
    for item in service.store.history.values():
        item["expires_at"] *= 1000
    assert len(list(doctor(repair=True))) == len(service.store.history) == 3
    assert list(doctor()) == []
    assert service.status(sent) == "SENT"


def test_a_copy_without_its_mail(service, doctor, sent):
    """It is erased on request; one that is over anyway is left to the table."""
    del service.store.history[sent]
    assert kinds(doctor()) == [("outbox:copy:0:m", "orphan")]
    assert [finding.repaired for finding in doctor(repair=True)] == ["erased"]
    assert list(doctor()) == []
    service.store.history["outbox:copy:1:m"] = {"id": "outbox:copy:1:m", "expires_at": epoch(service, days=-1)}
    assert list(doctor()) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "SNET"},
        {"status": None},
        {"status": "WAITING", "due_at": "tomorrow"},
        {"status": "WAITING", "lane": None},
        {"status": "SENDING", "due_at": None},
        {"status": "FAILED"},
    ],
)
def test_a_row_nobody_would_find(service, doctor, mail, broken):
    """A lost row is put where people look for it, with a reason; nothing is sent."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, **broken)
    service.doorbells()

    assert kinds(doctor()) == [(mail_id, "lost")]
    (finding,) = doctor("alice", repair=True)

    assert finding.repaired
    assert service.row(mail_id).reason
    assert list(doctor()) == []
    service.ring_until_quiet()
    assert service.api.sent == []


def test_a_pending_row_nobody_heard(service, doctor, mail):
    """Ten minutes after its time something is wrong; it is told and not sent unasked."""
    mail_id = service.outbox.enqueue(mail()).id
    service.clock.forward(minutes=14)
    assert list(doctor()) == []
    service.clock.forward(seconds=1)
    (finding,) = doctor(repair=True)
    assert (finding.kind, finding.repaired, "is dispatch running?" in finding.sentence) == ("unheard", "", True)
    assert service.status(mail_id) == "PENDING"


@pytest.mark.parametrize("name", ["due_at", "lane", "created_at"])
def test_a_pending_row_dispatch_would_never_find(service, doctor, mail, name):
    """While its doorbell may still be heard it is left alone."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, lane="nowhere")
    assert list(doctor()) == []
    service.store.edit(mail_id, **{name: None})
    service.clock.forward(minutes=11)
    assert kinds(doctor()) == [(mail_id, "unheard")]


@pytest.mark.parametrize("odd", [[{"name": "a"}], ["a"], "none", [{"key": 5}], [{"content": "text"}]])
def test_attachments_without_a_file(service, doctor, mail, sent, odd):
    """In both tables; nobody can mend them."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, attachments=odd)
    service.store.history[sent]["attachments"] = odd
    found = list(doctor(repair=True))
    assert kinds(found) == [(mail_id, "attachment"), (sent, "attachment")]
    assert not any(finding.repaired for finding in found)


def test_attachments_with_a_file(service, doctor, mail):
    """A key or the bytes themselves are enough."""
    mail_id = service.outbox.enqueue(mail()).id
    service.store.edit(mail_id, attachments=[{"key": "mails/m/1/0"}, {"content": b"a"}])
    assert list(doctor()) == []


def test_page_by_page_with_progress(service, doctor):
    """It tells how far it has come, and ends after as many pages as it may read."""
    for number in range(250):
        service.store.history[f"m-{number}"] = {"id": f"m-{number}"}
    told = []
    assert len(list(doctor(progress=lambda *seen: told.append(seen)))) == 250
    assert told == [("outbox", 0), ("history", 100), ("history", 200), ("history", 250)]
    assert len(list(doctor(pages=1))) == 100


def test_a_row_that_changes_meanwhile_is_not_overwritten(service, doctor, sent):
    """Somebody else's end stands."""
    service.store.history[sent]["expires_at"] = "soon"
    annotate = service.store.annotate

    def raced(*args):
        annotate(sent, Patch({"expires_at": epoch(service, days=7)}))
        return annotate(*args)

    service.store.annotate = raced
    assert [finding.repaired for finding in doctor(repair=True)] == [""]
    assert service.store.history[sent]["expires_at"] == epoch(service, days=7)


def test_a_repair_cut_off_in_the_middle(service, doctor, sent):
    """What is left is found the next time."""
    for item in service.store.history.values():
        del item["expires_at"]
    findings = doctor(repair=True)
    next(findings)
    findings.close()
    assert len(list(doctor(repair=True))) == 2
    assert list(doctor()) == []
    assert service.status(sent) == "SENT"


def test_a_repair_lets_files_stay_that_keep_never_heard_of(service):
    """After a day without keep, the files of unsent and sent mails are kept; orphans still expire."""
    later = service.clock() + timedelta(days=30)
    mail = make_mail(attachments=[Attachment("a.txt", b"a")])
    service.outbox.enqueue(mail, send_at=later)
    service.outbox.enqueue(mail)
    service.deliver()
    service.outbox.entries(mail)
    assert len(service.files.new) == 3
    assert list(Doctor(service.store, service.clock, Retention(400), service.files)("alice", repair=True)) == []
    service.files.expire()
    assert len(service.files.objects) == 2


def test_files_that_cannot_be_kept_are_told_and_end_nothing(service):
    """A bucket out of reach is a finding of each mail that has files."""
    for number in range(2):
        service.outbox.enqueue(make_mail(subject=str(number), attachments=[Attachment("a.txt", b"a")]))

    def out_of_reach(step, _key):
        if step == "keep":
            raise ConnectionError(step)

    service.files.before = out_of_reach
    found = list(Doctor(service.store, service.clock, Retention(400), service.files)("alice", repair=True))
    assert [finding.kind for finding in found] == ["files", "files"]

"""Before the call: the suppressed are left out or stop the mail, files are there and right, and nothing is blamed."""

import pytest

from outbox import Attachment
from outbox.core.errors import OutcomeUnknown, Rejected
from outbox.core.rate import Rate
from outbox.core.retention import Retention
from outbox.flows.limiter import SharedLimiter
from outbox.flows.suppression import SuppressionList
from outbox.testing import MemorySuppressions, item_size
from tests.conftest import make_mail


@pytest.fixture
def listed(service):
    """Give the suppression list of a service that asks it."""
    service.suppression = SuppressionList(MemorySuppressions(), service.clock)
    return service.suppression


def enqueued(service, **parts):
    mail_id = service.outbox.enqueue(make_mail(**parts)).id
    service.deliver()
    return service.row(mail_id)


def no_answer(_mail):
    message = "no answer within 30 s."
    raise OutcomeUnknown(message)


def test_a_mail_to_a_suppressed_address_waits_for_a_person(service, listed):
    """It is FAILED, says since when and why, was not counted as tried, and never went out."""
    listed.add("taro@example.com", "alice", "complained")
    row = enqueued(service, to="Taro <TARO@example.com>")
    assert (row.item["status"], row.error, row.attempts) == ("FAILED", "suppressed", 0)
    assert row.reason == (
        "Not sent: TARO@example.com is suppressed since 2026-01-01T00:00:00.000Z without end: complained. "
        "Lift the address, or send this mail anyway."
    )
    assert service.api.sent == []
    service.ring_until_quiet()
    assert service.row(row.id).item == row.item


def test_after_lifting_the_mail_goes(service, listed):
    """Lifted and sent again, it is sent once."""
    listed.add("taro@example.com", "alice", "complained")
    row = enqueued(service)
    listed.lift("taro@example.com", "bob")
    service.support.resend(row.id, "bob")
    service.deliver()
    assert service.status(row.id) == "SENT"
    assert len(service.api.sent) == 1


def test_sent_anyway_it_goes_although_the_address_stays(service, listed):
    """A person's word for this one mail holds through a wait, and ends with it."""
    listed.add("taro@example.com", "alice", "complained")
    row = enqueued(service)
    service.support.resend(row.id, "bob", anyway=True)
    service.deliver()
    finished = service.row(row.id)
    assert finished.item["status"] == "SENT"
    assert "send_anyway" not in finished.item
    assert listed.reasons(["taro@example.com"])


def test_sent_again_without_that_word_it_fails_again(service, listed):
    """Sending again alone does not get past the list."""
    listed.add("taro@example.com", "alice", "complained")
    row = enqueued(service)
    service.support.resend(row.id, "bob", anyway=True)
    service.support.resend(row.id, "bob")
    service.deliver()
    assert service.row(row.id).error == "suppressed"


def test_suppressed_copies_are_left_out_and_noted(service, listed):
    """Cc and bcc lose the suppressed ones alone; history names them with the reason, and keeps the mail as written."""
    listed.add("ken@example.com", "alice", "complained")
    listed.add("mia@example.com", "alice", "moved")
    row = enqueued(service, cc=["ken@example.com", "rei@example.com"], bcc=["Mia <MIA@example.com>"])
    (mail,) = service.api.sent
    assert ([str(a) for a in mail.cc], mail.bcc) == (["rei@example.com"], ())
    assert [each["address"] for each in row.item["left_out"]] == ["ken@example.com", "MIA@example.com"]
    assert "moved" in row.item["left_out"][1]["reason"]
    assert row.timeline[-1]["left_out"] == ["ken@example.com", "MIA@example.com"]
    assert row.item["cc"] == ["ken@example.com", "rei@example.com"]


def test_who_was_left_out_is_known_while_a_mail_is_in_doubt(service, listed):
    """The note survives a call without an answer."""
    listed.add("ken@example.com", "alice", "complained")
    service.api.answer = no_answer
    row = enqueued(service, cc=["ken@example.com"])
    assert row.item["status"] == "CHECKING"
    assert [each["address"] for each in row.item["left_out"]] == ["ken@example.com"]


def test_a_note_of_an_earlier_try_does_not_outlive_a_lifting(service, listed):
    """Whoever was left out once and gets the mail after all is not named as left out."""
    listed.add("ken@example.com", "alice", "complained")
    service.api.answer = no_answer
    mail_id = service.outbox.enqueue(make_mail(cc=["ken@example.com"], on_unknown="resend")).id
    service.deliver()
    listed.lift("ken@example.com", "bob")
    service.api.answer = None
    for _ in range(10):
        service.clock.forward(minutes=10)
        service.dispatch()
    row = service.row(mail_id)
    assert row.item["status"] == "SENT"
    assert "left_out" not in row.item
    assert [str(a) for a in service.api.sent[0].cc] == ["ken@example.com"]


def test_a_list_out_of_reach_holds_the_mail_back_without_blame(service, listed):
    """Nobody knows whether the address may be written to: nothing is sent, the row says so and goes later."""

    def broken(_emails):
        message = "table"
        raise ConnectionError(message)

    look, listed.suppressions.look = listed.suppressions.look, broken
    ids = [service.outbox.enqueue(make_mail(subject=str(n))).id for n in range(2)]
    service.deliver()
    for mail_id in ids:
        row = service.row(mail_id)
        assert (row.item["status"], row.attempts) == ("WAITING", 0)
        assert "history and the suppression list cannot be read just now (ConnectionError)" in row.reason
    assert service.api.sent == []
    listed.suppressions.look = look
    service.clock.forward(minutes=1)
    service.dispatch()
    assert [service.status(mail_id) for mail_id in ids] == ["SENT", "SENT"]


def test_a_bucket_out_of_reach_lets_the_mail_wait_without_blame(service):
    """It is put off with a sentence, other mails go on, and it goes when the bucket answers again."""
    attached = service.outbox.enqueue(make_mail(subject="with", attachments=[Attachment("a.txt", b"a")])).id
    plain = service.outbox.enqueue(make_mail(subject="without")).id

    def out_of_reach(step, _key):
        if step == "get":
            raise ConnectionError(step)

    service.files.before = out_of_reach
    service.deliver()
    row = service.row(attached)
    assert (row.item["status"], row.attempts) == ("WAITING", 0)
    assert "its files cannot be read just now (ConnectionError)" in row.reason
    assert service.status(plain) == "SENT"
    service.files.before = lambda _step, _key: None
    service.clock.forward(hours=2)
    service.dispatch()
    assert service.status(attached) == "SENT"


@pytest.mark.parametrize(("content", "sentence"), [(None, "is not in the bucket any more"), (b"b", "SHA-256 differs")])
def test_a_lost_or_changed_file_is_said_by_its_name(service, content, sentence):
    """The mail is FAILED with the name of the file; nothing was called, nothing counted."""
    mail_id = service.outbox.enqueue(make_mail(attachments=[Attachment("請求書.txt", b"a")])).id
    (key,) = service.files.objects
    if content is None:
        del service.files.objects[key]
    else:
        service.files.objects[key] = content
    service.deliver()
    row = service.row(mail_id)
    assert (row.item["status"], row.error, row.attempts) == ("FAILED", "file-lost", 0)
    assert "請求書.txt" in row.reason
    assert sentence in row.reason
    assert service.api.sent == []


def test_a_mail_whose_files_take_long_finds_another_slot(service):
    """A slow bucket makes it miss its slot; it books the next and goes, instead of coming too late every time."""
    rate = Rate(60, 0)
    service.limiter = SharedLimiter(service.register, service.clock, rate, service.pause)

    def slow(step, _key):
        if step == "get":
            service.clock.forward(seconds=3)

    service.files.before = slow
    row = enqueued(service, attachments=[Attachment("a.txt", b"a")])
    assert row.item["status"] == "SENT"


def test_the_files_reach_the_api_as_they_were_enqueued(service):
    """Bytes and names, in their order."""
    enqueued(service, attachments=[Attachment("a.txt", b"a"), Attachment("ä.bin", bytes(range(256)))])
    (mail,) = service.api.sent
    assert [(a.name, a.content) for a in mail.attachments] == [("a.txt", b"a"), ("ä.bin", bytes(range(256)))]


def test_history_can_be_told_to_keep_no_bodies(service):
    """Text, HTML and insert codes leave with the mail; its key stays spent, and a late retry writes nothing."""
    service.keep = Retention(400, bodies=False)
    mail = make_mail(html="<p>x</p>", insert_code={"name": "Taro"})
    service.outbox.enqueue(mail, idempotency_key="k")
    service.deliver()
    row = service.row("k")
    assert row.item["status"] == "SENT"
    assert not {"text", "html", "insert_code"} & row.item.keys()
    assert row.item["subject"] == "Hello"
    assert service.outbox.enqueue(mail, idempotency_key="k").duplicate


def test_a_restored_row_of_a_mail_without_a_kept_body_sends_nothing(service):
    """History knows the mail by its fingerprint: the row leaves the outbox, and no second mail goes."""
    service.keep = Retention(400, bodies=False)
    service.outbox.enqueue(make_mail(), idempotency_key="k")
    restored = service.store.get("k")
    service.deliver()
    service.store.put(restored)
    service.deliver()
    assert len(service.api.sent) == 1
    assert service.store.get("k") is None


def test_a_refusal_after_files_were_read_is_a_refusal(service):
    """What the API says of the mail is not taken for trouble with its files."""

    def refuse(_mail):
        message = "to: invalid format. (400)"
        raise Rejected(message)

    service.api.answer = refuse
    row = enqueued(service, attachments=[Attachment("a.txt", b"a")])
    assert (row.item["status"], row.error, row.attempts) == ("FAILED", "refused", 1)


@pytest.mark.parametrize("odd", [5, "abc", ["x"], {"a": 1}, [{"address": 5}], None])
@pytest.mark.parametrize("anyway", [True, "taro@example.com", None])
def test_a_note_typed_by_hand_neither_hangs_nor_doubles_a_mail(service, listed, odd, anyway):
    """Whatever stands in `left_out` and `send_anyway`: the mail goes once and is settled."""
    mail_id = service.outbox.enqueue(make_mail(on_unknown="resend")).id
    service.store.edit(mail_id, left_out=odd, send_anyway=anyway)
    for _ in range(5):
        service.deliver()
        service.clock.forward(hours=2)
        service.dispatch()
    assert len(service.api.sent) == 1
    assert service.status(mail_id) == "SENT"
    assert "left_out" not in service.row(mail_id).item


def test_a_leave_to_send_anyway_is_for_the_recipient_it_was_given_for(service, listed):
    """Suppressed copies stay left out, and a row whose address is changed afterwards needs a new leave."""
    for email in ("taro@example.com", "ken@example.com", "mia@example.com"):
        listed.add(email, "alice", "complained")
    row = enqueued(service, cc=["ken@example.com"])
    service.support.resend(row.id, "bob", anyway=True)
    service.store.edit(row.id, to="mia@example.com")
    service.deliver()
    assert service.row(row.id).error == "suppressed"
    service.support.resend(row.id, "bob", anyway=True)
    service.deliver()
    (mail,) = service.api.sent
    assert (mail.to.email, mail.cc) == ("mia@example.com", ())
    assert [each["address"] for each in service.row(row.id).item["left_out"]] == ["ken@example.com"]


@pytest.mark.parametrize(
    "spelled",
    [
        "TARO@EXAMPLE.COM",
        "taro@example.com.",
        '"taro"@example.com',
        "ｔａｒｏ@example.com",
        "taro@ｅｘａｍｐｌｅ.com",
        "taro@example。com",
        "taro@exam\u00adple.com",
        "taro@example.com\u200b",
    ],
)
def test_no_spelling_gets_round_the_list(service, listed, spelled):
    """However an address is written, it is the same address."""
    listed.add("taro@example.com", "alice", "complained")
    assert enqueued(service, to=spelled).error == "suppressed"


def test_a_domain_in_its_own_script_and_in_ascii_are_one(service, listed):
    """Either finds the other on the list."""
    listed.add("taro@例え.jp", "alice", "complained")
    assert enqueued(service, to="taro@xn--r8jz45g.jp").error == "suppressed"
    assert enqueued(service, to="taro+tag@例え.jp").item["status"] == "SENT"


def test_files_that_take_too_long_make_the_mail_wait_in_time(service):
    """Before the worker's time is over it is put off with a sentence; nothing was called, nothing is blamed."""

    def slow(step, _key):
        if step == "get":
            service.clock.forward(seconds=30)

    service.files.before = slow
    began = service.clock()
    row = enqueued(service, attachments=[Attachment(f"{n}.txt", b"a") for n in range(10)])
    assert (row.item["status"], row.attempts) == ("WAITING", 0)
    assert "its files took too long to read" in row.reason
    assert (service.clock() - began).total_seconds() < 120 + 30
    assert service.api.sent == []


def test_a_large_mail_whose_texts_are_slow_to_come_is_sent(service):
    """Its only file is its text: it misses its slot and books another."""
    rate = Rate(60, 0)
    service.limiter = SharedLimiter(service.register, service.clock, rate, service.pause)

    def slow(step, _key):
        if step == "get":
            service.clock.forward(seconds=3)

    service.files.before = slow
    row = enqueued(service, insert_code={"name": "x" * 300_000})
    assert row.item["status"] == "SENT"


def test_a_look_up_whose_texts_are_out_of_reach_ends_all_the_same(service):
    """After a day without an answer the mail's policy decides."""
    service.api.answer = no_answer
    row = enqueued(service, insert_code={"name": "x" * 300_000})
    assert row.item["status"] == "CHECKING"

    def out_of_reach(step, _key):
        if step == "get":
            raise ConnectionError(step)

    service.files.before = out_of_reach
    for _ in range(60):
        service.clock.forward(hours=1)
        service.dispatch()
    assert service.status(row.id) == "UNKNOWN"


def test_a_history_row_without_room_keeps_what_its_files_are_found_by(service):
    """A person's notes yield; the names of the files stay, so that they can be deleted one day."""
    mail_id = service.outbox.enqueue(
        make_mail(insert_code={"name": "x" * 300_000}, attachments=[Attachment("a.txt", b"a")])
    ).id
    room = 400 * 1024 - item_size(service.store.get(mail_id))
    service.store.edit(mail_id, note="x" * (room - 250))
    service.deliver()
    for _ in range(5):
        service.clock.forward(hours=2)
        service.dispatch()
    row = service.row(mail_id)
    assert row.item["status"] == "SENT"
    assert row.item["files"] == 2
    assert set(row.own_files) == set(service.files.objects)

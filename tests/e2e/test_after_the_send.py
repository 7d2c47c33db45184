"""After the send, on the deployed service: bounces and suppressed addresses, files from enqueue to expiry."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from outbox import Attachment
from tests.conftest import make_mail

pytestmark = pytest.mark.stack

TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def sent(deployed, to, **parts):
    """Send a mail and give its row in history."""
    return deployed.until(deployed.outbox.enqueue(make_mail(to=to, **parts)).id, "SENT")


def bounces(deployed, row):
    return sorted((each["recipient"], each["type"]) for each in deployed.store.bounces(row.delivery_id))


def test_each_bounce_ends_on_its_own_mail(deployed):
    """Hard, soft and dropped, of a recipient and of a copy, many times over: each once, on the mail it is about."""
    hard = sent(deployed, "hard@example.com")
    soft = sent(deployed, "soft@example.com", cc=["copy@example.com"])
    dropped = sent(deployed, "drop@example.com")
    deployed.bounce(to="hard@example.com", type="HARDERROR", times=5)
    deployed.bounce(to="soft@example.com", type="SOFTERROR", times=3, together=True)
    deployed.bounce(delivery_id=int(soft.delivery_id), email="COPY@example.com", type="HARDERROR", times=4)
    deployed.bounce(to="drop@example.com", type="DROP")
    deployed.wait_for(lambda: deployed.sandbox.get("/_sandbox/stats").json()["webhooks"]["pending"] == 0)
    assert bounces(deployed, hard) == [("hard@example.com", "HARDERROR")]
    assert bounces(deployed, soft) == [("copy@example.com", "HARDERROR"), ("soft@example.com", "SOFTERROR")]
    assert bounces(deployed, dropped) == [("drop@example.com", "DROP")]
    assert deployed.sandbox.get("/_sandbox/stats").json()["webhooks"]["failed"] == 0
    for row in (hard, soft, dropped):
        assert deployed.outbox.get(row.id).item == row.item


def test_a_bounce_before_its_mail_is_found_with_it(deployed):
    """The webhook is called before the API answers: the bounce stands with the mail, and no look-up is misled."""
    deployed.fault("bounce", type="SOFTERROR", early=True, match={"to": "early@example.com"})
    row = sent(deployed, "early@example.com")
    assert bounces(deployed, row) == [("early@example.com", "SOFTERROR")]
    assert deployed.store.has_delivery(row.delivery_id)


def test_a_bounce_of_an_unknown_delivery_is_kept_and_harms_nobody(deployed):
    """An id we never sent: the webhook takes it, and it stands among the day's bounces."""
    deployed.bounce(delivery_id=99_999_999, email="nobody@example.com", unknown=True, type="SOFTERROR")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    (kept,) = deployed.wait_for(lambda: deployed.store.bounces_on(today, 10).items)
    assert (kept["recipient"], kept["delivery_id"]) == ("nobody@example.com", "99999999")
    assert deployed.sandbox.get("/_sandbox/stats").json()["webhooks"]["failed"] == 0


def test_a_second_mail_to_a_bounced_address_waits_for_a_person_and_goes_after_lifting(deployed):
    """It is FAILED with since when and why, its copy elsewhere unharmed, and it is sent once the address is lifted."""
    sent(deployed, "gone@example.com")
    deployed.bounce(to="gone@example.com", type="HARDERROR")
    deployed.wait_for(lambda: deployed.suppression.reasons(["gone@example.com"]))
    failed = deployed.until(deployed.outbox.enqueue(make_mail(to="Gone <GONE@example.com>")).id, "FAILED")
    assert failed.error == "suppressed"
    assert failed.reason.startswith("Not sent: GONE@example.com is suppressed since 20")
    assert "HARDERROR 550" in failed.reason
    assert failed.attempts == 0
    assert deployed.suppression.lift("gone@example.com", "alice")
    deployed.outbox.resend(failed.id)
    deployed.until(failed.id, "SENT")


def test_a_mail_goes_anyway_when_a_person_says_so(deployed):
    """The address stays suppressed; this one mail is sent."""
    deployed.suppression.add("gone@example.com", "alice", "asked for it")
    failed = deployed.until(deployed.outbox.enqueue(make_mail(to="gone@example.com")).id, "FAILED")
    deployed.support.resend(failed.id, "alice", anyway=True)
    assert "send_anyway" not in deployed.until(failed.id, "SENT").item
    assert deployed.suppression.reasons(["gone@example.com"])


def test_a_suppressed_copy_is_left_out_and_noted(deployed):
    """The mail goes to everybody else, and history says who was left out and why."""
    deployed.suppression.add("ken@example.com", "alice", "asked for it")
    row = sent(deployed, "taro@example.com", cc=["ken@example.com", "mia@example.com"])
    (mail,) = deployed.arrived(to="taro@example.com")
    assert mail["cc"] == ["mia@example.com"]
    assert [each["address"] for each in row.item["left_out"]] == ["ken@example.com"]
    assert "asked for it" in row.item["left_out"][0]["reason"]


def expired(item: dict[str, Any], number: str = "1", *, by: dict[str, str] | None = TTL) -> dict[str, Any]:
    """Make the record of a removed row as the stream of history tells it."""
    image = {name: TypeSerializer().serialize(value) for name, value in item.items()}
    change = {"Keys": {"id": {"S": item["id"]}}, "OldImage": image, "SequenceNumber": number}
    record = {"eventName": "REMOVE", "eventSource": "aws:dynamodb", "dynamodb": change}
    return record | ({"userIdentity": by} if by else {})


def test_three_files_arrive_as_they_were_and_go_with_their_mail(deployed, tmp_path):
    """From S3, with a Japanese name, and HTML: byte for byte at the API; after expiry its objects, and only its."""
    deployed.s3.put_object(Bucket=deployed.info.files_bucket, Key="elsewhere/report.pdf", Body=bytes(range(256)) * 400)
    (tmp_path / "請求書 十月.txt").write_bytes("金額 10,000円\r\n".encode("cp932"))
    files = {
        "report.pdf": bytes(range(256)) * 400,
        "請求書 十月.txt": (tmp_path / "請求書 十月.txt").read_bytes(),
        "page.html": "<p>お知らせ</p>".encode(),
    }
    attachments = [
        Attachment.from_s3(deployed.info.files_bucket, "elsewhere/report.pdf"),
        Attachment.from_path(tmp_path / "請求書 十月.txt"),
        Attachment("page.html", files["page.html"]),
    ]
    row = sent(deployed, "taro@example.com", attachments=attachments)
    other = sent(deployed, "hanako@example.com", attachments=[Attachment("other.txt", b"other")])
    (mail,) = deployed.arrived(to="taro@example.com")
    arrived = {
        each["name"]: deployed.sandbox.get(f"/mails/{mail['delivery_id']}/attachments/{number}").content
        for number, each in enumerate(mail["attachments"])
    }
    assert arrived == files
    assert {each["name"]: each["sha256"] for each in mail["attachments"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    keys = {each["key"] for each in row.item["attachments"]}
    before = deployed.objects()
    assert len(keys) == 3
    assert keys < before
    deployed.stack.invoke("cleanup", {"Records": [expired(row.item, by=None)]})
    assert deployed.objects() == before
    deployed.store.erase(row.id)
    batch = [expired({"id": "x"}), expired(other.item, by=None), {"odd": 1}, expired(row.item, "4"), expired(row.item)]
    assert deployed.stack.invoke("cleanup", {"Records": batch}) == {"batchItemFailures": []}
    assert deployed.objects() == before - keys


def test_the_files_of_a_committed_mail_stay(deployed):
    """Keep takes away the tag by which files of an enqueue that was never committed expire."""
    later = datetime(2030, 1, 1, tzinfo=UTC)
    receipt = deployed.outbox.enqueue(make_mail(attachments=[Attachment("a.txt", b"a")]), send_at=later)
    entries = deployed.outbox.entries(make_mail(attachments=[Attachment("b.txt", b"b")]))
    tags = {key: lambda key=key: deployed.s3.get_object_tagging(Bucket=deployed.info.files_bucket, Key=key)["TagSet"]
            for key in deployed.objects()}  # fmt: skip
    assert len(tags) == 2
    (kept,) = [key for key in tags if receipt.id in key]
    (orphan,) = [key for key in tags if entries.id in key]
    deployed.wait_for(lambda: tags[kept]() == [])
    assert tags[orphan]() == [{"Key": "outbox", "Value": "new"}]


def test_a_changed_file_is_not_sent(deployed):
    """Its content is no longer what was enqueued: FAILED, with its name, and nothing left this machine."""
    later = datetime(2030, 1, 1, tzinfo=UTC)
    mail = make_mail(to="taro@example.com", attachments=[Attachment("請求書.txt", b"a")])
    receipt = deployed.outbox.enqueue(mail, send_at=later)
    (key,) = deployed.objects()
    deployed.s3.put_object(Bucket=deployed.info.files_bucket, Key=key, Body=b"b")
    deployed.outbox.resend(receipt.id)
    failed = deployed.until(receipt.id, "FAILED")
    assert "請求書.txt" in failed.reason
    assert deployed.arrived(to="taro@example.com") == []


@pytest.mark.parametrize("auth", [None, ("mail-api", "wrong"), ("", ""), ("mail-api", "x" * 10_000)])
def test_the_webhook_takes_nothing_from_strangers(deployed, auth):
    """Without the credentials: 401, and nothing is written."""
    import httpx

    body = {"events": [{"event": {"type": "HARDERROR", "datetime": "2026-01-01T00:00:00+09:00",
            "detail": {"mailaddress": "taro@example.com", "error_code": "550", "delivery_id": 1}}}]}  # fmt: skip
    answer = httpx.post(deployed.info.bounce_url, json=body, auth=auth, trust_env=False)
    assert answer.status_code == 401
    assert "taro" not in json.dumps(answer.json())
    assert deployed.store.bounces("1") == []

"""Write deliveries, mail logs and bounces as the mail API does."""

from collections import Counter
from typing import Any

from outbox.local.sandbox import invented
from outbox.local.sandbox.bounce import DROP, HARDERROR, SOFTERROR, Bounce
from outbox.local.sandbox.mail import Delivery, Mail, MailLog, iso_time


def _times(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_time": None if delivery.sent_at is None else iso_time(delivery.sent_at),
        "reservation_time": None,
        "created_time": iso_time(delivery.received_at),
        "updated_time": iso_time(delivery.sent_at or delivery.received_at),
    }


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """Return a row of a search; it never shows a recipient."""
    sender = delivery.mail.sender
    return {
        "delivery_id": delivery.delivery_id,
        "from": {"email": sender.email, "name": sender.name},
        "status": delivery.status,
        **_times(delivery),
        "delivery_type": "TRANSACTION",
        "subject": delivery.mail.subject,
    }


def delivery_detail(delivery: Delivery) -> dict[str, Any]:
    """Return one delivery with its templates as they were posted and with its counts."""
    return {
        **delivery_row(delivery),
        "text_part": delivery.mail.text_part,
        "html_part": delivery.mail.html_part,
        "attaches": _attaches(delivery),
        "total_count": len(delivery.mail.recipients),
        **_counts(delivery),
        "open_count": 0,
    }


def _counts(delivery: Delivery) -> dict[str, int]:
    """Count recipients by how their mail ended; whether the real one counts a bounced mail as sent is unknown."""
    counted: Counter[str] = Counter()
    if delivery.sent_at is not None:
        counted.update(
            bounces[-1].type if (bounces := delivery.bounces_of(email)) else "SENT"
            for email in delivery.mail.recipients
        )
    return {
        "sent_count": counted["SENT"],
        "drop_count": counted[DROP],
        "hard_error_count": counted[HARDERROR],
        "soft_error_count": counted[SOFTERROR],
    }


def _attaches(delivery: Delivery) -> list[dict[str, Any]]:
    stored = iso_time(delivery.received_at)
    return [
        {
            "delivery_attach_id": delivery.delivery_id * 1_000 + at,
            "file_name": file.name,
            "mime": file.mime,
            "size": len(file.content),
            "created_time": stored,
            "updated_time": stored,
        }
        for at, file in enumerate(delivery.mail.attachments)
    ]


def log_row(log: MailLog) -> dict[str, Any]:
    """Return a row of the mail logs."""
    time = iso_time(log.sent_at)
    return {
        "maillog_id": log.maillog_id,
        "delivery_id": log.delivery_id,
        "delivery_type": "TRANSACTION",
        "email": log.email,
        "status": log.status,
        "last_response_code": log.response_code,
        "last_response_message": log.response_message,
        "delivery_time": time,
        "open_time": None,
        "created_time": time,
        "updated_time": iso_time(log.updated_at),
    }


def log_detail(log: MailLog) -> dict[str, Any]:
    """Return one mail log with its attempts; where they stand in the real answer is unknown."""
    attempts = [
        invented.delivery_attempt(iso_time(each.at), each.type, each.code, each.message) for each in log.bounces
    ] or [invented.delivery_attempt(iso_time(log.sent_at), log.status, log.response_code, log.response_message)]
    return {**log_row(log), "histories": attempts}


def error_row(error: Bounce) -> dict[str, Any]:
    """Return a row of the error stop list."""
    return {
        "email": error.email,
        "response_code": error.code,
        "response_message": error.message,
        "error_time": iso_time(error.at),
    }


def webhook_event(bounce: Bounce, mail: Mail | None, *, with_insert_codes: bool) -> dict[str, Any]:
    """Return what the webhook is told; guesses: the subject as it was read, insert codes as they were posted."""
    detail = {
        "mailaddress": bounce.email,
        "subject": "" if mail is None else mail.filled_in(mail.subject),
        "error_code": bounce.code,
        "error_message": bounce.message,
        "delivery_id": bounce.delivery_id,
    }
    if with_insert_codes:
        codes = () if mail is None else mail.insert_code
        detail["insert_codes"] = [{"key": key, "value": value} for key, value in codes]
    return {"event": {"type": bounce.type, "datetime": iso_time(bounce.at), "detail": detail}}

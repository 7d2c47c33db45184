"""Write deliveries and mail logs as the mail API does."""

from typing import Any

from outbox.local.sandbox import invented
from outbox.local.sandbox.mail import Delivery, MailLog, iso_time


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
    everyone = len(delivery.mail.recipients)
    return {
        **delivery_row(delivery),
        "text_part": delivery.mail.text_part,
        "html_part": delivery.mail.html_part,
        "attaches": _attaches(delivery),
        "total_count": everyone,
        "sent_count": 0 if delivery.sent_at is None else everyone,
        "drop_count": 0,
        "hard_error_count": 0,
        "soft_error_count": 0,
        "open_count": 0,
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
        "last_response_message": invented.MAIL_LOG_SENT,
        "delivery_time": time,
        "open_time": None,
        "created_time": time,
        "updated_time": time,
    }


def log_detail(log: MailLog) -> dict[str, Any]:
    """Return one mail log with its attempts; where they stand in the real answer is unknown."""
    attempt = invented.delivery_attempt(iso_time(log.sent_at), log.status, log.response_code, invented.MAIL_LOG_SENT)
    return {**log_row(log), "histories": [attempt]}

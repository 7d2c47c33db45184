"""A transactional outbox for mail: write a mail in your DynamoDB transaction, see it sent, fix it when it was not."""

from outbox.client import Entries, Outbox, Receipt
from outbox.core.address import Address
from outbox.core.attachment import Attachment
from outbox.core.errors import (
    ChangedMeanwhile,
    FileLost,
    InvalidMail,
    InvalidRequest,
    KeyConflict,
    MissingSettings,
    NeedsConfirmation,
    NotFound,
    OutboxError,
    WrongState,
)
from outbox.core.mail import ListUnsubscribe, Mail
from outbox.core.row import Row
from outbox.core.states import Status

__all__ = [
    "Address",
    "Attachment",
    "ChangedMeanwhile",
    "Entries",
    "FileLost",
    "InvalidMail",
    "InvalidRequest",
    "KeyConflict",
    "ListUnsubscribe",
    "Mail",
    "MissingSettings",
    "NeedsConfirmation",
    "NotFound",
    "Outbox",
    "OutboxError",
    "Receipt",
    "Row",
    "Status",
    "WrongState",
]

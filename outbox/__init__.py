"""A transactional outbox for mail: write a mail in your DynamoDB transaction, see it sent, fix it when it was not."""

from outbox.client import Entries, Outbox
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
    NotWritten,
    OutboxError,
    WrongState,
)
from outbox.core.mail import ListUnsubscribe, Mail
from outbox.core.row import Row
from outbox.core.states import Status
from outbox.flows.bulk import Bulk, Written
from outbox.flows.enqueue import Draft, Receipt

__all__ = [
    "Address",
    "Attachment",
    "Bulk",
    "ChangedMeanwhile",
    "Draft",
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
    "NotWritten",
    "Outbox",
    "OutboxError",
    "Receipt",
    "Row",
    "Status",
    "Written",
    "WrongState",
]

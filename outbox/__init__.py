"""A transactional outbox for mail: write a mail in your DynamoDB transaction, see it sent, fix it when it was not."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = {
    "client": ("Entries", "Outbox"),
    "core.address": ("Address",),
    "core.attachment": ("Attachment",),
    "core.mail": ("ListUnsubscribe", "Mail"),
    "core.row": ("Row",),
    "core.states": ("Status",),
    "flows.bulk": ("Bulk", "Written"),
    "flows.enqueue": ("Draft", "Receipt"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name when it is first used: the service's functions lie in this package and use no client."""
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME.get(name, 'core.errors')}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

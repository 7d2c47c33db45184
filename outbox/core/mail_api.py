"""What the flows need of the mail API; an adapter and the fakes of `outbox.testing` provide it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from outbox.core.mail import Mail

# Seconds the files of a mail may take to leave; a call with files may last that much longer than one without.
LONGEST_UPLOAD = 10.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API took the mail. `remaining`: calls left in this minute, `wait`: seconds until there are more, if said."""

    delivery_id: str
    remaining: int | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A mail as it will leave, ready to be sent as it is: headers and content, or files, as the provider wants them.

    `upload_seconds`: how much longer its call may last than one without files.
    """

    parts: Mapping[str, Any]
    upload_seconds: float = 0.0


class MailApi(Protocol):
    """The HTTP mail API; it alone knows status codes, everybody else knows its decisions."""

    @property
    def longest_call(self) -> float:
        """The seconds after which a call without files has certainly ended; with files, `LONGEST_UPLOAD` later."""

    @property
    def account(self) -> str:
        """Name the address and credentials in use without giving them away. Raises `Stop` if there are none."""

    def fresh_account(self) -> str:
        """Read the credentials anew and name them. Raises `Stop` if there are none."""

    def ready(self) -> None:
        """Make sure that credentials are at hand. Raises `Stop` if there are none."""

    def encode(self, mail: Mail) -> Request:
        """Make the request for a mail, without any input or output. Raises `NotEncodable`."""

    def send(self, request: Request) -> Accepted:
        """Send one mail. Raises `Rejected`, `TryLater`, `OutcomeUnknown` or `Stop`.

        Only `OutcomeUnknown` may be raised once the first byte of the request is on the wire.
        """


@dataclass(frozen=True, slots=True)
class Seen:
    """A delivery in the API's own records with the content of a mail."""

    delivery_id: str
    created_at: datetime


class Records(Protocol):
    """The mail API's own records of what it accepted."""

    def find(
        self,
        mail: Mail,
        since: datetime,
        until: datetime,
        is_other: Callable[[str], bool],
        spend: Callable[[], None],
    ) -> Sequence[Seen]:
        """List what may be this mail, the oldest first. Raises `NotAnswered`, `NoRecords`, `TryLater`, `Stop`."""

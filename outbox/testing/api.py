"""A mail API that obeys, and records of it that show what a test puts there."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from outbox.core.mail import Mail
from outbox.core.mail_api import Accepted, Request, Seen
from outbox.testing.files import in_memory


@dataclass
class FakeRecords:
    """Records of the mail API that show what a test puts there, and fail as it says."""

    deliveries: list[tuple[Mail, Seen]] = field(default_factory=list)
    error: Exception | None = None
    looks: int = 0

    def find(
        self,
        mail: Mail,
        since: datetime,
        until: datetime,
        is_other: Callable[[str], bool],
        spend: Callable[[], None],
    ) -> list[Seen]:
        """List deliveries of the very mail in that time which are not known to be others'."""
        spend()
        self.looks += 1
        if self.error is not None:
            raise self.error
        near = timedelta(minutes=1)
        return [
            seen
            for sent, seen in self.deliveries
            if _shown(sent) == _shown(mail)
            and since - near <= seen.created_at <= until + near
            and not is_other(seen.delivery_id)
        ]


@dataclass
class FakeMailApi:
    """A mail API that takes everything and remembers it, or does what `answer` says for a mail.

    `answer` may raise a `MailApiError`, before or after calling `accept`; `encoding` may raise anything.
    """

    answer: Callable[[Mail], Accepted] | None = None
    encoding: Callable[[Mail], Mail] | None = None
    longest_call: float = 1.0
    account: str = "account"
    sent: list[Mail] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ready(self) -> None:
        """Be ready."""

    def fresh_account(self) -> str:
        """Name the account, which a test may have changed."""
        return self.account

    def encode(self, mail: Mail) -> Request:
        """Make the request: the mail itself, or what a test makes of it."""
        return Request({"mail": self.encoding(mail) if self.encoding else mail})

    def send(self, request: Request) -> Accepted:
        """Take a mail, or do as `answer` says."""
        mail: Mail = request.parts["mail"]
        return self.answer(mail) if self.answer else self.accept(mail)

    def accept(self, mail: Mail) -> Accepted:
        """Take a mail for delivery under the next id."""
        with self._lock:
            self.sent.append(in_memory(mail))
            return Accepted(str(len(self.sent)))


def _shown(mail: Mail) -> tuple[str, ...]:
    """Give what such records show of a mail: neither copies nor files."""
    return mail.to.email, mail.sender.email, mail.subject, mail.text, mail.html

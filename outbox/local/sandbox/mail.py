"""What arrived, as plain values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from outbox.local.sandbox import invented
from outbox.local.sandbox.bounce import Bounce

JST = timezone(timedelta(hours=9))


@dataclass(frozen=True, slots=True)
class Address:
    """An address with the name shown beside it."""

    email: str
    name: str = ""

    def __str__(self) -> str:
        """Show it as mail programs do."""
        return f"{self.name} <{self.email}>" if self.name else self.email


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as it was received."""

    name: str
    mime: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest in hex, to compare with what was sent."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The content of one accepted request, insert codes not yet filled in."""

    sender: Address
    to: str
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: Address | None = None
    subject: str
    text_part: str = ""
    html_part: str = ""
    encode: str = "UTF-8"
    insert_code: tuple[tuple[str, str], ...] = ()
    list_unsubscribe: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()

    def filled_in(self, template: str) -> str:
        """Return the text as the recipient reads it, with the insert codes replaced."""
        for key, value in self.insert_code:
            template = template.replace(key, value)
        return template

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everyone who gets it, bcc last: the newest log row is then not the main recipient's."""
        return (self.to, *self.cc, *self.bcc)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An accepted mail; times are seconds since 1970, `sent_at` is None while it waits."""

    delivery_id: int
    received_at: float
    mail: Mail
    sent_at: float | None = None
    bounces: tuple[Bounce, ...] = ()

    def is_for(self, email: str) -> bool:
        """Tell whether this address gets it, openly or not, however it is spelled."""
        return any(recipient.lower() == email.lower() for recipient in self.mail.recipients)

    def bounces_of(self, email: str) -> tuple[Bounce, ...]:
        """Return the bounces of one recipient, the last one last."""
        return tuple(bounce for bounce in self.bounces if bounce.about(email))

    @property
    def status(self) -> str:
        """The name the mail API gives to where it is."""
        return "WAIT" if self.sent_at is None else "SENT"


@dataclass(frozen=True, slots=True)
class MailLog:
    """What became of a mail for one of its recipients."""

    maillog_id: int
    delivery_id: int
    email: str
    sent_at: float
    bounces: tuple[Bounce, ...] = ()

    @property
    def status(self) -> str:
        """SENT, or the type of the last bounce."""
        return self.bounces[-1].type if self.bounces else "SENT"

    @property
    def response_code(self) -> str:
        """The code of the last answer, as decorated as in the webhook."""
        return self.bounces[-1].code if self.bounces else "250"

    @property
    def response_message(self) -> str:
        """The words of the last answer."""
        return self.bounces[-1].message if self.bounces else invented.MAIL_LOG_SENT

    @property
    def updated_at(self) -> float:
        """When something was last heard of it."""
        return max(self.sent_at, self.bounces[-1].at) if self.bounces else self.sent_at


def iso_time(seconds: float) -> str:
    """Write a time as the mail API does: whole seconds, Japanese offset."""
    return datetime.fromtimestamp(int(seconds), UTC).astimezone(JST).isoformat()

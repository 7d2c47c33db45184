"""The mails of the demo: what is sent, what goes wrong with it, and what should have become of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from outbox.core import clock
from outbox.core.attachment import Attachment
from outbox.core.codes import ErrorCode, EventCode
from outbox.core.mail import Mail
from outbox.core.row import Event, Row
from outbox.core.states import Status

SHOP = "Example Shop <shop@example.com>"
GONE = "gone@example.com"
REFUSED, CORRECTED = "hanako@exampel.com", "hanako@example.com"
# The one that is left for whoever looks at the demo.
LEFT = "jiro@exampel.com"
LATE = timedelta(seconds=8)
RETRY_AFTER = 3
ORDER_KEY = "order-1042-confirmation"

FILES = (
    Attachment("invoice.pdf", bytes(range(256)) * 40),
    Attachment("請求書.txt", "金額 10,000円\n".encode()),
    Attachment("terms.html", b"<h1>Terms</h1>"),
)

Arrived = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One mail: how it is called, what it is, and what should become of it."""

    name: str
    mail: Mail
    expected: str
    fault: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    late: bool = False
    # Written only when its address has bounced.
    bounced: bool = False
    ends: Status = Status.SENT

    @property
    def to(self) -> str:
        """The address it is written to."""
        return self.mail.to.email


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of a mail at the end: its row, and what the sandbox received at its addresses."""

    scene: Scene
    row: Row
    arrived: Arrived
    bounces: Sequence[Mapping[str, Any]] = ()
    send_at: datetime | None = None

    def wrong(self) -> Iterator[str]:
        """Yield every way in which it did not come out as it should."""
        if self.row.status is not self.scene.ends:
            yield f"it is {self.row.item.get('status')}, not {self.scene.ends}: {self.row.reason}"
            return
        if self.scene.ends is Status.SENT:
            yield from self._delivery()
        elif self.arrived or not self.row.reason:
            yield f"{len(self.arrived)} of it arrived, and its reason is {self.row.reason!r}"
        yield from CHECKS.get(self.scene.name, _nothing)(self)

    def event(self, what: EventCode) -> Event:
        """Give the first event of a kind from the timeline; an empty one if there is none."""
        return next((event for event in self.row.timeline if event.get("what") == what), {})

    def _delivery(self) -> Iterator[str]:
        if len(self.arrived) != 1:
            yield f"{len(self.arrived)} of it arrived, not one"
            return
        mail, got = self.row.mail(), self.arrived[0]
        wanted = {
            "delivery_id": self.row.delivery_id,
            "subject": mail.subject,
            "html_part": mail.html,
            "cc": [address.email for address in mail.cc],
        } | ({"text_part": mail.text} if mail.text else {})
        found = {name: got.get(name) or type(value)() for name, value in wanted.items()} | {
            "delivery_id": str(got.get("delivery_id"))
        }
        yield from (f"its {name} arrived as {found[name]!r}" for name in wanted if found[name] != wanted[name])


def scenes() -> list[Scene]:
    """Make the mails of the demo, in the order in which they are written."""
    return [
        Scene("plain mail", _mail("plain@example.com", "Welcome", text="Good to have you."), "sent once"),
        Scene(
            "HTML with cc",
            _mail(
                "html@example.com",
                "Your invoice",
                html="<h1>Invoice 17</h1><p>Thank <b>you</b>.</p>",
                cc=["Accounts <accounts@example.com>"],
            ),
            "sent once, HTML and cc as written",
        ),
        Scene(
            "Japanese text",
            _mail("taro@example.com", "ご注文ありがとうございます", text="山田太郎様\n\nご注文を承りました。①髙﨑\n"),
            "sent once, every character as written",
        ),
        Scene(
            "with an order, in one transaction",
            _mail("order@example.com", "Order 1042", text="We have your order 1042.", tags=["order-1042"]),
            "order and mail written together, sent once; its key again writes nothing",
            key=ORDER_KEY,
        ),
        Scene(
            "scheduled",
            _mail("later@example.com", "Reminder", text="Tomorrow is the day."),
            f"sent once, and not before its time, {LATE.seconds} s ahead",
            late=True,
        ),
        Scene(
            "refused address",
            _mail(REFUSED, "Your ticket", text="Here is your ticket."),
            "FAILED with the API's reason; sent after the address was corrected",
            fault={"mode": "refuse_address"},
        ),
        Scene(
            "refused, for you to correct",
            _mail(LEFT, "Your seat is reserved", text="Row 12, seat 7. Please be there at 18:30."),
            "FAILED with the API's reason, until you correct its address and send it again",
            fault={"mode": "refuse_address"},
            ends=Status.FAILED,
        ),
        Scene(
            "during a 429",
            _mail("busy@example.com", "News", text="There is news."),
            f"waits the {RETRY_AFTER} s the API asks for without blame, then sent once",
            fault={"mode": "rate_limited", "times": 1, "retry_after": str(RETRY_AFTER)},
        ),
        Scene(
            "during a 500",
            _mail("broken@example.com", "Password reset", text="Here is your link."),
            "UNKNOWN, waits for a person, never sent again by itself",
            fault={"mode": "server_error", "times": 1, "status": 500},
            ends=Status.UNKNOWN,
        ),
        Scene(
            "with three files",
            _mail("files@example.com", "Your papers", text="Please find them attached.", attachments=FILES),
            "sent once, each file byte for byte as it was",
        ),
        Scene(
            "an address that bounces",
            _mail(GONE, "Hello again", text="Are you there?"),
            "sent once; what came back stands with it",
            fault={"mode": "bounce", "type": "HARDERROR", "copies": 2, "times": 1},
        ),
        Scene(
            "once more to that address",
            _mail(GONE, "And again", text="Are you still there?"),
            "FAILED: the address is suppressed, since when and why; never sent",
            bounced=True,
            ends=Status.FAILED,
        ),
    ]


def _mail(to: str, subject: str, **parts: Any) -> Mail:  # noqa: ANN401  the parts of a mail
    return Mail(sender=SHOP, to=to, subject=subject, **({"tags": ["demo"]} | parts))


def _nothing(_: Seen) -> Iterator[str]:
    return iter(())


def _scheduled(seen: Seen) -> Iterator[str]:
    arrived = float(seen.arrived[0]["received_at"]) if seen.arrived else 0.0
    early = seen.send_at.timestamp() - arrived if seen.send_at else 0.0
    if early > 0:
        yield f"it arrived {early:.1f} s before its time"


def _refused(seen: Seen) -> Iterator[str]:
    if seen.event(EventCode.FAILED).get("error") != ErrorCode.REFUSED:
        yield "its timeline has no reason of the mail API"
    if not seen.event(EventCode.EDITED) or seen.row.attempts != 2:
        yield f"it was sent with {seen.row.attempts} attempts counted, not 2, or without an edit"
    if any(mail.get("to") == REFUSED for mail in seen.arrived):
        yield "it arrived at the address the API refuses"


def _left(seen: Seen) -> Iterator[str]:
    if seen.row.error != ErrorCode.REFUSED:
        yield f"its reason is none of the mail API's: {seen.row.reason}"


def _throttled(seen: Seen) -> Iterator[str]:
    deferred = seen.event(EventCode.DEFERRED)
    since = clock.parse(deferred.get("at"))
    if since is None or deferred.get("error") != ErrorCode.RETRY_LATER:
        yield "its timeline does not say that it waited for the rate"
        return
    waited = float(seen.arrived[0]["received_at"]) - since.timestamp() if seen.arrived else 0.0
    # The row's clock has milliseconds.
    if waited < RETRY_AFTER - 0.01:
        yield f"it was sent again after {waited:.1f} s, not {RETRY_AFTER}"
    if seen.row.attempts != 1:
        yield f"{seen.row.attempts} attempts were counted, not 1: a 429 is not its fault"


def _unknown(seen: Seen) -> Iterator[str]:
    why = seen.row.item.get("details", {}).get("why", {})
    if seen.row.error != ErrorCode.UNKNOWN or "500" not in str(why):
        yield f"its reason does not name the answer: {seen.row.reason}"


def _files(seen: Seen) -> Iterator[str]:
    wanted = [(file.name, file.digest) for file in FILES]
    found = [(file["name"], file["sha256"]) for mail in seen.arrived for file in mail["attachments"]]
    if found != wanted:
        yield f"its files arrived as {found}"


def _bounced(seen: Seen) -> Iterator[str]:
    said = [(bounce["recipient"], bounce["type"]) for bounce in seen.bounces]
    if said != [(GONE, "HARDERROR")]:
        yield f"what came back of it is {said}"


def _suppressed(seen: Seen) -> Iterator[str]:
    details = str(seen.row.item.get("details"))
    if seen.row.error != ErrorCode.SUPPRESSED or "since" not in details or "HARDERROR" not in details:
        yield f"its reason does not say since when and why: {seen.row.reason}"


CHECKS = {
    "with three files": _files,
    "an address that bounces": _bounced,
    "once more to that address": _suppressed,
    "scheduled": _scheduled,
    "refused address": _refused,
    "refused, for you to correct": _left,
    "during a 429": _throttled,
    "during a 500": _unknown,
}

"""A bounce as the mail API's webhook tells it, read leniently, and the item by which history keeps it.

The API sends no event id and may send an event again: the id is made of what the event says, so that two spellings of
one event (17 or "17", an address in capitals, another time zone) are one item.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from outbox.core import clock, places
from outbox.core.address import Address, key
from outbox.core.errors import InvalidMail, Problem, as_details
from outbox.core.message import Message, read_back, stored
from outbox.core.text import bad_character, shorten

BOUNCE = places.BOUNCE
HARD, SOFT, DROP = "HARDERROR", "SOFTERROR", "DROP"
TYPES = (HARD, SOFT, DROP)
# Not the API's words: an event that nobody can match to an address, and one that does not say its type.
UNREADABLE, UNNAMED = "UNREADABLE", "UNNAMED"
LONGEST_WORD, LONGEST_SUBJECT, LONGEST_MESSAGE, LONGEST_SAID = 50, 256, 500, 2000
FIRST_YEAR = 1970
JST = timezone(timedelta(hours=9))
MOST_CODES, LONGEST_CODE = 10, 100


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the events of one call: written down for the first time, there already, of no readable address."""

    recorded: int = 0
    known: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Bounce:
    """One event. With a `problem` its address cannot be read: then `said` is the event itself and `email` is empty."""

    id: str
    type: str
    happened_at: datetime
    received_at: datetime
    email: str = ""
    code: str = ""
    message: str = ""
    subject: str = ""
    delivery_id: str = ""
    problem: str = ""
    said: str = ""
    # The insert codes the mail API was told to give back: they tie it to a mail whose delivery id nobody knows.
    codes: Mapping[str, str] = field(default_factory=dict)

    def item(self, keep_days: int) -> dict[str, Any]:
        """Give the item of the history table; its keys let the same indexes find it that find the mails."""
        happened = clock.text(self.happened_at)
        item = {
            "id": self.id,
            "type": self.type,
            "finished_at": happened,
            "day": places.bounce_day(happened[:10]),
            "received_at": clock.text(self.received_at),
            "expires_at": math.ceil((self.received_at + timedelta(days=keep_days)).timestamp()),
            "recipient": self.email,
            "code": self.code,
            "message": self.message,
            "subject": self.subject,
            "delivery_id": self.delivery_id,
            "problem": str(self.problem),
            "details": stored(self.problem) if isinstance(self.problem, Message) else {},
            "said": self.said,
            "insert_code": dict(self.codes),
        }
        return {name: value for name, value in item.items() if value not in ("", {})}


def problem_of(item: Mapping[str, Any]) -> str:
    """Give what is wrong with an event that could not be read, as a `Message`; empty for one that could."""
    details = item.get("details")
    return (read_back(details) if isinstance(details, Mapping) else None) or str(item.get("problem", ""))


def read(raw: object, number: int, received_at: datetime) -> Bounce:
    """Read one entry of the webhook's `events`; whatever it is, a bounce comes of it. `number`: its place, from 0.

    A moment that is missing, unreadable or still to come (a clock that is wrong) counts as the moment of receipt.
    """
    detail, problem = _detail(raw, f"events[{number}]")
    email = ""
    if problem is None:
        email, problem = _email(detail, f"events[{number}].event.detail.mailaddress")
    if problem is not None:
        return _unreadable(raw, detail, problem, received_at)
    said_type, said_moment = (raw["event"].get(name) for name in ("type", "datetime"))  # type: ignore[index]
    moment = _moment(said_moment)
    kind, code, delivery = _type(said_type), _clean(detail.get("error_code"), LONGEST_WORD), detail.get("delivery_id")
    identity = [
        _text(delivery).strip(),
        email,
        _text(said_type).strip().upper(),
        _text(detail.get("error_code")).strip(),
        clock.text(moment) if moment else _text(said_moment).strip(),
    ]
    return Bounce(
        _id(identity),
        kind,
        min(moment or received_at, received_at),
        received_at,
        email=email,
        code=code,
        message=_clean(detail.get("error_message"), LONGEST_MESSAGE),
        subject=_clean(detail.get("subject"), LONGEST_SUBJECT),
        delivery_id=_delivery_id(delivery),
        codes=_codes(detail.get("insert_codes")),
    )


def _detail(raw: object, path: str) -> tuple[Mapping[str, Any], Problem | None]:
    if not isinstance(raw, Mapping):
        return {}, Problem(path, Message("rule.object"))
    part: Mapping[str, Any] = raw
    for name in ("event", "detail"):
        path += f".{name}"
        if name not in part:
            return {}, Problem(path, Message("rule.missing"))
        if not isinstance(part[name], Mapping):
            return {}, Problem(path, Message("rule.object"))
        part = part[name]
    return part, None


def _email(detail: Mapping[str, Any], path: str) -> tuple[str, Problem | None]:
    email = detail.get("mailaddress")
    if email is None:
        return "", Problem(path, Message("rule.missing"))
    if not isinstance(email, str):
        return "", Problem(path, Message("rule.text"))
    try:
        return key(Address(email.strip()).email), None
    except InvalidMail as error:
        return "", Problem(path, error.problems[0].rule)


def _unreadable(raw: object, detail: Mapping[str, Any], problem: Problem, received_at: datetime) -> Bounce:
    # What nobody can match is kept as it came: whoever looks into it has nothing else.
    said = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    return Bounce(
        _id(raw),
        UNREADABLE,
        received_at,
        received_at,
        delivery_id=_delivery_id(detail.get("delivery_id")),
        problem=Message("problems", problems=as_details([problem])),
        said=shorten(said, LONGEST_SAID),
    )


def _id(identity: object) -> str:
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return BOUNCE + hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32]


def _codes(said: object) -> dict[str, str]:
    parts = [part for part in said if isinstance(part, Mapping)] if isinstance(said, list) else []
    codes = {_clean(part.get("key"), LONGEST_WORD): _clean(part.get("value"), LONGEST_CODE) for part in parts}
    return {name: value for name, value in [*codes.items()][:MOST_CODES] if name}


def _type(said: object) -> str:
    word = _text(said).strip()
    return word.upper() if word.upper() in TYPES else _clean(word, LONGEST_WORD) or UNNAMED


def _delivery_id(said: object) -> str:
    """Give a delivery id that an index can hold; what can be none is left out."""
    text = _text(said).strip()
    return text if text and text.isascii() and len(text) <= LONGEST_WORD and not bad_character(text) else ""


def _moment(said: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(said.strip()) if isinstance(said, str) else None
        # The mail API writes +09:00; should it leave that out one day, it still means its own time.
        moment = moment.replace(tzinfo=moment.tzinfo or JST).astimezone(UTC) if moment else None
    except (ValueError, OverflowError):
        return None
    return moment if moment and moment.year >= FIRST_YEAR else None


def _text(value: object) -> str:
    """Write any value of JSON as text: 17, 17.0 and "17" alike."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _clean(value: object, limit: int) -> str:
    """Make text of one line that every table and screen can hold."""
    text = shorten(" ".join(_text(value)[: 4 * limit].split()), limit)
    return "".join("\N{REPLACEMENT CHARACTER}" if bad_character(char) else char for char in text)

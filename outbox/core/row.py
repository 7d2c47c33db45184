"""A row of the outbox or of history, read from attributes that a person may have edited by hand."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from outbox.core import clock, limits
from outbox.core.attachment import Attachment, StoredFile, is_own
from outbox.core.change import state_of
from outbox.core.codes import EventCode
from outbox.core.errors import InvalidMail, Problem, RowBroken
from outbox.core.mail import BODY, ListUnsubscribe, Mail
from outbox.core.message import Message, read_back
from outbox.core.states import Status
from outbox.core.version import version

Item = Mapping[str, Any]
Event = dict[str, Any]

# Enough for eight attempts and a long conversation about them; older events make room.
LONGEST_TIMELINE = 100
# A count that only a person can have typed; DynamoDB keeps 38 digits, and the next one must still be one more.
ABSURD = 10**18

TEXTS = ("sender", "to", "subject", "text", "html", "reply_to", "encoding", "on_unknown")
LISTS = ("cc", "bcc", "tags")
# All parts of a mail, in the order in which what is wrong with them is told.
PARTS = (*TEXTS, *LISTS, "insert_code", "list_unsubscribe", "urgent", "attachments")
NEEDED = frozenset({"sender", "to", "subject"})
# In place of what is wrong, so that the rest can be looked at: a mail stops at its first kind of problem.
SOMEBODY = "somebody@example.com"
STAND_INS: Mapping[str, str] = {"sender": SOMEBODY, "to": SOMEBODY, "subject": "-", "text": "-"}
# The part of a mail that a problem names, and its number in a list: `cc[2]`.
PART = re.compile(r"(?P<name>\w+)(?:\[(?P<number>\d{1,9})\])?")
SHA256 = re.compile(r"[0-9a-f]{64}")
# How a value of the wrong type is called in the sentence a person reads.
TYPES: Mapping[type, str] = {
    str: "type.text",
    bytes: "type.binary",
    bool: "type.boolean",
    int: "type.number",
    float: "type.number",
    list: "type.list",
    dict: "type.map",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What an item says about its mail, read leniently: bookkeeping a person broke counts as absent."""

    item: Item

    @property
    def id(self) -> str:
        """The id, which is the idempotency key if there was one."""
        return str(self.item.get("id", ""))

    @property
    def status(self) -> Status | None:
        """The state, in the outbox or in history, however a person spelled it; None if the word is none."""
        return state_of(self.item.get("status"))

    @property
    def revision(self) -> int:
        """How often the service has written the row."""
        return whole(self.item.get("revision"))

    @property
    def version(self) -> str:
        """One word for the mail as it stands; every save of a field changes it, also one past the service.

        Only of a row that was read whole: an index shows a part of it.
        """
        return version(self.item)

    @property
    def attempts(self) -> int:
        """Calls of the mail API that count against the mail."""
        return whole(self.item.get("attempts"))

    @property
    def deferrals(self) -> int:
        """Times in a row it was deferred: no attempt was counted."""
        return whole(self.item.get("deferrals"))

    @property
    def deaths(self) -> int:
        """How often a worker died or hung with it, as far as it is known."""
        return whole(self.item.get("deaths"))

    @property
    def looks(self) -> int:
        """Looks at the mail API's records that did not show it."""
        return whole(self.item.get("looks"))

    @property
    def due_at(self) -> datetime | None:
        """When somebody looks at it again."""
        return clock.parse(self.item.get("due_at"))

    @property
    def send_at(self) -> datetime | None:
        """The time the application asked for."""
        return clock.parse(self.item.get("send_at"))

    @property
    def created_at(self) -> datetime | None:
        """When it was written."""
        return clock.parse(self.item.get("created_at"))

    @property
    def finished_at(self) -> datetime | None:
        """When it was sent or cancelled."""
        return clock.parse(self.item.get("finished_at"))

    @property
    def reason(self) -> str:
        """Why it is where it is, in plain words."""
        return str(self.item.get("reason", ""))

    @property
    def error(self) -> str:
        """The kind of reason, one word."""
        return str(self.item.get("error", ""))

    @property
    def delivery_id(self) -> str:
        """The mail API's own id of the delivery, as text; empty before it was sent."""
        return str(self.item.get("delivery_id", ""))

    @property
    def timeline(self) -> list[Event]:
        """What happened to it, oldest first."""
        events = self.item.get("timeline")
        return [dict(event) for event in events if isinstance(event, Mapping)] if isinstance(events, list) else []

    @property
    def has_texts(self) -> bool:
        """Whether it says what the mail said, on the row or in the bucket: history may be told not to keep that."""
        return bool(self.item.keys() & {"text", "html", "body"})

    @property
    def body(self) -> StoredFile | None:
        """Where text, HTML and variables lie when the row has no room for them. Raises `RowBroken`."""
        return stored_file(self.item, "body", self.item["body"]) if "body" in self.item else None

    @property
    def left_out(self) -> list[dict[str, str]]:
        """The suppressed copies a mail went without: `address`, and `reason`, a `Message` as the service wrote it."""
        listed = self.item.get("left_out")
        parts = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
        return [{"address": str(part.get("address", "")), "reason": _why(part)} for part in parts]

    @property
    def files(self) -> list[str]:
        """The keys of all files it names, also those of other mails that a person's slip may have put there."""
        return list(_keys(self.item))

    @property
    def own_files(self) -> list[str]:
        """The keys of its files that are certainly its own: no other may be touched in its name."""
        return [key for key in self.files if is_own(self.id, key)]

    @property
    def urgent(self) -> bool:
        """Whether it overtakes other mail."""
        return self.item.get("urgent") is True

    def mail(self) -> Mail:
        """Read the mail. Raises `RowBroken`, which names every field that is wrong, when no mail can be made of it.

        So it is with bodies that lie in the bucket: `outbox.flows.files.complete` reads them first.
        """
        return mail_of(self.item)

    def with_event(self, now: datetime, who: str, what: str, **details: Any) -> list[Event]:  # noqa: ANN401
        """Give the timeline with one more event; empty details are left out."""
        event: Event = {"at": clock.text(now), "who": who, "what": what}
        event |= {name: value for name, value in details.items() if value not in (None, "", [], {})}
        before = self.timeline
        event["what"] = str(what)
        if before and what == EventCode.DEFERRED and before[-1].get("what") == EventCode.DEFERRED:
            # A bad night of the API must not push out what people did.
            last = before.pop()
            event |= {"times": whole(last.get("times", 1)) + 1, "since": last.get("since", last.get("at"))}
        return [*before, event][-LONGEST_TIMELINE:]


def _why(part: Item) -> str:
    details = part.get("details")
    return (read_back(details) if isinstance(details, Mapping) else None) or str(part.get("reason", ""))


def whole(value: object) -> int:
    """Read a count; what is no count, or one that no table could raise, counts as none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < ABSURD else 0


def mail_of(item: Item) -> Mail:
    """Make the mail an item describes. Raises `RowBroken` naming all that is missing, mistyped or not allowed."""
    if "body" in item and not item.keys() >= set(BODY):
        raise RowBroken("body", Message("rule.body-not-read"))
    try:
        if item.keys() >= NEEDED:
            return Mail(**{name: part_of(item, name) for name in PARTS if name in item})
    except (InvalidMail, RowBroken):
        pass
    raise RowBroken.of(faults(item))


def faults(item: Item) -> list[Problem]:
    """List everything that keeps a mail from being made of these attributes, each once; in linear time."""
    found = [Problem(name, Message("rule.missing")) for name in TEXTS if name in NEEDED - item.keys()]
    parts: dict[str, Any] = {problem.field: STAND_INS[problem.field] for problem in found}
    for name in PARTS:
        if name not in item:
            continue
        try:
            parts[name] = part_of(item, name)
        except (RowBroken, InvalidMail) as wrong:
            found += wrong.problems
            parts = _replaced(parts, name)
    # A mail stops at its first kind of problem, so what is wrong is replaced until nothing is: once a part at most.
    for _ in range(len(PARTS)):
        try:
            Mail(**parts)
        except InvalidMail as wrong:
            found += wrong.problems
            before, parts = parts, _without(parts, wrong.problems)
            if parts == before:
                break
        else:
            break
    return list(dict.fromkeys(found))


def _without(parts: dict[str, Any], problems: Sequence[Problem]) -> dict[str, Any]:
    """Put something harmless in the place of all that is wrong."""
    wrong: dict[str, set[int] | None] = {}
    for problem in problems:
        match = PART.match(problem.field)
        name, number = (match["name"], match["number"]) if match else ("", None)
        numbers = wrong.setdefault(name, set())
        if number is None or numbers is None:
            wrong[name] = None
        else:
            numbers.add(int(number))
    for name, numbers in wrong.items():
        if numbers and isinstance(parts.get(name), list):
            parts = parts | {name: [SOMEBODY if n in numbers else each for n, each in enumerate(parts[name])]}
        else:
            parts = _replaced(parts, name)
    return parts


def _replaced(parts: dict[str, Any], name: str) -> dict[str, Any]:
    if name in STAND_INS:
        return parts | {name: STAND_INS[name]}
    others = {other: value for other, value in parts.items() if other != name}
    # A mail whose HTML is wrong does not lack a text for that.
    return {"text": STAND_INS["text"], **others} if name == "html" else others


def part_of(item: Item, name: str) -> Any:  # noqa: ANN401  whatever a part of a mail is
    """Read one part of the mail an item describes, in the form `Mail` takes. Raises `RowBroken`, `InvalidMail`.

    Of a list that is too long only so many are looked at as a mail may have; `Mail` refuses it by its length.
    """
    if name in TEXTS:
        return _typed(item, name, str)
    if name in LISTS:
        return _texts(item, name)
    if name == "insert_code":
        return _text_map(item, name, limits.COUNTS[name][0])
    if name == "list_unsubscribe":
        return _unsubscribe(item)
    if name == "urgent":
        return _typed(item, name, bool)
    listed = _typed(item, name, list)
    most = limits.COUNTS[name][0]
    return [*(_attachment(item, number, part) for number, part in enumerate(listed[:most])), *listed[most:]]


def _typed(item: Item, name: str, kind: type) -> Any:  # noqa: ANN401  of that kind
    value = item.get(name)
    if not isinstance(value, kind):
        found = Message(TYPES[type(value)]) if type(value) in TYPES else type(value).__name__
        raise RowBroken(name, limits.must_be(TYPES[kind], found))
    return value


def _texts(item: Item, name: str) -> list[str]:
    value, most = item[name], limits.COUNTS[name][0]
    if isinstance(value, (set, frozenset)):
        # Only what is not refused by its length needs an order.
        listed = sorted(value, key=str) if len(value) <= most else list(value)
    else:
        listed = _typed(item, name, list)
    for number, part in enumerate(islice(listed, most)):
        _typed({f"{name}[{number}]": part}, f"{name}[{number}]", str)
    return listed


def _text_map(item: Item, name: str, most: int | None = None) -> dict[str, str]:
    value = _typed(item, name, dict)
    for key in islice(value, most):
        _typed({f"{name}.{key}": value[key]}, f"{name}.{key}", str)
    return dict(value)


def _unsubscribe(item: Item) -> ListUnsubscribe:
    for key in _typed(item, "list_unsubscribe", dict):
        if key not in ("mailto", "url"):
            raise RowBroken(f"list_unsubscribe.{key}", Message("rule.unsubscribe-part"))
    return ListUnsubscribe(**_text_map(item, "list_unsubscribe"))


def _attachment(item: Item, number: int, part: object) -> Attachment:
    name = f"attachments[{number}]"
    attributes: Item = _typed({name: part}, name, dict)
    for key in ("name", "mime"):
        _typed({f"{name}.{key}": attributes.get(key)}, f"{name}.{key}", str)
    if "key" in attributes:
        return Attachment(attributes["name"], stored_file(item, name, part), attributes["mime"])
    content = _typed({f"{name}.content": attributes.get("content")}, f"{name}.content", bytes)
    return Attachment(attributes["name"], content, attributes["mime"])


def stored_file(item: Item, name: str, part: object) -> StoredFile:
    """Read where a file of a row lies. Raises `RowBroken`, also for a file of another mail."""
    attributes: Item = _typed({name: part}, name, dict)
    for key, kind in (("key", str), ("size", int), ("sha256", str)):
        _typed({f"{name}.{key}": attributes.get(key)}, f"{name}.{key}", kind)
    if not is_own(str(item.get("id", "")), attributes["key"]):
        raise RowBroken(f"{name}.key", Message("rule.not-own-file"))
    if not SHA256.fullmatch(attributes["sha256"]):
        raise RowBroken(f"{name}.sha256", Message("rule.sha256"))
    return StoredFile(attributes["key"], whole(attributes["size"]), attributes["sha256"])


def same_mail(one: Item, other: Item) -> bool:
    """Tell whether two rows hold the very same mail; bodies in the bucket by their SHA-256. Raises `RowBroken`."""
    bodies = [row.body.sha256 if row.body else "" for row in (Row(one), Row(other))]
    return bodies[0] == bodies[1] and _print(one) == _print(other)


def _print(item: Item) -> str:
    """Give the fingerprint of what stands on the row itself."""
    without = {name: value for name, value in item.items() if name != "body"}
    # A mail needs a text, and that of this one is not at hand.
    return mail_of({"text": "-", **without} if "body" in item else without).fingerprint


def _keys(item: Item) -> Iterator[str]:
    listed = item.get("attachments")
    for part in [*(listed if isinstance(listed, list) else []), item.get("body")]:
        if isinstance(part, Mapping) and isinstance(part.get("key"), str):
            yield part["key"]

"""A mail as an application writes it; what the API would refuse is refused when it is made."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sized
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Literal, Self, cast

from outbox.core import limits
from outbox.core.address import Address
from outbox.core.attachment import Attachment
from outbox.core.errors import InvalidMail, Problem
from outbox.core.message import Message

Encoding = Literal["UTF-8", "ISO-2022-JP"]
OnUnknown = Literal["hold", "resend"]


@dataclass(frozen=True, slots=True)
class ListUnsubscribe:
    """Where a recipient unsubscribes: `mailto:…`, `https://…` or both."""

    mailto: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, init=False)
class Mail:
    """One mail to one person, checked against the limits of the mail API (see `outbox.core.limits`).

    Nothing is written by making one. Raises `InvalidMail`, which names every field that is wrong, its limit and
    its size. `insert_code` maps a name (1 to 16 letters and digits, used in the text as `__name__`) to its value.
    `on_unknown` says what happens when nobody can tell whether the API took the mail: "hold" it for a person, or
    "resend" it. `urgent` mail overtakes other mail. `tags` are for finding it again. `text` and `html`: at least one.
    """

    sender: Address
    to: Address
    subject: str
    text: str = ""
    html: str = ""
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: Address | None = None
    insert_code: Mapping[str, str] = field(default_factory=dict, hash=False)
    list_unsubscribe: ListUnsubscribe | None = None
    encoding: Encoding = "UTF-8"
    attachments: tuple[Attachment, ...] = ()
    tags: tuple[str, ...] = ()
    on_unknown: OnUnknown = "hold"
    urgent: bool = False

    def __init__(  # noqa: PLR0913  a mail has many parts; all but the first are by name
        self,
        *,
        sender: Address | str,
        to: Address | str,
        subject: str,
        text: str = "",
        html: str = "",
        cc: Iterable[Address | str] = (),
        bcc: Iterable[Address | str] = (),
        reply_to: Address | str | None = None,
        insert_code: Mapping[str, str] | None = None,
        list_unsubscribe: ListUnsubscribe | None = None,
        encoding: Encoding = "UTF-8",
        attachments: Iterable[Attachment] = (),
        tags: Iterable[str] = (),
        on_unknown: OnUnknown = "hold",
        urgent: bool = False,
    ) -> None:
        problems: list[Problem] = []
        several: dict[str, Any] = {"cc": cc, "bcc": bcc, "attachments": attachments, "tags": tags}
        several["insert_code"] = {} if insert_code is None else insert_code
        too_many = [problem for name in several if (problem := _counted(several, name))]
        values: dict[str, Any] = {
            "sender": _address(sender, "sender", problems),
            "to": _address(to, "to", problems),
            "subject": subject,
            "text": text,
            "html": html,
            "cc": _addresses(several["cc"], "cc", problems),
            "bcc": _addresses(several["bcc"], "bcc", problems),
            "reply_to": _address(reply_to, "reply_to", problems) if reply_to not in (None, "") else None,
            "insert_code": _codes(several["insert_code"], problems),
            "list_unsubscribe": list_unsubscribe,
            "encoding": encoding,
            "attachments": _several(several["attachments"], Attachment, "attachments", problems),
            "tags": _several(several["tags"], str, "tags", problems),
            "on_unknown": on_unknown,
            "urgent": urgent,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not problems:
            problems.extend(limits.problems(self, too_many))
        if problems:
            raise InvalidMail(problems)

    def but(self, **changes: Any) -> Self:  # noqa: ANN401  the fields of a mail, of whatever type they are
        """Give the same mail with some fields changed, checked again. Raises `InvalidMail` for an unknown field."""
        unknown = sorted(set(changes) - set(FIELDS))
        if unknown:
            rule = Message("rule.no-field", fields=", ".join(FIELDS))
            raise InvalidMail([Problem(name, rule) for name in unknown])
        return replace(self, **changes)

    def to_item(self) -> dict[str, Any]:
        """Give the attributes of a row as a person reads and edits them; what is empty is left out.

        Raises `InvalidRequest` when a file has not been stored.
        """
        item = self._texts()
        if self.attachments:
            item["attachments"] = [attachment.to_item() for attachment in self.attachments]
        return item

    def _texts(self) -> dict[str, Any]:
        """Give the attributes of a row without those of the files."""
        item: dict[str, Any] = {"sender": str(self.sender), "to": str(self.to), "subject": self.subject}
        item |= {
            "text": self.text,
            "html": self.html,
            "cc": [str(address) for address in self.cc],
            "bcc": [str(address) for address in self.bcc],
            "reply_to": str(self.reply_to or ""),
            "insert_code": dict(self.insert_code),
            "list_unsubscribe": _without_empty(self.list_unsubscribe),
            "tags": list(self.tags),
        }
        item = {name: value for name, value in item.items() if value}
        return item | {"encoding": self.encoding, "on_unknown": self.on_unknown, "urgent": self.urgent}

    @property
    def fingerprint(self) -> str:
        """Give a hash of everything in the mail: the same for the same mail, whoever makes it and when.

        Raises `InvalidRequest` when a file has not been read yet.
        """
        item = self._texts()
        if self.attachments:
            # Without the type: it may have been guessed, and each host guesses by its own table.
            item["attachments"] = [[a.name, a.digest] for a in self.attachments]
        canonical = json.dumps(item, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences(self, other: "Mail") -> list[str]:
        """Name the fields in which two mails differ."""
        return [name for name in FIELDS if getattr(self, name) != getattr(other, name)]


FIELDS = tuple(f.name for f in fields(Mail))
# What can be so long that it does not fit on a row; it is kept in the bucket then.
BODY = ("text", "html", "insert_code")


def _address(value: Address | str | None, name: str, problems: list[Problem]) -> Address | None:
    try:
        return Address.parse(cast("str", value), name)
    except InvalidMail as error:
        problems.extend(error.problems)
        return None


def _counted(several: dict[str, Any], name: str) -> Problem | None:
    """Say that there are too many of a part, and leave only as many as may be read."""
    values = several[name]
    if isinstance(values, (str, bytes, Address)) or not isinstance(values, Iterable):
        return None
    if not isinstance(values, Sized):
        values = several[name] = tuple(values)
    problem = limits.too_many(name, len(values))
    if problem is not None:
        first = islice(values.items() if isinstance(values, Mapping) else values, limits.COUNTS[name][0])
        several[name] = dict(first) if isinstance(values, Mapping) else tuple(first)
    return problem


def _addresses(values: Iterable[Address | str], name: str, problems: list[Problem]) -> tuple[Address | None, ...]:
    if isinstance(values, (str, Address)):
        values = [values]
    listed = _several(values, (str, Address), name, problems)
    return tuple(_address(value, f"{name}[{n}]", problems) for n, value in enumerate(listed))


def _several(values: Any, kind: Any, name: str, problems: list[Problem]) -> tuple[Any, ...]:  # noqa: ANN401
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        problems.append(Problem(name, limits.must_be("type.list", type(values).__name__)))
        return ()
    # A set has another order in each process, and the same mail must have the same fingerprint in all of them.
    listed = tuple(sorted(values, key=str) if isinstance(values, AbstractSet) else values)
    problems.extend(
        Problem(f"{name}[{n}]", Message("rule.wrong-type", found=type(value).__name__))
        for n, value in enumerate(listed)
        if not isinstance(value, kind)
    )
    return tuple(value for value in listed if isinstance(value, kind))


def _codes(codes: Any, problems: list[Problem]) -> dict[str, str]:  # noqa: ANN401
    if not isinstance(codes, Mapping):
        problems.append(Problem("insert_code", Message("rule.mapping")))
        return {}
    wrong = [key for key, value in codes.items() if not isinstance(key, str) or not isinstance(value, str)]
    problems.extend(Problem(f"insert_code[{key!r}]", Message("rule.name-value-text")) for key in wrong)
    return {} if wrong else dict(codes)


def _without_empty(unsubscribe: ListUnsubscribe | None) -> dict[str, str]:
    parts = {"mailto": unsubscribe.mailto, "url": unsubscribe.url} if unsubscribe else {}
    return {name: value for name, value in parts.items() if value}

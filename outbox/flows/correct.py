"""Corrections of many mails at once, each worked out on the mail it meets: a wrong domain, a wrong sender, a tag."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from outbox.core.address import Address
from outbox.core.errors import InvalidMail, InvalidRequest, Problem, RowBroken
from outbox.core.mail import Mail
from outbox.core.message import Message
from outbox.core.places import LISTED
from outbox.core.row import Item, Row, mail_of
from outbox.core.text import bad_character

WHOLE = ("sender", "reply_to", "subject")
DOMAINS = {"to-domain": "to", "sender-domain": "sender", "reply_to-domain": "reply_to"}
TAGS = ("tag+", "tag-")
KNOWN = "sender=, reply_to=, subject=, to-domain=OLD:NEW, sender-domain=OLD:NEW, reply_to-domain=OLD:NEW, tag+=, tag-="

Changes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Correction:
    """One correction: what is set, and to what."""

    what: str
    value: str

    @property
    def field(self) -> str:
        """The field of the mail that it touches."""
        return "tags" if self.what in TAGS else DOMAINS.get(self.what, self.what)

    def on(self, item: Item) -> Any:  # noqa: ANN401  whatever a field holds
        """Give the field as it shall be on this row."""
        there = item.get(self.field)
        if self.what in TAGS:
            return _tags(there, self.value, keep=self.what == "tag+")
        return _moved(there, self.value) if self.what in DOMAINS else self.value


def corrections(typed: Iterable[str]) -> tuple[Correction, ...]:
    """Read `FIELD=VALUE` as typed. Raises `InvalidRequest` naming the field and its rule."""
    found = tuple(map(_read, typed))
    whats = [each.what for each in found if each.what not in TAGS]
    if twice := [what for what in whats if whats.count(what) > 1]:
        raise InvalidRequest(Message("request.twice", field=twice[0]))
    if not found:
        raise InvalidRequest(Message("request.no-correction", known=KNOWN))
    return found


def listed(some: Iterable[Correction]) -> bool:
    """Tell whether the problems index shows all that these corrections touch."""
    return {each.field for each in some} <= set(LISTED)


def changes(some: Iterable[Correction], item: Item) -> Changes:
    """Give the fields that become different on this row."""
    new = dict(item)
    for each in some:
        new[each.field] = each.on(new)
    touched = {each.field for each in some}
    return {name: new[name] for name in touched if (new[name] or None) != (_ordered(item.get(name)) or None)}


def corrected(row: Row, changed: Changes) -> Mail:
    """Give the mail with its corrections, checked as a whole. Raises `InvalidMail`."""
    whole = {name: value for name, value in {**row.item, **changed}.items() if value not in (None, "", [], {})}
    if "body" in whole:
        # The texts lie in the bucket and are not touched, and a mail needs one.
        whole = {"text": "-", **{name: value for name, value in whole.items() if name != "body"}}
    try:
        return mail_of(whole)
    except RowBroken as broken:
        raise InvalidMail(broken.problems) from None


def _read(typed: str) -> Correction:
    what, equals, value = typed.partition("=")
    if not equals or what not in (*WHOLE, *DOMAINS, *TAGS):
        raise InvalidRequest(Message("request.correction", written=repr(typed), known=KNOWN))
    value = value.strip()
    if what != "reply_to" and not value:
        raise InvalidRequest(Message("request.empty", field=what))
    if bad := bad_character(value):
        raise InvalidRequest(Message("request.control", field=what, character=bad))
    _check(what, value)
    return Correction(what, value)


def _check(what: str, value: str) -> None:
    """Refuse what is wrong on every row, before the first is touched."""
    old, _, new = value.partition(":")
    if what in DOMAINS and not (old and new and "@" not in value):
        raise InvalidRequest(Message("request.domains", field=what, written=repr(value)))
    try:
        if what in DOMAINS:
            Address(f"anybody@{new}")
        elif what in ("sender", "reply_to") and value:
            Address.parse(value)
    except InvalidMail as wrong:
        raise InvalidMail([Problem(what, problem.rule) for problem in wrong.problems]) from None


def _moved(written: object, domains: str) -> object:
    """Give an address with its domain changed, if it has the old one; anything else as it is."""
    old, _, new = domains.partition(":")
    try:
        address = Address.parse(written) if isinstance(written, str) else None
    except InvalidMail:
        return written
    if address is None:
        return written
    local, _, domain = address.email.rpartition("@")
    return str(Address(f"{local}@{new}", address.name)) if domain.lower() == old.lower() else written


def _ordered(value: object) -> object:
    """Give a set, as a hand may have typed one, as the list it is taken for."""
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else value


def _tags(there: object, tag: str, *, keep: bool) -> list[Any]:
    tags = _ordered(there)
    others = [each for each in tags if each != tag] if isinstance(tags, list) else []
    return ([*tags] if isinstance(tags, list) and tag in tags else [*others, tag]) if keep else others

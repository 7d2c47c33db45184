"""The addresses that get no mail: asked before a mail is sent; read, lifted and added to by people, with who asked."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from outbox.core import suppression
from outbox.core.address import Address, key
from outbox.core.errors import InvalidMail, InvalidRequest
from outbox.core.message import Message, message_of
from outbox.core.ports import Clock, Page, Suppressions
from outbox.core.row import Item
from outbox.core.text import bad_character

log = structlog.get_logger()

TRIES = 10
LONGEST_WHO = 100
# Enough for any list on a screen; a page of the table holds no more.
MOST = 1000


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """Acts on the suppression list for a person, and answers who is on it."""

    suppressions: Suppressions
    clock: Clock

    def reasons(self, emails: Collection[str]) -> dict[str, Message]:
        """Say of each suppressed address (as `address.key` gives it) since when, until when and why; in one look."""
        wanted = keys(emails)
        return sentences(self.suppressions.look(wanted) if wanted else {}, self.clock())

    def show(self, email: str) -> Item | None:
        """Give the entry of an address; None if there is none. Raises `InvalidRequest`."""
        return self.suppressions.get(_address(email))

    def entries(self, limit: int = 100, cursor: str | None = None) -> Page:
        """List entries in no order, also of addresses that are no longer, or not yet, suppressed."""
        if not 1 <= limit <= MOST:
            raise InvalidRequest(Message("request.limit", most=MOST))
        return self.suppressions.page(limit, cursor)

    def lift(self, email: str, who: str) -> bool:
        """Let an address get mail again; tell whether it was suppressed. Raises `InvalidRequest`."""
        address, now = _address(email), self.clock()
        _check_text(Message("asked.who"), who, LONGEST_WHO, least=1)

        def change(entry: Item | None) -> dict[str, Any] | None:
            is_suppressed = entry is not None and suppression.suppressed(entry, now) is not None
            return suppression.lifted(entry, who, now) if entry is not None and is_suppressed else None

        return self._change(address, change) is not None

    def add(self, email: str, who: str, reason: str, until: datetime | None = None) -> Item:
        """Suppress an address, without end unless said; give its entry. Raises `InvalidRequest`."""
        address, now = _address(email), self.clock()
        _check_text(Message("asked.who"), who, LONGEST_WHO, least=1)
        _check_text("reason", reason, suppression.LONGEST_REASON)
        if until is not None and (until.tzinfo is None or until <= now):
            raise InvalidRequest(Message("request.until"))
        new = suppression.by_hand(address, who, reason, now, until)
        self._change(address, lambda entry: _with_errors(entry, new))
        return new

    def _change(self, email: str, change: Callable[[Item | None], dict[str, Any] | None]) -> dict[str, Any] | None:
        for _ in range(TRIES):
            entry = self.suppressions.get(email)
            new = change(entry)
            if new is None or self.suppressions.swap(email, entry, new):
                if new is not None:
                    log.info("suppression.changed")
                return new
        raise InvalidRequest(Message("request.suppression-busy"))


class NoSuppression:
    """No list of our own: nobody is suppressed."""

    def reasons(self, emails: Collection[str]) -> Mapping[str, str]:  # noqa: ARG002  the list's form
        """Name nobody."""
        return {}


def keys(emails: Collection[str]) -> set[str]:
    """Give the keys under which the list has some addresses; what is no address has none."""
    return {email for email in map(_lower, emails) if email is not None}


def sentences(entries: Mapping[str, Item], now: datetime) -> dict[str, Message]:
    """Say of each suppressed address since when, until when and why."""
    said = {email: suppression.suppressed(entry, now) for email, entry in entries.items()}
    return {email: sentence for email, sentence in said.items() if sentence is not None}


def _with_errors(entry: Item | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what the rule has counted: the person's word may end before it would."""
    if not entry or "errors" not in entry:
        return dict(new)
    # Not before what was counted has lost its meaning.
    ends = [each["expires_at"] for each in (entry, new) if isinstance(each.get("expires_at"), int)]
    kept = {"errors": entry["errors"], **new}
    return kept | ({"expires_at": max(ends)} if "expires_at" in new else {})


def _lower(email: str) -> str | None:
    try:
        return key(Address.parse(email).email)
    except InvalidMail:
        return None


def _address(email: str) -> str:
    try:
        return key(Address(email.strip() if isinstance(email, str) else email).email)
    except InvalidMail as error:
        raise InvalidRequest(message_of(error)) from None


def _check_text(what: str, text: str, longest: int, *, least: int = 0) -> None:
    if not isinstance(text, str) or not least <= len(text) <= longest or bad_character(text):
        raise InvalidRequest(Message("request.who", field=what, least=least, most=longest))

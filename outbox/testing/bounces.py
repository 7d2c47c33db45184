"""The suppression list and the records of bounces in memory."""

import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from outbox.core import suppression
from outbox.core.change import CheckedRow
from outbox.core.errors import Lost
from outbox.core.ports import Page, Store, Suppressions
from outbox.core.row import Item
from outbox.testing.copied import copied
from outbox.testing.size import check_size
from outbox.testing.store import MemoryStore


class MemorySuppressions:
    """Entries by address in memory; one lock, which the records of bounces share, makes each write one step."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.lock = threading.RLock()

    def put(self, entry: Item) -> None:
        """Write an entry as a person does by hand: whole, unasked, no condition."""
        with self.lock:
            self.entries[str(entry["email"])] = copied(dict(entry))

    def look(self, emails: Collection[str]) -> Mapping[str, Item]:
        """Read the entries of some addresses; those without an entry are left out."""
        with self.lock:
            return {email: copied(self.entries[email]) for email in emails if email in self.entries}

    def get(self, email: str) -> Item | None:
        """Read the entry of an address as it is now; None if there is none."""
        with self.lock:
            return copied(self.entries.get(email))

    def swap(self, email: str, seen: Item | None, new: Item | None) -> bool:
        """Write an entry (None: delete it) if it is still as seen; tell whether that was so."""
        with self.lock:
            if new is None and email not in self.entries:
                return True
            if not self.is_as(email, seen):
                return False
            if new is None:
                del self.entries[email]
            else:
                self.write(email, new)
            return True

    def is_as(self, email: str, seen: Item | None) -> bool:
        """Tell whether an entry is still as it was read."""
        there = self.entries.get(email)
        return there is None if seen is None else suppression.unchanged(seen).holds(there)

    def write(self, email: str, new: Item) -> None:
        """Write an entry with a nonce of its own."""
        entry = {**new, "email": email, "nonce": secrets.token_hex(8)}
        check_size(entry)
        self.entries[email] = copied(entry)

    def page(self, limit: int, cursor: str | None = None) -> Page:
        """List entries, in no order that means anything."""
        with self.lock:
            listed = [copied(self.entries[email]) for email in sorted(self.entries)]
        begin = int(cursor or 0)
        rest = len(listed) > begin + limit
        return Page(listed[begin : begin + limit], str(begin + limit) if rest else None)


class MemoryChecks:
    """What a mail is checked against, from a `MemoryStore` and, if there is a list, a `MemorySuppressions`."""

    def __init__(self, store: Store, suppressions: Suppressions | None = None) -> None:
        self._store, self._suppressions = store, suppressions

    def look(self, mail_id: str, emails: Collection[str]) -> tuple[Item | None, Mapping[str, Item]]:
        """Read the row history has of a mail, and the entries of some addresses."""
        there = self._store.get_finished(mail_id)
        return there, self._suppressions.look(emails) if self._suppressions is not None else {}


class MemoryBounces:
    """Writes bounces into the history of a `MemoryStore`, and entries into a `MemorySuppressions`, in one step."""

    def __init__(self, store: MemoryStore, suppressions: MemorySuppressions) -> None:
        self._store, self._suppressions = store, suppressions

    def record(self, bounces: Sequence[Item], entry: tuple[Item | None, Item] | None) -> AbstractSet[str]:
        """Write bounces down once, in one step with the entry of their address. Raises `Lost`."""
        with self._suppressions.lock:
            known = {str(each["id"]) for each in bounces if self._store.get_finished(str(each["id"])) is not None}
            if known:
                return known
            if entry is not None and not self._suppressions.is_as(entry[1]["email"], entry[0]):
                raise Lost(self._suppressions.get(entry[1]["email"]))
            for bounce in bounces:
                self._store.keep(CheckedRow.as_it_was({**bounce, "nonce": secrets.token_hex(8)}))
            if entry is not None:
                self._suppressions.write(entry[1]["email"], entry[1])
            return set()

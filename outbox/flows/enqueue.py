"""One mail into the outbox: id, files, row, and one conditional write. `enqueue` and `enqueue_many` share it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from outbox.core import places, transitions
from outbox.core.change import CheckedRow
from outbox.core.errors import AlreadyThere, KeyConflict, RowBroken
from outbox.core.mail import Mail
from outbox.core.message import Language
from outbox.core.ports import Clock, Files, Store
from outbox.core.row import Item, Row
from outbox.core.transitions import Stamp
from outbox.flows.files import Bounds, Stored, digested, needs_bucket, store
from outbox.flows.support import aware


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an enqueue. `duplicate`: the key was used before for the same mail, so nothing was written."""

    id: str
    status: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail for `enqueue_many`, with its own idempotency key and time to send, as `enqueue` takes them."""

    mail: Mail
    idempotency_key: str | None = None
    send_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A row that is ready to be written, and the mail as it stands on it."""

    mail: Mail
    item: CheckedRow

    @property
    def receipt(self) -> Receipt:
        """What it is to the application once it is written."""
        return Receipt(str(self.item["id"]), str(self.item["status"]))


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Writes one mail at a time; `files` is called only for a mail that has any, or has no room on its row."""

    store: Store
    files: Callable[[], Files]
    bounds: Bounds
    now: Clock
    actor: str
    language: Language = "en"

    def __call__(self, draft: Draft) -> Receipt:
        """Write a mail. Raises as `Outbox.enqueue` does."""
        ready = self.ready(draft)
        return ready if isinstance(ready, Receipt) else self.write(ready, once=draft.idempotency_key is not None)

    def ready(self, draft: Draft, *, bulk: bool = False) -> Receipt | Made:
        """Make the row, its files stored; a receipt for a mail with files that was enqueued before."""
        mail_id, at, now = self._checked(draft)
        keyed_files = draft.idempotency_key is not None and draft.mail.attachments
        if keyed_files and (already := self._already(draft.mail, mail_id)):
            return already
        return self._made(draft.mail, mail_id, at, now, bulk=bulk)

    def made(self, draft: Draft) -> Made:
        """Make the row, its files stored, without asking whether it was enqueued before."""
        mail_id, at, now = self._checked(draft)
        return self._made(draft.mail, mail_id, at, now)

    def write(self, made: Made, *, once: bool) -> Receipt:
        """Write a row; with `once` its id must be unused in history too. Raises `KeyConflict`, `TooLarge`."""
        try:
            self.store.add(made.item, once=once)
        except AlreadyThere as taken:
            return duplicate(made.mail, str(made.item["id"]), taken.row or taken.finished or {})
        return made.receipt

    def _checked(self, draft: Draft) -> tuple[str, datetime | None, datetime]:
        """Give the id, the time to send and the time now, before any file is stored."""
        now, key = self.now(), draft.idempotency_key
        mail_id = places.new_id(now) if key is None else places.check_key(key)
        return mail_id, aware(draft.send_at) if draft.send_at is not None else None, now

    def _made(self, mail: Mail, mail_id: str, at: datetime | None, now: datetime, *, bulk: bool = False) -> Made:
        stored = store(self.files(), mail, mail_id, now, self.bounds) if needs_bucket(mail) else Stored(mail)
        return Made(
            stored.mail,
            transitions.new(stored.mail, mail_id, Stamp(now, self.actor, self.language), at, stored.body, bulk=bulk),
        )

    def _already(self, mail: Mail, mail_id: str) -> Receipt | None:
        """Find out whether a mail with files was enqueued before, to spare storing them again. Raises `KeyConflict`."""
        try:
            there = self.store.get(mail_id) or self.store.get_finished(mail_id)
        except Exception:  # noqa: BLE001  it may not even have the right to read: the write itself decides
            return None
        return duplicate(digested(self.files(), mail, self.bounds), mail_id, there) if there else None


def duplicate(mail: Mail, mail_id: str, there: Item) -> Receipt:
    """Give the receipt of a mail whose id is taken by the same mail. Raises `KeyConflict` if it is another."""
    receipt = Receipt(mail_id, str(there.get("status", "")), duplicate=True)
    # The fingerprint is that of the mail as it was enqueued, whatever a person corrected on the row since.
    if there.get("fingerprint") == mail.fingerprint:
        return receipt
    try:
        differences = Row(there).mail().differences(mail)
    except RowBroken:
        differences = []
    else:
        if not differences and "fingerprint" not in there:
            return receipt
    raise KeyConflict(mail_id, differences)

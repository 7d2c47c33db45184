"""What an application uses: write a mail into the outbox, alone or in its own transaction, and ask after it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from outbox.core import clock, moves, places
from outbox.core.errors import AlreadyThere, KeyConflict, MissingSettings, RowBroken
from outbox.core.mail import Mail
from outbox.core.ports import Clock, Files, Store
from outbox.core.retention import Retention
from outbox.core.row import Item, Row
from outbox.flows.files import Bounds, Stored, digested, needs_bucket, store
from outbox.flows.support import Support, aware

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an enqueue. `duplicate`: the key was used before for the same mail, so nothing was written."""

    id: str
    status: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries for an application's own `transact_write_items`; put all of them in (`*entries`)."""

    id: str
    mail: Mail = field(repr=False)
    items: Sequence[dict[str, Any]] = field(repr=False)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the entries one by one."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the entries: one, or two with an idempotency key (of the 100 a transaction takes)."""
        return len(self.items)


class Outbox:
    """Writes mails into the outbox and asks after them; safe to share between threads.

    Tables and actor come from the arguments or from `OUTBOX_TABLE`, `OUTBOX_HISTORY_TABLE`, `OUTBOX_ACTOR`; `actor`
    is the name under which the mails' timelines show this application. `client`: a low-level boto3 DynamoDB client;
    without one, one is made with time-outs and retries fit for an outbox. Raises `MissingSettings` naming every
    absent setting.

    Files go into `bucket` (`OUTBOX_BUCKET`), which only a mail with files needs; `attachment_bytes` and
    `attachment_count` are what the contract with the mail API allows a mail. `files`: a bucket by another client
    (`outbox.adapters.files.S3Files`), or a fake of one.
    """

    def __init__(  # noqa: PLR0913  all but the usual are by name and have defaults
        self,
        *,
        table: str | None = None,
        history_table: str | None = None,
        actor: str | None = None,
        history_days: int | None = None,
        bucket: str | None = None,
        attachment_bytes: int | None = None,
        attachment_count: int | None = None,
        client: "DynamoDBClient | None" = None,
        store: Store | None = None,
        files: Files | None = None,
        now: Clock = clock.now,
    ) -> None:
        from outbox.settings import TableSettings, load  # noqa: PLC0415  pydantic only when an Outbox is made

        if store is not None:
            table, history_table = table or "outbox", history_table or "outbox-history"
        tables = {"table": table, "history_table": history_table, "actor": actor, "history_days": history_days}
        settings = load(
            TableSettings,
            **tables,
            bucket=bucket,
            attachment_bytes=attachment_bytes,
            attachment_count=attachment_count,
        )
        self._files, self._bucket = files, settings.bucket
        self._bounds = Bounds(settings.attachment_bytes, settings.attachment_count)
        self._tables, self._actor, self._now = (settings.table, settings.history_table), settings.actor, now
        self._store = store or _dynamo(client, *self._tables)
        self._support = Support(self._store, now, Retention(settings.history_days, settings.history_bodies))

    def enqueue(self, mail: Mail, *, idempotency_key: str | None = None, send_at: datetime | None = None) -> Receipt:
        """Write a mail into the outbox; it is sent within moments, or at `send_at` (a datetime with a time zone).

        With an idempotency key (1 to 256 bytes) the mail is written once, however often this is called, for as long as
        history is kept: the same mail again gives a receipt with `duplicate`, another mail raises `KeyConflict`. An
        exception of the SDK means that nobody knows whether it was written: call again with the same key.

        The mail's files are stored before it is written; those of an enqueue that failed expire by themselves.
        Raises `InvalidRequest`; `InvalidMail` and `FileLost` for files that are too large or cannot be read;
        `MissingSettings` for a mail with files where no bucket is set.
        """
        mail_id, at, now = self._checked(idempotency_key, send_at)
        if idempotency_key is not None and (already := self._already(mail, mail_id)):
            return already
        stored = self._stored(mail, mail_id, now)
        item = moves.new(stored.mail, mail_id, now, at, self._actor, stored.body)
        try:
            self._store.add(item, once=idempotency_key is not None)
        except AlreadyThere as taken:
            return _duplicate(stored.mail, mail_id, taken.row or taken.finished or {})
        return Receipt(mail_id, str(item["status"]))

    def entries(
        self,
        mail: Mail,
        *,
        idempotency_key: str | None = None,
        send_at: datetime | None = None,
        resource: bool = False,
    ) -> Entries:
        """Give what `enqueue` would write, as entries for the application's own `transact_write_items`.

        No row is written by this. The mail's files are stored, and expire unless the transaction is committed within
        a day. `resource`: for a client that belongs to a boto3 resource
        (`boto3.resource("dynamodb").meta.client`), which takes plain Python values. Raises as `enqueue` does.
        """
        from outbox.adapters.dynamodb import new_entries  # noqa: PLC0415  boto3 only when it is used
        from outbox.adapters.wire import plainly  # noqa: PLC0415

        mail_id, at, now = self._checked(idempotency_key, send_at)
        stored = self._stored(mail, mail_id, now)
        item = moves.new(stored.mail, mail_id, now, at, self._actor, stored.body)
        items = new_entries(item, *self._tables, once=idempotency_key is not None)
        return Entries(mail_id, stored.mail, [plainly(entry) for entry in items] if resource else items)

    def duplicate(self, error: Exception, sent: Sequence[Mapping[str, Any]], entries: Entries) -> Receipt | None:
        """Tell whether a cancelled transaction failed because this mail was enqueued before; None for any other reason.

        `sent` is the list that was passed as `TransactItems`. Raises `KeyConflict` when the key was used for another
        mail.
        """
        from outbox.adapters.dynamodb import taken_by  # noqa: PLC0415

        there = taken_by(error, sent, entries.items)
        return None if there is None else _duplicate(entries.mail, entries.id, there)

    def get(self, mail_id: str) -> Row:
        """Give a mail as it is now, in the outbox or in history. Raises `NotFound`."""
        return self._support.show(mail_id)

    def cancel(self, mail_id: str, *, by: str | None = None) -> Row:
        """Call back a mail that has not been sent. Raises `NotFound`, `WrongState`, `ChangedMeanwhile`."""
        return self._support.cancel(mail_id, by or self._actor)

    def resend(self, mail_id: str, *, by: str | None = None) -> Row:
        """Send a mail again that waits or needs a person. Raises `NotFound`, `WrongState`, `ChangedMeanwhile`."""
        return self._support.resend(mail_id, by or self._actor)

    def hold(self, mail_id: str, note: str = "", *, by: str | None = None) -> Row:
        """Put a mail aside until it is released. Raises `NotFound`, `WrongState`, `ChangedMeanwhile`."""
        return self._support.hold(mail_id, by or self._actor, note)

    def release(self, mail_id: str, *, by: str | None = None) -> Row:
        """Let a held mail go. Raises `NotFound`, `WrongState`, `ChangedMeanwhile`."""
        return self._support.release(mail_id, by or self._actor)

    def _checked(self, key: str | None, send_at: datetime | None) -> tuple[str, datetime | None, datetime]:
        """Give the id, the time to send and the time now, before any file is stored."""
        now = self._now()
        mail_id = places.new_id(now) if key is None else places.check_key(key)
        return mail_id, aware(send_at) if send_at is not None else None, now

    def _stored(self, mail: Mail, mail_id: str, now: datetime) -> Stored:
        return store(self._bucket_of_files(), mail, mail_id, now, self._bounds) if needs_bucket(mail) else Stored(mail)

    def _already(self, mail: Mail, mail_id: str) -> Receipt | None:
        """Find out whether a mail with files was enqueued before, to spare storing them again. Raises `KeyConflict`."""
        if not mail.attachments:
            return None
        try:
            there = self._store.get(mail_id) or self._store.get_finished(mail_id)
        except Exception:  # noqa: BLE001  it may not even have the right to read: the write itself decides
            return None
        return _duplicate(digested(self._bucket_of_files(), mail, self._bounds), mail_id, there) if there else None

    def _bucket_of_files(self) -> Files:
        if self._files is None:
            if not self._bucket:
                message = "OUTBOX_BUCKET: is not set, and this mail has files or is too large for a row."
                raise MissingSettings(["OUTBOX_BUCKET"], message)
            from outbox.adapters import aws  # noqa: PLC0415  boto3 only when it is used
            from outbox.adapters.files import S3Files  # noqa: PLC0415

            self._files = S3Files(aws.s3(), self._bucket)
        return self._files


def _duplicate(mail: Mail, mail_id: str, there: Item) -> Receipt:
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


def _dynamo(client: "DynamoDBClient | None", table: str, history_table: str) -> Store:
    from outbox.adapters import aws  # noqa: PLC0415  boto3 only when it is used
    from outbox.adapters.dynamodb import DynamoStore  # noqa: PLC0415

    return DynamoStore(client or aws.dynamodb(), table, history_table)

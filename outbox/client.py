"""What an application uses: write a mail into the outbox, alone or in its own transaction, and ask after it."""

import math
import threading
import time
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from outbox.adapters.outcome import outcome, rights
from outbox.core import clock
from outbox.core.errors import InvalidRequest, MissingSettings
from outbox.core.mail import Mail
from outbox.core.message import Message
from outbox.core.ports import Clock, Files, Store
from outbox.core.retention import Retention
from outbox.core.row import Row
from outbox.flows.bulk import Bulk
from outbox.flows.bulk_write import Limit, Writer
from outbox.flows.enqueue import Draft, Enqueue, Receipt, duplicate
from outbox.flows.files import Bounds
from outbox.flows.support import Support

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from outbox.core.ports import Register
    from outbox.flows.batch import Batches
    from outbox.flows.bulk_async import AsyncBulk

__all__ = ["Entries", "Outbox", "Receipt"]

# Threads that write at once, at the most; so many connections each client keeps for them.
THREADS, CONNECTIONS = 16, 32


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
        self._connecting = threading.Lock()
        self._tables, self._actor, self._now = (settings.table, settings.history_table), settings.actor, now
        store = store or _dynamo(client, *self._tables)
        self._store, self._keep = store, Retention(settings.history_days, settings.history_bodies)
        self._support = Support(store, now, self._keep, language=settings.language)
        bounds = Bounds(settings.attachment_bytes, settings.attachment_count)
        self._enqueue = Enqueue(store, self._bucket_of_files, bounds, now, self._actor, settings.language)

    def enqueue(self, mail: Mail, *, idempotency_key: str | None = None, send_at: datetime | None = None) -> Receipt:
        """Write a mail into the outbox; it is sent within moments, or at `send_at` (a datetime with a time zone).

        With an idempotency key (1 to 256 bytes) the mail is written once, however often this is called, for as long as
        history is kept: the same mail again gives a receipt with `duplicate`, another mail raises `KeyConflict`. An
        exception of the SDK means that nobody knows whether it was written: call again with the same key.

        The mail's files are stored before it is written; those of an enqueue that failed expire by themselves.
        Raises `InvalidRequest`; `InvalidMail` and `FileLost` for files that are too large or cannot be read;
        `MissingSettings` for a mail with files where no bucket is set.
        """
        return self._enqueue(Draft(mail, idempotency_key, send_at))

    async def enqueue_async(
        self, mail: Mail, *, idempotency_key: str | None = None, send_at: datetime | None = None
    ) -> Receipt:
        """Do as `enqueue` does, from an event loop: in a thread, for whose end a cancelled caller still waits."""
        from outbox.flows.bulk_async import in_thread  # noqa: PLC0415  asyncio only when it is used

        return await in_thread(lambda: self._enqueue(Draft(mail, idempotency_key, send_at)))

    def enqueue_many(
        self,
        mails: Iterable[Mail | Draft],
        *,
        bulk: bool = False,
        deadline: float | datetime | None = None,
        threads: int = THREADS,
    ) -> Bulk:
        """Give an iterator that writes mails, of any number, and tells what became of each, in order.

        Nothing is written before it is iterated; `run()` does that for callers who want the counts and `failures`
        alone. Mails without a key are written 25 at a time, `Draft`s with a key one by one under a condition, as
        `enqueue` does. A mail that does not go in is an error of its own position: those `enqueue` raises, and
        `NotWritten`; unless that is `certain` the mail may be there all the same, and only a key makes a second try
        safe.

        `bulk`: rows are WAITING, no doorbell rings, and dispatch sends them in its turn within a minute. `deadline`:
        seconds from now, or a datetime with a time zone, from when on nothing more is taken (`stopped`; of a list,
        `mails[taken:]` is left) or begun; a call that is under way then may take its time-outs of some 10 s, and an
        input that blocks is waited for. Raises `InvalidRequest` for wrong arguments.
        """
        if not isinstance(mails, Iterable):
            raise InvalidRequest(Message("request.iterable", found=type(mails).__name__))
        return Bulk(mails, self._writer(deadline, bulk=bulk), _threads(threads))

    def enqueue_many_async(
        self,
        mails: Iterable[Mail | Draft] | AsyncIterable[Mail | Draft],
        *,
        bulk: bool = False,
        deadline: float | datetime | None = None,
        threads: int = THREADS,
    ) -> "AsyncBulk":
        """Do as `enqueue_many` does, for `async for`: the event loop is never blocked.

        `mails` may be asynchronous too, and is asked no faster than rows are written. A caller who is cancelled waits
        for what is under way; what was written stays written.
        """
        from outbox.flows.bulk_async import AsyncBulk  # noqa: PLC0415  asyncio only when it is used

        if not isinstance(mails, (Iterable, AsyncIterable)):
            raise InvalidRequest(Message("request.iterable", found=type(mails).__name__))
        return AsyncBulk(mails, self._writer(deadline, bulk=bulk), _threads(threads))

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

        made = self._enqueue.made(Draft(mail, idempotency_key, send_at))
        items = new_entries(made.item, *self._tables, once=idempotency_key is not None)
        return Entries(made.receipt.id, made.mail, [plainly(entry) for entry in items] if resource else items)

    def duplicate(self, error: Exception, sent: Sequence[Mapping[str, Any]], entries: Entries) -> Receipt | None:
        """Tell whether a cancelled transaction failed because this mail was enqueued before; None for any other reason.

        `sent` is the list that was passed as `TransactItems`. Raises `KeyConflict` when the key was used for another
        mail.
        """
        from outbox.adapters.dynamodb import taken_by  # noqa: PLC0415

        there = taken_by(error, sent, entries.items)
        return None if there is None else duplicate(entries.mail, entries.id, there)

    def batches(self, *, control_table: str | None = None, register: "Register | None" = None) -> "Batches":
        """Give what acts on many rows at once: look first, then start, run, stop, go on.

        Batches are kept in the table of what the workers share (`OUTBOX_CONTROL_TABLE`), or in `register`. Needs the
        extra `outbox[worker]`. Raises `MissingSettings`.
        """
        from outbox.flows.batch import Batches  # noqa: PLC0415  structlog only when it is used

        kept = register or _register(self._store, control_table)
        return Batches(self._store, kept, self._now, self._keep, time.sleep, judge=rights)

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

    def _writer(self, deadline: float | datetime | None, *, bulk: bool) -> Writer:
        end = None if deadline is None else time.monotonic() + _seconds(deadline, self._now())
        return Writer(self._enqueue, outcome, Limit(time.monotonic, time.sleep, end), bulk)

    def _bucket_of_files(self) -> Files:
        with self._connecting:
            if self._files is None:
                if not self._bucket:
                    raise MissingSettings(["OUTBOX_BUCKET"], Message("bucket-missing.enqueue"))
                from outbox.adapters import aws  # noqa: PLC0415  boto3 only when it is used
                from outbox.adapters.files import S3Files  # noqa: PLC0415

                self._files = S3Files(aws.s3(connections=CONNECTIONS), self._bucket)
            return self._files


def _seconds(deadline: float | datetime, now: datetime) -> float:
    """Give the seconds until a deadline. Raises `InvalidRequest`."""
    if isinstance(deadline, datetime):
        if deadline.tzinfo is None:
            raise InvalidRequest(Message("request.deadline-zone"))
        return (deadline - now).total_seconds()
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not math.isfinite(deadline):
        raise InvalidRequest(Message("request.deadline"))
    return float(deadline)


def _threads(threads: int) -> int:
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 256:
        raise InvalidRequest(Message("request.threads"))
    return threads


def _dynamo(client: "DynamoDBClient | None", table: str, history_table: str) -> Store:
    from outbox.adapters import aws  # noqa: PLC0415  boto3 only when it is used
    from outbox.adapters.dynamodb import DynamoStore  # noqa: PLC0415

    return DynamoStore(client or aws.dynamodb(connections=CONNECTIONS), table, history_table)


def _register(store: Store, control_table: str | None) -> "Register":
    from outbox.adapters.control import DynamoRegister  # noqa: PLC0415  boto3 only when it is used
    from outbox.adapters.dynamodb import DynamoStore  # noqa: PLC0415
    from outbox.settings import ControlSettings, load  # noqa: PLC0415

    if not isinstance(store, DynamoStore):
        raise InvalidRequest(Message("request.own-register"))
    named = load(ControlSettings, table=store.outbox, history_table=store.history, control_table=control_table)
    return DynamoRegister(store.client, named.control_table)

"""The files of a mail and the bucket: stored before its row is written, checked before it is sent.

    enqueue: bytes, path, S3 -> store -> StoredFile on the row        (a row that is committed always has its files)
    send:    StoredFile -> opened -> a stream whose SHA-256 is that of the row

Each try to enqueue has a prefix of its own, so a repeated one never touches the files of a committed row; what no row
came to name expires by itself (`outbox.flows.keep`). Content passes through in pieces and is never held as a whole.
"""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from outbox.core import limits, places
from outbox.core.attachment import Attachment, S3Object, StoredFile, prefix
from outbox.core.errors import FileLost, InvalidMail, Problem, RowBroken
from outbox.core.mail import BODY, Mail
from outbox.core.message import Message
from outbox.core.ports import Files
from outbox.core.row import Row

PIECE = 64 * 1024
# A file up to this size is held in memory while it is sent; a larger one on disk.
SMALL = 256 * 1024
# JSON escapes a quotation mark or a line break into two characters.
LARGEST_BODY = 2 * limits.TEXTS_BYTES + 64 * 1024
TEXTS = "texts of the mail"


class Readable(Protocol):
    """A bucket as far as the send needs one."""

    def get(self, key: str) -> BinaryIO:
        """Open a stored file as a stream. Raises `FileLost`."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the contract with the mail API allows of a mail's files: raw bytes in all, and how many."""

    bytes: int = 1_000_000
    count: int = limits.ATTACHMENTS


UNBOUNDED = Bounds(2**63)


@dataclass(frozen=True, slots=True)
class Stored:
    """A mail whose files are in the bucket, and its texts too if its row has no room for them."""

    mail: Mail
    body: StoredFile | None = None


def needs_bucket(mail: Mail) -> bool:
    """Tell whether a mail has anything that is kept in the bucket."""
    return bool(mail.attachments) or limits.mail_bytes(mail) > limits.ROW_BYTES


def store(files: Files, mail: Mail, mail_id: str, now: datetime, bounds: Bounds) -> Stored:
    """Put the files of a mail into the bucket, under its id and new keys.

    Raises `InvalidMail` when they are too many, too large or cannot be read, before anything is put if that is known
    then; `FileLost` for an object that is not there or not what it was.
    """
    if not needs_bucket(mail):
        return Stored(mail)
    _check(mail, bounds)
    attempt = f"{prefix(mail_id)}{places.new_id(now)}/"
    left, attachments = bounds.bytes, []
    for number, attachment in enumerate(mail.attachments):
        with closing(_source(files, attachment)) as source:
            stored = _put(files, f"{attempt}{number}", _Bounded(source, left, _too_large(attachment.name, bounds)))
        if isinstance(attachment.content, StoredFile) and not _same(stored, attachment.content):
            raise FileLost(attachment.name, "file-changed")
        left -= stored.size
        attachments.append(Attachment(attachment.name, stored, attachment.mime))
    mail = mail.but(attachments=attachments)
    if limits.mail_bytes(mail) <= limits.ROW_BYTES:
        return Stored(mail)
    return Stored(mail, _put(files, f"{attempt}{len(attachments)}", io.BytesIO(_body(mail))))


def copied(files: Files, mail: Mail, mail_id: str, now: datetime) -> Stored:
    """Copy the files of a mail under the id of another, for a resend. Raises `FileLost`."""
    return store(files, mail, mail_id, now, UNBOUNDED)


def digested(files: Files, mail: Mail, bounds: Bounds) -> Mail:
    """Give the mail with what identifies its files, read but not stored: it can be compared, not sent.

    Raises as `store` does.
    """
    _check(mail, bounds)
    left, attachments = bounds.bytes, []
    for attachment in mail.attachments:
        with closing(_source(files, attachment)) as source:
            found = _hashed(_Bounded(source, left, _too_large(attachment.name, bounds)))
        left -= found.size
        attachments.append(Attachment(attachment.name, found, attachment.mime))
    return mail.but(attachments=attachments)


def complete(files: Readable, row: Row) -> Row:
    """Give the row with the texts that lie in the bucket; what stands on the row itself, as a person left it, wins.

    For reading only: what is settled is the row itself. Raises `FileLost`, `RowBroken`.
    """
    stored = row.body
    if stored is None or row.item.keys() >= set(BODY):
        return row
    if stored.size > LARGEST_BODY:
        raise RowBroken("body.size", Message("rule.body-size", size=stored.size, most=LARGEST_BODY))
    with closing(verified(files, stored, TEXTS)) as stream:
        parts = _parts(stream.read())
    on_row = {name: part for name, part in row.item.items() if name != "body"}
    return Row({**parts, **on_row})


@contextmanager
def opened(files: Readable, mail: Mail) -> Iterator[Mail]:
    """Give the mail with its stored files as open streams, each checked to be what was enqueued; closed at the end.

    Raises `FileLost` naming the file.
    """
    with ExitStack() as stack:
        attachments = []
        for attachment in mail.attachments:
            content = attachment.content
            if isinstance(content, StoredFile):
                content = stack.enter_context(closing(verified(files, content, attachment.name)))
            attachments.append(Attachment(attachment.name, content, attachment.mime))
        yield mail.but(attachments=attachments) if attachments else mail


def _check(mail: Mail, bounds: Bounds) -> None:
    """Refuse what is known to be too much before anything is put."""
    if len(mail.attachments) > bounds.count:
        rule = Message("rule.files", number=len(mail.attachments), most=bounds.count)
        raise InvalidMail([Problem("attachments", rule)])
    left = bounds.bytes
    for attachment in mail.attachments:
        left -= _known_size(attachment)
        if left < 0:
            raise _too_large(attachment.name, bounds)


def _known_size(attachment: Attachment) -> int:
    """Give the size of a file without reading it; 0 where nobody knows."""
    content = attachment.content
    if isinstance(content, bytes):
        return len(content)
    if isinstance(content, StoredFile):
        return content.size
    try:
        return content.stat().st_size if isinstance(content, Path) else 0
    except OSError as error:
        raise _unreadable(attachment.name, error) from None


def _source(files: Files, attachment: Attachment) -> BinaryIO:
    """Open a file wherever it is."""
    content = attachment.content
    if isinstance(content, bytes):
        return io.BytesIO(content)
    if isinstance(content, StoredFile):
        return _stored_source(files, content, attachment.name)
    if isinstance(content, S3Object):
        return files.source(content.bucket, content.key, content.version)
    if not isinstance(content, Path):
        return content
    try:
        return content.open("rb")
    except OSError as error:
        raise _unreadable(attachment.name, error) from None


def _stored_source(files: Readable, stored: StoredFile, name: str) -> BinaryIO:
    try:
        return files.get(stored.key)
    except FileLost:
        # The bucket knows the key alone; people know the name.
        raise FileLost(name, "file-gone") from None


def verified(files: Readable, stored: StoredFile, name: str) -> BinaryIO:
    """Read a stored file into a stream of our own and check it, so that not a byte of a wrong one goes out.

    Raises `FileLost`, by the name people know.
    """
    with closing(_stored_source(files, stored, name)) as source, ExitStack() as stack:
        # Not one that spools: asking it for its length, as an HTTP client does, would write it to disk after all.
        target = io.BytesIO() if stored.size <= SMALL else stack.enter_context(tempfile.TemporaryFile())
        if not _same(_hashed(source, stored.size, cast("BinaryIO", target)), stored):
            raise FileLost(name, "file-changed")
        target.seek(0)
        stack.pop_all()
    return cast("BinaryIO", target)


def _hashed(source: "BinaryIO | _Bounded", most: int | None = None, target: BinaryIO | None = None) -> StoredFile:
    """Read a stream, up to just past `most` bytes, and tell what it was; copy it to `target`."""
    size, digest = 0, hashlib.sha256()
    while (most is None or size <= most) and (piece := source.read(PIECE)):
        size += len(piece)
        digest.update(piece)
        if target is not None:
            target.write(piece)
    return StoredFile("", size, digest.hexdigest())


def _put(files: Files, key: str, content: "BinaryIO | _Bounded") -> StoredFile:
    return StoredFile(key, *files.put(key, cast("BinaryIO", content)))


def _same(one: StoredFile, other: StoredFile) -> bool:
    return (one.size, one.sha256) == (other.size, other.sha256)


def _body(mail: Mail) -> bytes:
    item = mail.to_item()
    # The same texts give the same bytes, so that two rows can be compared by their SHA-256.
    return json.dumps({name: item[name] for name in BODY if name in item}, ensure_ascii=False, sort_keys=True).encode()


def _parts(content: bytes) -> dict[str, Any]:
    try:
        parts = json.loads(content)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, dict) or not parts.keys() <= set(BODY):
        raise RowBroken("body", Message("rule.body-not-texts"))
    return parts


def _too_large(name: str, bounds: Bounds) -> InvalidMail:
    rule = Message("rule.files-bytes", name=repr(name), most=bounds.bytes)
    return InvalidMail([Problem("attachments", rule)])


def _unreadable(name: str, error: OSError) -> InvalidMail:
    rule = Message("rule.file-unreadable", name=repr(name), said=error.strerror or str(error))
    return InvalidMail([Problem("attachments", rule)])


class _Bounded:
    """A stream that ends with an error as soon as it is too long."""

    def __init__(self, source: BinaryIO, left: int, error: InvalidMail) -> None:
        self._source, self._left, self._error = source, left, error

    def read(self, count: int = -1) -> bytes:
        piece = self._source.read(count)
        self._left -= len(piece)
        if self._left < 0:
            raise self._error
        return piece

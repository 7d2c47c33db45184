"""A bucket in memory, and mails whose open files are read."""

import hashlib
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, cast

from outbox.core.attachment import Attachment
from outbox.core.errors import FileLost
from outbox.core.mail import Mail

PIECE = 64 * 1024


class MemoryFiles:
    """Files by their key in `objects`, of which those in `new` would expire; `elsewhere` are other people's objects.

    `before` is called with the name of each step ("put", "get", …) and its key and may raise. `undeletable` has the
    error code of each key that cannot be deleted.
    """

    def __init__(self, before: Callable[[str, str], None] | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.new: set[str] = set()
        self.elsewhere: dict[tuple[str, str, str], bytes] = {}
        self.undeletable: dict[str, str] = {}
        self.before = before or (lambda _step, _key: None)
        self._lock = threading.Lock()

    def put(self, key: str, content: BinaryIO) -> tuple[int, str]:
        """Store what a stream gives, to expire unless kept; give its size and SHA-256 in hex."""
        self.before("put", key)
        whole = b"".join(iter(lambda: content.read(PIECE), b""))
        with self._lock:
            self.objects[key] = whole
            self.new.add(key)
        return len(whole), hashlib.sha256(whole).hexdigest()

    def source(self, bucket: str, key: str, version: str = "") -> BinaryIO:
        """Open somebody else's object. Raises `FileLost`."""
        self.before("source", key)
        if (bucket, key, version) not in self.elsewhere:
            raise FileLost(f"s3://{bucket}/{key}", "file-no-access")
        return io.BytesIO(self.elsewhere[bucket, key, version])

    def get(self, key: str) -> BinaryIO:
        """Open a stored file. Raises `FileLost`."""
        self.before("get", key)
        if key not in self.objects:
            raise FileLost(key, "file-not-there")
        return io.BytesIO(self.objects[key])

    def keep(self, key: str) -> None:
        """Let a file stay."""
        self.before("keep", key)
        with self._lock:
            self.new.discard(key)

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Delete files; give the error code of each that could not be."""
        failed = {key: self.undeletable[key] for key in keys if key in self.undeletable}
        for key in keys:
            self.before("delete", key)
            if key not in failed:
                with self._lock:
                    self.objects.pop(key, None)
                    self.new.discard(key)
        return failed

    def expire(self) -> None:
        """Delete what nobody kept, as the bucket does after some days."""
        with self._lock:
            for key in self.new:
                del self.objects[key]
            self.new.clear()


def in_memory(mail: Mail) -> Mail:
    """Give the mail with what its open files hold, so that it can be looked at after they are closed."""
    return mail.but(attachments=[_read(attachment) for attachment in mail.attachments]) if mail.attachments else mail


def _read(attachment: Attachment) -> Attachment:
    if not hasattr(attachment.content, "read"):
        return attachment
    stream = cast("BinaryIO", attachment.content)
    stream.seek(0)
    return Attachment(attachment.name, stream.read(), attachment.mime)

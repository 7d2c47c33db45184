"""A file that goes with a mail: in memory, on disk or in S3 until it is enqueued, then in the outbox's bucket."""

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from outbox.core.errors import InvalidMail, InvalidRequest, Problem
from outbox.core.message import Message
from outbox.core.text import bad_character, size

# The API's own list (reference article on attachments): refused whatever the content is.
FORBIDDEN = frozenset(
    """
    ade adp apk appx appxbundle bat bz2 cab chm cmd com cpl dll dmg ex ex_ exe gz hta ins isp iso jar js jse lib lnk mde
    msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb sys tgz vb vbe vbs vxd wsc wsf wsh zip
    """.split()  # noqa: SIM905  fifty quoted words would be harder to compare with the reference
)
LONGEST_NAME = 255
# S3's own limit, in bytes of UTF-8.
LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class S3Object:
    """A file that lies in S3 already; it is copied when the mail is enqueued. `version`: the newest unless given."""

    bucket: str
    key: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the outbox's bucket, with what it must be when it is sent."""

    key: str
    size: int
    sha256: str

    def to_item(self) -> dict[str, Any]:
        """Give the attributes of a row."""
        return {"size": self.size, "sha256": self.sha256, "key": self.key}


Content = bytes | Path | S3Object | StoredFile | BinaryIO


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """A file by its name and content. Raises `InvalidMail` for a name the API or a header would not take.

    Two are equal if they have the same name, type and content, wherever it lies. A stream as content is what the mail
    API is handed; nothing else makes one.
    """

    name: str
    content: Content = field(repr=False)
    mime: str = ""

    def __post_init__(self) -> None:
        if not self.mime:
            short = isinstance(self.name, str) and len(self.name) <= LONGEST_NAME
            guessed = mimetypes.guess_type(self.name)[0] if short else None
            object.__setattr__(self, "mime", guessed or "application/octet-stream")
        problems = list(self._problems())
        if problems:
            raise InvalidMail(problems)

    @classmethod
    def from_path(cls, path: str | Path, *, name: str = "", mime: str = "") -> "Attachment":
        """Take a file on disk, read when the mail is enqueued; the name is the file's unless given.

        Raises OSError if it cannot be read now.
        """
        path = Path(path).absolute()
        with path.open("rb"):
            return cls(name or path.name, path, mime)

    @classmethod
    def from_s3(cls, bucket: str, key: str, *, name: str = "", mime: str = "", version: str = "") -> "Attachment":
        """Take an object in S3, copied when the mail is enqueued; the name is the last part of the key unless given."""
        return cls(name or key.rpartition("/")[2], S3Object(bucket, key, version), mime)

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the content in hex. Raises `InvalidRequest` for a file that has not been read yet."""
        if isinstance(self.content, bytes):
            return sha256(self.content).hexdigest()
        if isinstance(self.content, StoredFile):
            return self.content.sha256
        raise InvalidRequest(Message("request.content-unread", name=repr(self.name)))

    def to_item(self) -> dict[str, Any]:
        """Give the attributes of a row. Raises `InvalidRequest` for a file that has not been stored."""
        named = {"name": self.name, "mime": self.mime}
        if isinstance(self.content, bytes):
            return named | {"content": self.content}
        if isinstance(self.content, StoredFile):
            return named | self.content.to_item()
        raise InvalidRequest(Message("request.not-stored", name=repr(self.name)))

    def __eq__(self, other: object) -> bool:
        return self._same() == other._same() if isinstance(other, Attachment) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._same())

    def _same(self) -> tuple[object, ...]:
        known = isinstance(self.content, (bytes, StoredFile))
        return self.name, self.mime, self.digest if known else self.content

    def _problems(self) -> Iterator[Problem]:
        readable = isinstance(self.content, (bytes, Path, S3Object, StoredFile)) or hasattr(self.content, "read")
        if not isinstance(self.name, str) or not isinstance(self.mime, str) or not readable:
            yield Problem("attachments", Message("rule.attachment"))
            return
        if not 0 < len(self.name) <= LONGEST_NAME or "/" in self.name or "\\" in self.name:
            yield Problem("attachments", Message("rule.file-name", most=LONGEST_NAME))
        for part, code in ((self.name, "rule.file-name-control"), (self.mime, "rule.mime-control")):
            if bad := bad_character(part):
                yield Problem("attachments", Message(code, character=bad))
        if len(self.mime) > LONGEST_NAME:
            yield Problem("attachments", Message("rule.mime-length", number=len(self.mime), most=LONGEST_NAME))
        _, dot, extension = _without_trailing(self.name).lower().rpartition(".")
        if dot and extension in FORBIDDEN:
            yield Problem("attachments", Message("rule.file-refused", extension=extension))


def _without_trailing(name: str) -> str:
    """Give the name as a Windows recipient would save it: `a.exe. ` becomes `a.exe`."""
    end = len(name)
    while end and (name[end - 1] == "." or name[end - 1].isspace()):
        end -= 1
    return name[:end]


def prefix(mail_id: str) -> str:
    """Give where all files of a mail lie in the bucket, those of every try to enqueue it."""
    quoted = quote(mail_id, safe="", errors="surrogatepass")
    # An id of dots alone would climb out of its place in any tool that takes a key for a path.
    return f"mails/{quoted if quoted.strip('.') else quoted.replace('.', '%2E')}/"


def is_own(mail_id: str, key: str) -> bool:
    """Tell whether a key lies among the files of a mail; a row edited by hand may name any."""
    climbs = any(part and not part.strip(".") for part in key.split("/"))
    own = key.startswith(prefix(mail_id)) and size(key) <= LONGEST_KEY
    # Ours are ASCII throughout; S3 chokes on some of the rest, and with them on all keys of a call.
    return own and not climbs and key.isascii() and not bad_character(key)

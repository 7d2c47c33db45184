"""A file that goes with a mail, held on the mail's own row."""

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from outbox.core.errors import InvalidMail, Problem
from outbox.core.text import bad_character

# The API's own list (reference article on attachments): refused whatever the content is.
FORBIDDEN = frozenset(
    """
    ade adp apk appx appxbundle bat bz2 cab chm cmd com cpl dll dmg ex ex_ exe gz hta ins isp iso jar js jse lib lnk mde
    msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb sys tgz vb vbe vbs vxd wsc wsf wsh zip
    """.split()  # noqa: SIM905  fifty quoted words would be harder to compare with the reference
)
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file by its name and content. Raises `InvalidMail` for a name the API or a header would not take."""

    name: str
    content: bytes = field(repr=False)
    mime: str = ""

    def __post_init__(self) -> None:
        if not self.mime:
            guessed = mimetypes.guess_type(self.name)[0] if isinstance(self.name, str) else None
            object.__setattr__(self, "mime", guessed or "application/octet-stream")
        problems = list(self._problems())
        if problems:
            raise InvalidMail(problems)

    @classmethod
    def from_path(cls, path: str | Path, *, name: str = "", mime: str = "") -> "Attachment":
        """Read a file from disk; the name is the file's unless given. Raises OSError if it cannot be read."""
        path = Path(path)
        return cls(name or path.name, path.read_bytes(), mime)

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the content in hex."""
        return sha256(self.content).hexdigest()

    def _problems(self) -> Iterator[Problem]:
        if not isinstance(self.name, str) or not isinstance(self.mime, str) or not isinstance(self.content, bytes):
            yield Problem("attachments", "an attachment needs a text name, a text mime type and bytes")
            return
        if not 0 < len(self.name) <= LONGEST_NAME or "/" in self.name or "\\" in self.name:
            yield Problem("attachments", f"a file name has 1 to {LONGEST_NAME} characters and no slash")
        for part, what in ((self.name, "file name"), (self.mime, "mime type")):
            if bad := bad_character(part):
                yield Problem("attachments", f"the {what} holds the control character {bad}; none is allowed")
        extension = self.name.rpartition(".")[2].lower()
        if "." in self.name and extension in FORBIDDEN:
            yield Problem("attachments", f"files ending in .{extension} are refused by the mail API")

"""What a mail says: its texts with the insert codes filled in, from wherever they lie; and its facts and files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from outbox.core.attachment import StoredFile
from outbox.core.errors import MissingSettings, OutboxError, RowBroken
from outbox.core.mail import BODY
from outbox.core.message import Message, message_of
from outbox.core.ports import Files
from outbox.core.row import Row, stored_file
from outbox.core.shown import words
from outbox.core.text import shorten
from outbox.flows.files import complete

# A page with more than that is slow to draw and to read; the whole is there to be downloaded.
LONGEST = 200_000
# What the insert codes of a hostile mail may blow a text up to.
MOST_FILLED = 10_000_000
MOST_FILES, MOST_LISTED, MOST_ODD, MOST_CODES, LONGEST_CODE = 200, 200, 100, 100, 300
CODE = re.compile(r"__([0-9a-zA-Z]{1,16})__")
PEOPLE = ("sender", "to", "cc", "bcc", "reply_to")
TIMES = ("created_at", "due_at", "send_at", "claimed_at", "check_from", "check_until", "problem_at", "finished_at")
# In words of their own on the page, or the service's own bookkeeping; the source shows all of it.
KNOWN = {
    *PEOPLE, *TIMES, *BODY, "id", "subject", "status", "timeline", "reason", "error", "body", "files", "attachments",
    "tags", "encoding", "urgent", "on_unknown", "list_unsubscribe", "delivery_id", "attempts", "resend_of", "resent_as",
    "left_out", "expires_at", "forgotten_at", "confirmed_by", "revision", "lane", "problem", "claim", "fingerprint",
    "day", "recipient", "deferrals", "doubt", "looks", "send_anyway", "details", "deaths", "left_as",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, read leniently; `stored`: where it lies, if not on the row itself."""

    number: int
    name: str
    mime: str
    size: int | None = None
    content: bytes | None = None
    stored: StoredFile | None = None
    problem: str = ""

    @property
    def there(self) -> bool:
        """Whether it can be had."""
        return self.content is not None or self.stored is not None


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a mail as it goes and as it was written; `cut`: there is more than a page shows."""

    filled: str = ""
    written: str = ""
    cut: bool = False

    @property
    def same(self) -> bool:
        """Whether no insert code was filled in."""
        return self.filled == self.written


def whole(files: Files | None, row: Row) -> tuple[Row, Exception | None]:
    """Give a mail with the texts that lie in the bucket; what keeps them from being read, if something does."""
    if "body" not in row.item:
        return row, None
    if files is None:
        return row, MissingSettings(["OUTBOX_BUCKET"], Message("bucket-missing.texts"))
    try:
        return complete(files, row), None
    except (OutboxError, BotoCoreError, ClientError) as error:
        return row, error


def filled(text: object, codes: object, most: int = MOST_FILLED) -> str:
    """Give a text as the mail API sends it: each `__name__` replaced by its value, as far as there is one."""
    written = "" if text is None else words(text)
    if not isinstance(codes, Mapping):
        return written[:most]
    known = {str(name): words(value) for name, value in codes.items()}
    parts, length, end = [], 0, 0
    for match in CODE.finditer(written):
        if match[1] in known and length < most:
            parts += [written[end : match.start()], known[match[1]]]
            length += len(parts[-2]) + len(parts[-1])
            end = match.end()
    return "".join([*parts, written[end:]])[:most]


def text(row: Row, name: str) -> Text:
    """Give a text of a mail for a page."""
    written, going = words(row.item.get(name) or ""), filled(row.item.get(name) or "", row.item.get("insert_code"))
    return Text(going[:LONGEST], written[:LONGEST], max(len(written), len(going)) > LONGEST)


def attached(row: Row) -> list[File]:
    """List the attachments a row names, also those that a person's slip has made unreadable."""
    listed = row.item.get("attachments")
    parts = listed if isinstance(listed, list) else [] if listed is None else [listed]
    return [_file(row, number, part) for number, part in enumerate(parts[:MOST_FILES])]


def _file(row: Row, number: int, part: object) -> File:
    if not isinstance(part, Mapping):
        return File(number, words(part), "", problem=Message("rule.no-file"))
    name, mime = words(part.get("name", "")), words(part.get("mime", ""))
    content, size = part.get("content"), part.get("size")
    if isinstance(content, (bytes, bytearray)):
        return File(number, name, mime, len(content), bytes(content))
    known = size if isinstance(size, int) and not isinstance(size, bool) else None
    try:
        return File(number, name, mime, known, stored=stored_file(row.item, f"attachments[{number}]", part))
    except RowBroken as broken:
        return File(number, name, mime, known, problem=message_of(broken))


def people(row: Row) -> Iterator[tuple[str, list[str]]]:
    """Give the addresses of a mail, each list by its name; what is empty is left out."""
    for name in PEOPLE:
        if listed := listed_words(row.item.get(name)):
            yield name, listed


def listed_words(value: object) -> list[str]:
    """Give whatever a person made of a list, each part as text."""
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    parts = value if isinstance(value, (list, tuple)) else [] if value in (None, "") else [value]
    return [*map(words, parts[:MOST_LISTED]), *(["…"] if len(parts) > MOST_LISTED else [])]


def codes(row: Row) -> list[str]:
    """Give the insert codes of a mail, each cut to what a person reads."""
    there = row.item.get("insert_code")
    parts = list(there.items()) if isinstance(there, Mapping) else []
    told = [f"{words(name)} = {words(value)}" for name, value in parts[:MOST_CODES]] or listed_words(there or None)
    return [shorten(each, LONGEST_CODE) for each in told]


def times(row: Row) -> Iterator[tuple[str, Any]]:
    """Give the moments of a mail, as they are written on it."""
    return ((name, row.item[name]) for name in TIMES if name in row.item)


def odd(row: Row) -> list[tuple[str, str]]:
    """Give what a person added to the row, or an application of another version."""
    names = sorted(str(name) for name in row.item if name not in KNOWN)
    return [(name, words(row.item[name])[:LONGEST]) for name in names[:MOST_ODD]]

"""The limits of the mail API, checked when a mail is made.

Each is the API's own (reference of POST /deliveries/transaction, and what live calls showed); where the unit is not
stated, bytes of UTF-8 are counted, so that no mail of ours is refused there. The last ones are ours: a row must fit
into a DynamoDB item of 400 KB with room for its timeline, so what makes it larger lies in the bucket. How large files
may be depends on the contract; that is checked when they are stored.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from outbox.core.attachment import Attachment, StoredFile
from outbox.core.errors import Problem
from outbox.core.text import BODY_CONTROLS, bad_character, shorten, size

if TYPE_CHECKING:
    from outbox.core.mail import Mail

COPIES = 10
DISPLAY_NAME_CHARS = 50
SUBJECT_CHARS = 256
TEXT_BYTES = 30 * 1024
HTML_BYTES = 70 * 1024
CODES = 50
CODE_KEY = re.compile(r"[0-9a-zA-Z]{1,16}")
UNSUBSCRIBE_CHARS = 450
ATTACHMENTS = 100

TAGS, TAG_CHARS = 20, 100
# How many of each part a mail may have, and how they are called; counted before any of them is read.
COUNTS = {
    "cc": (COPIES, "addresses"),
    "bcc": (COPIES, "addresses"),
    "insert_code": (CODES, "variables"),
    "attachments": (ATTACHMENTS, "files"),
    "tags": (TAGS, "tags"),
}
# Of names that the API is not sent, of recipients and copies.
NAME_CHARS = 256
# All texts of a mail; and what of a mail may stand on its row before its bodies are kept in the bucket instead.
TEXTS_BYTES = 5_000_000
ROW_BYTES = 256 * 1024

# Of what a person typed, in a sentence about it.
LONGEST_SHOWN = 40
# Names of attributes, SHA-256 and size of one file, rounded up.
FILE_OVERHEAD = 150

ENCODINGS = ("UTF-8", "ISO-2022-JP")
POLICIES = ("hold", "resend")


def problems(mail: "Mail", too_many: Iterable[Problem] = ()) -> Iterator[Problem]:
    """Yield everything the API, or the table, would refuse in a mail; `too_many`: of which parts it had too many."""
    wrong_types = list(_types(mail))
    yield from wrong_types
    if wrong_types:
        return
    yield from too_many
    yield from _people(mail)
    yield from _words(mail)
    yield from _codes(mail)
    yield from _unsubscribe(mail)
    yield from _own(mail)


def too_many(name: str, count: int) -> Problem | None:
    """Say that a mail has more of a part than it may; None if all is well."""
    most, what = COUNTS[name]
    return Problem(name, f"{count} {what}; at most {most} are allowed") if count > most else None


def texts_bytes(mail: "Mail") -> int:
    """Count the bytes of all texts of a mail."""
    texts = [mail.subject, mail.text, mail.html, *mail.insert_code, *mail.insert_code.values(), *mail.tags]
    return sum(map(size, texts))


def mail_bytes(mail: "Mail") -> int:
    """Estimate what a mail takes of its row, in bytes: its texts, and where its files lie."""
    return texts_bytes(mail) + sum(_on_row(attachment) for attachment in mail.attachments)


def _on_row(attachment: Attachment) -> int:
    content = attachment.content
    inline = len(content) if isinstance(content, bytes) else 0
    key = size(content.key) if isinstance(content, StoredFile) else 0
    return size(attachment.name) + size(attachment.mime) + key + inline + FILE_OVERHEAD


def _types(mail: "Mail") -> Iterator[Problem]:
    for name in ("subject", "text", "html"):
        if not isinstance(getattr(mail, name), str):
            yield Problem(name, f"must be text, not {type(getattr(mail, name)).__name__}")
    if mail.encoding not in ENCODINGS:
        yield Problem("encoding", f"must be one of {', '.join(ENCODINGS)}, not {_named(mail.encoding)}")
    if mail.on_unknown not in POLICIES:
        yield Problem("on_unknown", f"must be one of {', '.join(POLICIES)}, not {_named(mail.on_unknown)}")
    if not isinstance(mail.urgent, bool):
        yield Problem("urgent", f"must be true or false, not {type(mail.urgent).__name__}")
    unsubscribe = mail.list_unsubscribe
    parts = (getattr(unsubscribe, "mailto", None), getattr(unsubscribe, "url", None))
    if unsubscribe is not None and not all(isinstance(part, str) for part in parts):
        yield Problem("list_unsubscribe", "must be a ListUnsubscribe whose mailto and url are text")


def _named(value: object) -> str:
    return repr(shorten(value, LONGEST_SHOWN)) if isinstance(value, str) else type(value).__name__


def _people(mail: "Mail") -> Iterator[Problem]:
    named = [("sender", mail.sender, DISPLAY_NAME_CHARS), ("reply_to", mail.reply_to, DISPLAY_NAME_CHARS)]
    named += [("to", mail.to, NAME_CHARS), *(("cc", a, NAME_CHARS) for a in mail.cc)]
    named += [("bcc", a, NAME_CHARS) for a in mail.bcc]
    for name, address, most in named:
        if address and len(address.name) > most:
            yield Problem(name, f"the name has {len(address.name)} characters; at most {most} are allowed")


def _words(mail: "Mail") -> Iterator[Problem]:
    if not 1 <= len(mail.subject) <= SUBJECT_CHARS:
        yield Problem("subject", f"has {len(mail.subject)} characters; 1 to {SUBJECT_CHARS} are allowed")
    if not mail.text and not mail.html:
        yield Problem("text", "a mail needs text or html; both are empty")
    for name, body, limit in (("text", mail.text, TEXT_BYTES), ("html", mail.html, HTML_BYTES)):
        if size(body) > limit:
            yield Problem(name, f"is {size(body)} bytes long in UTF-8; at most {limit} bytes are allowed")
        if bad := bad_character(body, BODY_CONTROLS + "\u2028\u2029"):
            yield Problem(name, f"holds the control character {bad}; only line breaks and tabs are allowed")
    if bad := bad_character(mail.subject):
        yield Problem("subject", f"holds the control character {bad}; none is allowed")


def _codes(mail: "Mail") -> Iterator[Problem]:
    headers = mail.subject + str(mail.list_unsubscribe or "")
    for key, value in mail.insert_code.items():
        if not CODE_KEY.fullmatch(key):
            yield Problem("insert_code", f"the name {key[:40]!r} must be 1 to 16 letters and digits")
        in_header = f"__{key}__" in headers
        if bad := bad_character(value, "" if in_header else BODY_CONTROLS):
            place = " and is used in a header" if in_header else ""
            yield Problem("insert_code", f"the value of {key[:40]!r} holds the control character {bad}{place}")


def _unsubscribe(mail: "Mail") -> Iterator[Problem]:
    if mail.list_unsubscribe is None:
        return
    mailto, url = mail.list_unsubscribe.mailto, mail.list_unsubscribe.url
    if not mailto and not url:
        yield Problem("list_unsubscribe", "needs a mailto or a url; both are empty")
    if mailto and not mailto.startswith("mailto:"):
        yield Problem("list_unsubscribe.mailto", "must start with mailto:")
    if url and not url.startswith(("https://", "http://")):
        yield Problem("list_unsubscribe.url", "must start with https:// or http://")
    for name, value in (("mailto", mailto), ("url", url)):
        if len(value) > UNSUBSCRIBE_CHARS:
            yield Problem(
                f"list_unsubscribe.{name}", f"has {len(value)} characters; at most {UNSUBSCRIBE_CHARS} are allowed"
            )
        if bad := bad_character(value):
            yield Problem(f"list_unsubscribe.{name}", f"holds the control character {bad}; none is allowed")


def _own(mail: "Mail") -> Iterator[Problem]:
    for tag in mail.tags:
        if not 1 <= len(tag) <= TAG_CHARS or bad_character(tag):
            rule = f"a tag has {len(tag)} characters; 1 to {TAG_CHARS} without control characters are allowed"
            yield Problem("tags", rule)
    if texts_bytes(mail) > TEXTS_BYTES:
        yield Problem("mail", f"has {texts_bytes(mail)} bytes of text in all; at most {TEXTS_BYTES} are allowed")

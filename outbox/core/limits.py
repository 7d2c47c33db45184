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
from outbox.core.message import Message
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
# How many of each part a mail may have, and the code of the rule; counted before any of them is read.
COUNTS = {
    "cc": (COPIES, "rule.addresses"),
    "bcc": (COPIES, "rule.addresses"),
    "insert_code": (CODES, "rule.variables"),
    "attachments": (ATTACHMENTS, "rule.files"),
    "tags": (TAGS, "rule.tags"),
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
    most, code = COUNTS[name]
    return Problem(name, Message(code, number=count, most=most)) if count > most else None


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
            yield Problem(name, must_be("type.text", type(getattr(mail, name)).__name__))
    if mail.encoding not in ENCODINGS:
        yield Problem("encoding", _one_of(ENCODINGS, mail.encoding))
    if mail.on_unknown not in POLICIES:
        yield Problem("on_unknown", _one_of(POLICIES, mail.on_unknown))
    if not isinstance(mail.urgent, bool):
        yield Problem("urgent", must_be("type.boolean", type(mail.urgent).__name__))
    unsubscribe = mail.list_unsubscribe
    parts = (getattr(unsubscribe, "mailto", None), getattr(unsubscribe, "url", None))
    if unsubscribe is not None and not all(isinstance(part, str) for part in parts):
        yield Problem("list_unsubscribe", Message("rule.unsubscribe-type"))


def must_be(wanted: str, found: str) -> Message:
    """Say that a part has the wrong type; `wanted`: a code `type.…`."""
    return Message("rule.must-be", wanted=Message(wanted), found=found)


def _one_of(allowed: tuple[str, ...], value: object) -> Message:
    word = repr(shorten(value, LONGEST_SHOWN)) if isinstance(value, str) else type(value).__name__
    return Message("rule.one-of", words=", ".join(allowed), word=word)


def _people(mail: "Mail") -> Iterator[Problem]:
    named = [("sender", mail.sender, DISPLAY_NAME_CHARS), ("reply_to", mail.reply_to, DISPLAY_NAME_CHARS)]
    named += [("to", mail.to, NAME_CHARS), *(("cc", a, NAME_CHARS) for a in mail.cc)]
    named += [("bcc", a, NAME_CHARS) for a in mail.bcc]
    for name, address, most in named:
        if address and len(address.name) > most:
            yield Problem(name, Message("rule.name-length", number=len(address.name), most=most))


def _words(mail: "Mail") -> Iterator[Problem]:
    if not 1 <= len(mail.subject) <= SUBJECT_CHARS:
        yield Problem("subject", Message("rule.length", number=len(mail.subject), least=1, most=SUBJECT_CHARS))
    if not mail.text and not mail.html:
        yield Problem("text", Message("rule.no-body"))
    for name, body, limit in (("text", mail.text, TEXT_BYTES), ("html", mail.html, HTML_BYTES)):
        if size(body) > limit:
            yield Problem(name, Message("rule.bytes", number=size(body), most=limit))
        if bad := bad_character(body, BODY_CONTROLS + "\u2028\u2029"):
            yield Problem(name, Message("rule.body-control", character=bad))
    if bad := bad_character(mail.subject):
        yield Problem("subject", Message("rule.control", character=bad))


def _codes(mail: "Mail") -> Iterator[Problem]:
    headers = mail.subject + str(mail.list_unsubscribe or "")
    for key, value in mail.insert_code.items():
        if not CODE_KEY.fullmatch(key):
            yield Problem("insert_code", Message("rule.variable-name", name=repr(key[:40])))
        in_header = f"__{key}__" in headers
        if bad := bad_character(value, "" if in_header else BODY_CONTROLS):
            code = "rule.variable-header" if in_header else "rule.variable-control"
            yield Problem("insert_code", Message(code, name=repr(key[:40]), character=bad))


def _unsubscribe(mail: "Mail") -> Iterator[Problem]:
    if mail.list_unsubscribe is None:
        return
    mailto, url = mail.list_unsubscribe.mailto, mail.list_unsubscribe.url
    if not mailto and not url:
        yield Problem("list_unsubscribe", Message("rule.unsubscribe-empty"))
    if mailto and not mailto.startswith("mailto:"):
        yield Problem("list_unsubscribe.mailto", Message("rule.unsubscribe-mailto"))
    if url and not url.startswith(("https://", "http://")):
        yield Problem("list_unsubscribe.url", Message("rule.unsubscribe-url"))
    for name, value in (("mailto", mailto), ("url", url)):
        if len(value) > UNSUBSCRIBE_CHARS:
            rule = Message("rule.too-long", number=len(value), most=UNSUBSCRIBE_CHARS)
            yield Problem(f"list_unsubscribe.{name}", rule)
        if bad := bad_character(value):
            yield Problem(f"list_unsubscribe.{name}", Message("rule.control", character=bad))


def _own(mail: "Mail") -> Iterator[Problem]:
    for tag in mail.tags:
        if not 1 <= len(tag) <= TAG_CHARS or bad_character(tag):
            yield Problem("tags", Message("rule.tag", number=len(tag), most=TAG_CHARS))
    if texts_bytes(mail) > TEXTS_BYTES:
        yield Problem("mail", Message("rule.all-bytes", number=texts_bytes(mail), most=TEXTS_BYTES))

"""Turn the JSON of a send into a mail, or say field by field what the mail API would refuse."""

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from outbox.local.sandbox import attachments, captured, invented
from outbox.local.sandbox.errors import FieldErrors
from outbox.local.sandbox.mail import Address, Attachment, Mail
from outbox.local.sandbox.reader import Reader
from outbox.local.sandbox.settings import SandboxSettings

MOST_COPIES = 10
MOST_INSERT_CODES = 50
TEXT_LIMIT = 30 * 1024
HTML_LIMIT = 70 * 1024
UNLIMITED = 10_000_000
KNOWN_FIELDS = frozenset({
    "from", "to", "cc", "bcc", "reply_to", "subject", "text_part", "html_part", "encode", "insert_code",
    "list_unsubscribe",
})  # fmt: skip

_INSERT_CODE_KEY = re.compile(r"(__|%%)[0-9a-zA-Z]+\1")
_INSERT_CODE_KEY_LENGTHS = range(5, 21)


def accepted_mail(payload: dict[str, Any], files: Sequence[Attachment], settings: SandboxSettings) -> Mail:
    """Return the mail that the request asks for; raises Invalid with the tree of errors."""
    errors = FieldErrors()
    reader = Reader(payload, errors)
    if settings.unknown_fields == "refused":
        for name in reader.unknown(KNOWN_FIELDS):
            reader.refuse(name, invented.UNKNOWN_FIELD)
    attachments.check(files, errors, settings)
    mail = Mail(
        sender=_person(reader, "from", required=True) or Address(""),
        to=reader.address("to", required=True) or "",
        cc=reader.addresses("cc", MOST_COPIES),
        bcc=reader.addresses("bcc", MOST_COPIES),
        reply_to=_person(reader, "reply_to"),
        subject=reader.text("subject", 1, 256, required=True) or "",
        text_part=_text_part(reader, settings),
        html_part=reader.text("html_part", 0, HTML_LIMIT, size=_size(settings)) or "",
        encode=_encode(reader),
        insert_code=_insert_codes(reader),
        list_unsubscribe=_list_unsubscribe(reader),
        attachments=tuple(files),
    )
    errors.raise_if_any()
    return mail


def _size(settings: SandboxSettings) -> Callable[[str], int]:
    return len if settings.body_unit == "characters" else lambda text: len(text.encode())


def _person(reader: Reader, name: str, *, required: bool = False) -> Address | None:
    inner = reader.inner(name, required=required)
    if inner is None:
        return None
    return Address(inner.address("email", required=True) or "", inner.text("name", 0, 50) or "")


def _text_part(reader: Reader, settings: SandboxSettings) -> str:
    strict = settings.text_part == "strict"
    return reader.text("text_part", int(strict), TEXT_LIMIT, required=strict, size=_size(settings)) or ""


def _encode(reader: Reader) -> str:
    value = reader.text("encode", 0, UNLIMITED)
    if value is None:
        return "UTF-8"
    if value.upper() not in {"UTF-8", "ISO-2022-JP"}:
        reader.refuse("encode", invented.NOT_AN_ENCODING)
    return value.upper()


def _insert_codes(reader: Reader) -> tuple[tuple[str, str], ...]:
    codes = []
    for item in reader.objects("insert_code", MOST_INSERT_CODES):
        key = item.text("key", 0, UNLIMITED, required=True)
        value = item.text("value", 0, UNLIMITED, required=True)
        if key is not None:
            _check_key(item, key)
        codes.append((key or "", value or ""))
    return tuple(codes)


def _check_key(item: Reader, key: str) -> None:
    if not _INSERT_CODE_KEY.fullmatch(key):
        item.refuse("key", captured.invalid_format(key))
    if len(key) not in _INSERT_CODE_KEY_LENGTHS:
        item.refuse("key", captured.INSERT_CODE_KEY_LENGTH)


def _list_unsubscribe(reader: Reader) -> dict[str, str]:
    inner = reader.inner("list_unsubscribe")
    if inner is None:
        return {}
    mailto, url = (inner.text(name, 0, 450) for name in ("mailto", "url"))
    if mailto is not None and not re.fullmatch(r"mailto:\S+", mailto):
        inner.refuse("mailto", captured.UNRESOLVED_PATTERN)
    if url is not None and not _absolute(url):
        inner.refuse("url", invented.URL_PATTERN)
    return {name: value for name, value in (("mailto", mailto), ("url", url)) if value is not None}


def _absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and not re.search(r"\s", url)

"""Parts of a mail as typed on a command line, into the form a row has."""

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from outbox.core.attachment import Attachment
from outbox.core.errors import InvalidMail, InvalidRequest, Problem
from outbox.flows.support import aware

STDIN = Path("-")
# A path has lost the second slash.
IN_S3 = re.compile(r"s3:/{1,2}(?P<bucket>[^/]+)/(?P<key>.+)", re.DOTALL)


def parts(
    *,
    text_file: Path | None = None,
    html_file: Path | None = None,
    code: Sequence[str] | None = None,
    unsubscribe: Sequence[str] | None = None,
    tag: Sequence[str] | None = None,
    **plain: Any,  # noqa: ANN401  parts that are as they were typed
) -> dict[str, Any]:
    """Give what was said, in the form a row has; an empty value clears. Raises `InvalidRequest`."""
    given = {
        **plain,
        "text": _body("--text", plain.get("text"), text_file),
        "html": _body("--html", plain.get("html"), html_file),
        "insert_code": _codes(code) if code else None,
        "list_unsubscribe": _unsubscribe(unsubscribe) if unsubscribe else None,
        "tags": tag,
    }
    return {name: _listed(value) for name, value in given.items() if value is not None and value != []}


def moment(text: str | None) -> datetime | None:
    """Read a time with a zone. Raises `InvalidRequest`."""
    if text is None:
        return None
    try:
        return aware(datetime.fromisoformat(text))
    except (ValueError, InvalidRequest):
        message = f"--at {text!r} is no time with a time zone; this is one: 2026-01-31T09:00+09:00"
        raise InvalidRequest(message) from None


def attachment(place: str | Path) -> Attachment:
    """Take a file on disk, or `s3://bucket/key`, to send with the mail. Raises `InvalidRequest`, `InvalidMail`."""
    if found := IN_S3.fullmatch(str(place)):
        return Attachment.from_s3(found["bucket"], found["key"])
    try:
        return Attachment.from_path(place)
    except OSError as error:
        message = f"--attach {place}: {error.strerror or error}"
        raise InvalidRequest(message) from None


def _listed(value: Any) -> Any:  # noqa: ANN401  whatever a part is
    """Leave the empty value that clears a list out of the list."""
    return [part for part in value if part] if isinstance(value, (list, tuple)) else value


def _body(option: str, text: str | None, path: Path | None) -> str | None:
    if path is None:
        return text
    if text is not None:
        message = f"{option} and {option}-file say the same part twice; give one"
        raise InvalidRequest(message)
    try:
        return (sys.stdin.buffer.read() if path == STDIN else path.read_bytes()).decode("utf-8-sig")
    except OSError as error:
        message = f"{option}-file {path}: {error.strerror or error}"
        raise InvalidRequest(message) from None
    except UnicodeDecodeError:
        message = f"{option}-file {path} is not UTF-8"
        raise InvalidRequest(message) from None


def _codes(codes: Sequence[str]) -> Mapping[str, str]:
    pairs = [code.partition("=") for code in codes if code]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise InvalidMail([Problem("insert_code", f"--code {name!r} is not of the form NAME=VALUE") for name in wrong])
    return {name: value for name, _, value in pairs}


def _unsubscribe(addresses: Sequence[str]) -> Mapping[str, str]:
    return {"mailto" if address.startswith("mailto:") else "url": address for address in addresses if address}

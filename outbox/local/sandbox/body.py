"""Read the body of a send: JSON, or multipart with one `data` part and any number of `file` parts."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from outbox.local.sandbox import invented
from outbox.local.sandbox.errors import Invalid
from outbox.local.sandbox.mail import Attachment
from outbox.local.sandbox.settings import SandboxSettings

# Far above what validation allows, so that its refusal is seen and not the parser's.
_MOST_PARTS = 2_000
_LARGEST_DATA = 16 * 1024 * 1024


class Unreadable(Exception):
    """The body cannot be parsed: the framework answers, not the mail API's own checks."""


class UnsupportedMedia(Exception):
    """Neither JSON nor multipart."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A request taken apart, its values not looked at yet."""

    payload: dict[str, Any]
    files: tuple[Attachment, ...] = ()


async def read(request: Request, settings: SandboxSettings) -> Letter:
    """Take the request apart; raises Unreadable, UnsupportedMedia or Invalid."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "application/json":
        return Letter(_json_object(await request.body()))
    if media == "multipart/form-data":
        return await _multipart(request, settings)
    raise UnsupportedMedia(media)


async def _multipart(request: Request, settings: SandboxSettings) -> Letter:
    parts = request.form(max_files=_MOST_PARTS, max_fields=_MOST_PARTS, max_part_size=_LARGEST_DATA)
    try:
        async with parts as form:
            return await _from_parts(form, settings)
    except HTTPException as error:
        raise Unreadable(invented.UNREADABLE_MULTIPART) from error


async def _from_parts(form: FormData, settings: SandboxSettings) -> Letter:
    strangers = sorted(set(form) - {"data", "file"})
    if strangers and settings.unknown_fields == "refused":
        raise Invalid({name: [invented.UNKNOWN_FIELD] for name in strangers})
    files = [await _attachment(part) for part in form.getlist("file")]
    return Letter(_json_object(await _data_part(form)), tuple(files))


async def _data_part(form: FormData) -> bytes:
    parts = form.getlist("data")
    if len(parts) != 1:
        raise Unreadable(invented.NO_DATA_PART)
    return await parts[0].read() if isinstance(parts[0], UploadFile) else parts[0].encode()


async def _attachment(part: UploadFile | str) -> Attachment:
    if isinstance(part, str):
        return Attachment("", "text/plain", part.encode())
    return Attachment(part.filename or "", part.content_type or "application/octet-stream", await part.read())


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(raw.decode())
        # Half of a surrogate pair is valid JSON that no answer could ever contain.
        json.dumps(payload, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Unreadable(invented.UNREADABLE_JSON) from error
    if not isinstance(payload, dict):
        raise Unreadable(invented.UNREADABLE_JSON)
    return payload

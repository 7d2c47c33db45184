"""Reads the form that a browser sends: never more of it than the page takes, and aside from what answers others."""

from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from outbox.console.guard import TooLong

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 5000
# Of a letter in percents each, the parts of a whole long text would take hundreds of megabytes.
PIECE = 65_536


async def form_of(request: Request, longest: int) -> FormData:
    """Read a form of so many bytes at most; whatever else is sent is none. Raises `TooLong`, `HTTPException` (400)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return FormData()
    if int(request.headers.get("content-length", "0")) > longest:
        raise TooLong
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > longest:
            raise TooLong
    if body.count(b"&") >= MOST_FIELDS:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    return await run_in_threadpool(_parsed, bytes(body))


def _parsed(body: bytes) -> FormData:
    pairs = (pair.partition(b"=") for pair in body.split(b"&") if pair)
    return FormData([(_text(name), _text(value)) for name, _, value in pairs])


def _text(said: bytes) -> str:
    read, at = bytearray(), 0
    while at < len(said):
        end = at + PIECE
        # A letter in percents is not cut.
        percent = said.rfind(b"%", end - 2, end)
        end = percent if percent >= 0 and end < len(said) else end
        read += unquote_to_bytes(said[at:end].replace(b"+", b" "))
        at = end
    return read.decode(errors="replace")

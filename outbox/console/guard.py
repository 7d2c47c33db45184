"""Keeps strangers' pages, open in the same browser, out; and tells the browser to trust nothing but our own files."""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
STATIC = "/static/"
KEPT = (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)
NO_HOST = frozenset("@/\\?#")
SAFE_METHODS = frozenset({"GET", "HEAD"})
# Of any page. A form with the longest mail the API takes fits in, its blanks and Japanese written in percents.
LONGEST_BODY = 16_000_000

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# What a mail says, in a frame: as in a mail program that loads nothing; it can do nothing and go nowhere.
MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
FILE_POLICY = "sandbox; default-src 'none'"
POLICY = "Content-Security-Policy"
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-DNS-Prefetch-Control": "off",
}


class Guard:
    """Refuses requests to foreign names and from foreign pages, and bodies without end; puts the headers on."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOOPBACK, *, secure: bool = False) -> None:
        self._app, self._hosts, self._secure = app, frozenset(hosts), secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        status = self._refused(scope["method"], headers)
        with_headers = self._with_headers(send, _named(headers), scope["path"])
        if status:
            await PlainTextResponse(status.phrase, status)(scope, receive, with_headers)
        else:
            await self._app(scope, _bounded(receive), with_headers)

    def _refused(self, method: str, headers: Headers) -> HTTPStatus | None:
        # A foreign name that resolves to this machine would make its page the same origin as ours.
        if _named(headers) not in self._hosts:
            return HTTPStatus.MISDIRECTED_REQUEST
        if method not in SAFE_METHODS and not self._own(headers):
            return HTTPStatus.FORBIDDEN
        length = headers.get("content-length", "0")
        # Python refuses to read a number of more than 4,300 digits.
        short = length.isascii() and length.isdigit() and len(length.lstrip("0")) <= len(str(LONGEST_BODY))
        too_long = not short or int(length) > LONGEST_BODY
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_long else None

    def _own(self, headers: Headers) -> bool:
        """Tell whether one of our own pages made a request, as far as the browser says."""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        return origin is None or _host(origin) == headers.get("host", "").lower()

    def _with_headers(self, send: Send, host: str | None, path: str) -> Send:
        # Told of this machine's own name, a browser would take everything else on it for secured, too.
        strict = self._secure and host not in LOOPBACK
        # Style and script are the same for all, and asked for again with their mark.
        static = path.startswith(STATIC)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in EVERYWHERE.items():
                    headers.setdefault(name, value)
                headers.setdefault(POLICY, PAGE_POLICY)
                kept = "no-cache" if static and message["status"] in KEPT else "no-store"
                headers.setdefault("Cache-Control", kept)
                if strict:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        return sending


class TooLong(Exception):
    """The body of a request goes on beyond any form."""


def _bounded(receive: Receive) -> Receive:
    """Stop reading a body that does not say how long it is."""
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LONGEST_BODY:
            raise TooLong
        return message

    return receiving


def _named(headers: Headers) -> str | None:
    """Give the name by which the console was asked for; None for what is no name and perhaps a port."""
    host = headers.get("host", "")
    if not NO_HOST.isdisjoint(host):
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""

"""Keep web pages of strangers, open in the same browser, from reaching into the sandbox."""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class Guard:
    """Lets through only requests to a loopback name that no other origin's page made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 403, or hand on."""
        if scope["type"] == "http" and _suspicious(scope["method"], Headers(scope=scope)):
            refusal = PlainTextResponse("only for this computer's own pages and programs", HTTPStatus.FORBIDDEN)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _suspicious(method: str, headers: Headers) -> bool:
    host = headers.get("host", "")
    # A foreign name that resolves to 127.0.0.1 would make its page the same origin as ours.
    if _hostname(f"//{host}") not in _LOOPBACK:
        return True
    origin = headers.get("origin")
    return method not in _SAFE_METHODS and origin is not None and origin != f"http://{host}"


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None

"""Connections to the mail API: each carries one call at a time, and none is used again after it was idle for long.

A connection that was idle while its function was frozen may be dead: the peer, or a device on the way, has forgotten
it. What is then sent on it gets no answer, and nobody can tell whether a mail went out. So an idle connection is closed
instead. httpx counts the idle time by the monotonic clock, which may stand still in a frozen function; here the wall
clock counts, too, and the longer of the two decides.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Self, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from outbox.core.clock import recent
from outbox.core.ports import Clock

# Servers keep an idle connection for longer; by default gunicorn for 2 s, Node.js for 5 s, nginx for 75 s.
IDLE = timedelta(seconds=1)
ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE.total_seconds())


class Connections(httpx.BaseTransport):
    """Gives each call a connection of its own, one that was just in use if there is one; threads may share it.

    `connect` makes a transport that holds at most one connection.
    """

    def __init__(self, connect: Callable[[], httpx.BaseTransport], clock: Clock) -> None:
        self._connect, self._clock = connect, clock
        self._lock = threading.Lock()
        # The one used last comes last, and is used next: so those that are not needed get old and are closed.
        # The first is made at once: settings that no connection can be made with show when a function starts.
        self._idle: list[tuple[httpx.BaseTransport, datetime]] = [(connect(), clock())]

    @classmethod
    def to(cls, url: str, clock: Clock) -> Self:
        """Make connections to a mail API, through the proxy that the environment names, as the SDK does to AWS."""
        # Reading the certificates takes some 50 ms, so all connections share them.
        certificates, proxy = httpx.create_ssl_context(), _proxy(url)
        return cls(lambda: httpx.HTTPTransport(verify=certificates, limits=ONE, proxy=proxy), clock)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make a call. The connection is idle again when the response is closed."""
        connection = self._take()
        try:
            response = connection.handle_request(request)
        except BaseException:
            connection.close()
            raise
        body = cast("httpx.SyncByteStream", response.stream)
        response.stream = _Body(body, lambda: self._give_back(connection))
        return response

    def close_idle(self) -> None:
        """Close what no call is using."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def close(self) -> None:
        """Close what no call is using; a call under way is let end."""
        self.close_idle()

    def _take(self) -> httpx.BaseTransport:
        with self._lock:
            now, known = self._clock(), self._idle
            self._idle = [each for each in known if recent(each[1], now, IDLE)]
            connection = self._idle.pop()[0] if self._idle else self._connect()
        for old, since in known:
            if not recent(since, now, IDLE):
                old.close()
        return connection

    def _give_back(self, connection: httpx.BaseTransport) -> None:
        with self._lock:
            self._idle.append((connection, self._clock()))


class _Body(httpx.SyncByteStream):
    """The body of an answer; closing it sets the connection free."""

    def __init__(self, stream: httpx.SyncByteStream, free: Callable[[], None]) -> None:
        self._stream, self._free = stream, free
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stream.close()
            self._free()


def _proxy(url: str) -> str | None:
    known, parts = getproxies(), urlsplit(url)
    proxy = known.get(parts.scheme) or known.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"

"""Runs the console on uvicorn, in a thread of this process, on the loopback unless told otherwise."""

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self
from urllib.parse import quote

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from outbox.console.access import Role, Token
from outbox.console.app import create_app
from outbox.console.session import COOKIE, Sessions
from outbox.wiring.desk import Desk

HOST = "127.0.0.1"
START_SECONDS = 10.0
# For answers on their way, and for batches to stop between two rows; what takes longer ends with the process.
GRACE_SECONDS, STOP_SECONDS = 2, 15.0


def listen(host: str = HOST, port: int = 0) -> socket.socket:
    """Take a port, 0 any free one. Raises OSError when it is taken, or the host is none of this machine."""
    family, kind, protocol, _, place = _places(host, port)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine reaches what listens there. Raises OSError for a host that is none."""
    hosts = [str(place[0]).partition("%")[0] for *_, place in _places(host, 0)]
    return all(ipaddress.ip_address(host).is_loopback for host in hosts)


def _places(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE)


def port_of(listener: socket.socket) -> int:
    """Give the port it listens on."""
    return int(listener.getsockname()[1])


class _Protocol(H11Protocol):
    """Writes no address down, whoever listens to the server's log: there are ids, people and the token in them."""

    def __init__(self, *parts: Any, **more: Any) -> None:  # noqa: ANN401  what uvicorn hands to any
        super().__init__(*parts, **more)
        self.access_log = False


class _Server(uvicorn.Server):
    """Reports when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Running:
    """A console that answers on a listener, until the end of the `with` block; the listener is closed then as well.

    With `certificate` and `private_key`, paths of PEM files, it speaks TLS. Raises OSError when they are unusable.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, certificate: str = "", private_key: str = "") -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
            ws="none",
            loop="asyncio",
            http=_Protocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            # Whoever asks may write any X-Forwarded-For.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=certificate or None,
            ssl_keyfile=private_key or None,
        )
        config.load()
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="console", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._server.ready.wait(START_SECONDS):
            self.stop()
            message = f"the console did not start within {START_SECONDS:g} s"
            raise RuntimeError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, let answers end for a moment, and wait for the thread."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._listener.close()

    def until_asked_to_end(self, ready: Callable[[], None]) -> None:
        """Call `ready`, and wait for Ctrl-C or SIGTERM, which may come already then. Only in the main thread."""
        # Nothing is raised: before Python 3.13 a join that is interrupted takes a thread that runs for one that ended.
        asked = threading.Event()

        def end(_number: int, _frame: FrameType | None) -> None:
            asked.set()

        # A shell that starts commands in the background has them ignore Ctrl-C.
        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ready()
            while self._thread.is_alive() and not asked.wait(0.2):
                pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def for_one(desk: Desk, listener: socket.socket, role: Role = Role.ACT) -> Iterator[str]:
    """Run the console for the person of this machine, and give the address that signs them in."""
    port = port_of(listener)
    token = Token(lambda: desk.who, role)
    app = create_app(desk, token, Sessions(cookie=f"{COOKIE}-{port}"))
    with Running(app, listener):
        yield signing_in(f"http://{HOST}:{port}", token)


def signing_in(url: str, token: Token) -> str:
    """Write the address that signs the person of a token in."""
    return f"{url}/sign-in?token={quote(token.token, safe='')}"

"""Run the sandbox in a thread, on loopback only."""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn

from outbox.local.sandbox import api
from outbox.local.sandbox.app import create_app
from outbox.local.sandbox.background import Background
from outbox.local.sandbox.connections import Connections, protocol_for
from outbox.local.sandbox.settings import SandboxSettings
from outbox.local.sandbox.state import State

HOST = "127.0.0.1"
START_SECONDS = 10.0


class _Server(uvicorn.Server):
    """Reports when it is ready, and ends at once whatever still hangs."""

    def __init__(self, config: uvicorn.Config, connections: Connections, background: Background) -> None:
        super().__init__(config)
        self._connections = connections
        self._background = background
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._connections.drop_all()
        await self._background.stop()
        await super().shutdown(sockets)


class Sandbox:
    """A running sandbox; `with Sandbox() as sandbox:` starts and stops it, port 0 takes a free one.

    `state` may be read from the caller's thread; change it over HTTP, while the server runs.
    """

    def __init__(self, settings: SandboxSettings | None = None, *, port: int = 0) -> None:
        self.settings = settings or SandboxSettings()
        self.state = State(self.settings)
        self.url = ""
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def mail_api_url(self) -> str:
        """The base address for a client of the mail API."""
        return self.url + api.BASE

    def start(self) -> None:
        """Listen and answer from a thread; raises OSError when the port is taken."""
        listener = _listener(self._port)
        connections = Connections()
        app = create_app(connections=connections, state=self.state)
        config = uvicorn.Config(
            app,
            http=protocol_for(connections),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            # Longer than any client pools one: closing first would look like a lost answer now and then.
            timeout_keep_alive=600,
            # Only a fault that is still waiting can be left by then.
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config, connections, self.state.background)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="mail-api-sandbox", daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(START_SECONDS):
            msg = f"the sandbox did not start within {START_SECONDS:g} s"
            raise RuntimeError(msg)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop listening, cut open connections, stop bounces on their way, and wait for the thread."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _listener(port: int) -> socket.socket:
    # asyncio turns Nagle's delay (40 ms an answer) off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener

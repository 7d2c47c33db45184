"""A webhook on the loopback that keeps what it is told."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class _Server(ThreadingHTTPServer):
    # Of the usual five a connection too many waits for a second.
    request_queue_size = 128


@dataclass
class Receiver:
    """Answers with the next of its statuses, 200 when there is none left; `first` runs before each answer."""

    statuses: list[int] = field(default_factory=list)
    first: Callable[[], object] = lambda: None
    heard: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    number: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.path}"

    @property
    def path(self) -> str:
        return f"/bounces/{self.number}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body in self.heard]

    @property
    def details(self) -> list[dict[str, Any]]:
        return [event["event"]["detail"] for body in self.bodies for event in body["events"]]

    def begin(self) -> None:
        """Begin anew under another path: what was told to the one before and is still on its way is not heard."""
        self.number += 1
        self.forget()

    def forget(self) -> None:
        self.heard.clear()
        self.statuses.clear()
        self.first = lambda: None

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = 200
                if self.path == receiver.path:
                    receiver.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                    status = receiver.statuses.pop(0) if receiver.statuses else 200
                    receiver.first()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler

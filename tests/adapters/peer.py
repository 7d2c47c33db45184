"""An HTTP server on a real socket that can forget its idle connections, in each way a network does."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable

# What becomes of an idle connection: closed, closed once the next request comes, answered by a reset, or by nothing.
FORGETS = ("close", "close late", "reset", "swallow")
RESET = struct.pack("ii", 1, 0)


class Peer:
    """Answers each request with what `answer` makes of its head and body; `seen` counts requests by what they met."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self.seen, self.heads = Counter[str](), list[str]()
        self._answer, self._lock = answer, threading.Lock()
        self._open: dict[socket.socket, str] = {}
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    @property
    def connections(self) -> int:
        """Count the connections that were ever made."""
        return self.seen["connection"]

    def forget(self, how: str) -> None:
        """Lose every connection there is; all of them must be idle."""
        with self._lock:
            for connection in self._open:
                self._open[connection] = how
                if how == "close":
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._over.set()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open[connection] = ""
                self.seen["connection"] += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            while head := self._request(connection):
                with self._lock:
                    how = self._open[connection]
                    self.seen[how or "answered"] += 1
                    self.heads.append(head)
                if how:
                    self._lose(connection, how)
                    return
                body = self._answer(head)
                start = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(start.encode() + body)
        except OSError:
            return
        finally:
            with self._lock:
                self._open.pop(connection, None)
            connection.close()

    @staticmethod
    def _request(connection: socket.socket) -> str:
        """Read one request and give its head; nothing when the other side has closed."""
        read = b""
        while b"\r\n\r\n" not in read:
            piece = connection.recv(65536)
            if not piece:
                return ""
            read += piece
        head, _, body = read.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        left = int(lengths[0]) - len(body) if lengths else 0
        while left > 0:
            left -= len(connection.recv(65536))
        return head.decode()

    def _lose(self, connection: socket.socket, how: str) -> None:
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if how == "swallow":
            self._over.wait()

"""Keep hold of the open TCP connections, to be able to reset one in the middle of a request."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Peer = tuple[str, int]
# Lingering for zero seconds: the peer sees a reset instead of an orderly end.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connections:
    """Open connections by the peer's address, which a request knows as its client."""

    def __init__(self) -> None:
        self._transports: dict[Peer, asyncio.Transport] = {}

    def opened(self, peer: Peer, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._transports[peer] = transport

    def closed(self, peer: Peer) -> None:
        """Forget a connection."""
        self._transports.pop(peer, None)

    def reset(self, peer: Peer) -> None:
        """Reset the connection: whatever was not sent yet is lost."""
        transport = self._transports[peer]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    def drop_all(self) -> None:
        """Cut every connection, so that a hanging request does not keep the server from ending."""
        for transport in list(self._transports.values()):
            transport.abort()


def protocol_for(connections: Connections) -> type[asyncio.Protocol]:
    """Return an HTTP/1.1 protocol that reports its connections."""

    class ReportingProtocol(H11Protocol):
        """Tells when its connection opens and closes."""

        def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvicorn narrows asyncio's type
            super().connection_made(transport)
            if self.client is not None:
                connections.opened(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                connections.closed(self.client)
            super().connection_lost(exc)

    return ReportingProtocol

"""A connection through the proxy, with the traffic in each direction."""

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from tests.faults.trap import Trap

CHUNK = 65_536
TAIL = 256  # bytes of past traffic in which a text may have begun
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of zero: closing sends an RST instead of a FIN


@attrs.define(eq=False)
class Direction:
    """The traffic in one direction."""

    back: bool  # True: from the server to the client; False: from the client to the server
    passed: int = 0
    tail: bytes = b""

    def went_by(self, data: bytes) -> None:
        self.passed += len(data)
        self.tail = (self.tail + data)[-TAIL:]

    def finds(self, text: bytes, data: bytes) -> bool:
        """Return whether the text is in this piece, or began in earlier traffic and ends in it."""
        return text in self.tail[-len(text) + 1 :] + data if len(text) > 1 else text in data


@attrs.define(eq=False)
class Line:
    """A pair of connections: from the client to the proxy, and from the proxy to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    forth: Direction = attrs.field(factory=lambda: Direction(back=False))
    back: Direction = attrs.field(factory=lambda: Direction(back=True))
    passing: asyncio.Event = attrs.field(factory=asyncio.Event)
    stranded: bool = False  # silent, even when the proxy's silence ends
    swallowing: "Trap | None" = None  # resets the line when the server answers

    def strand(self) -> None:
        self.stranded = True
        self.passing.clear()

    def reset(self) -> None:
        """Reset both connections with an RST; unread data is lost."""
        for end in (self.client, self.server):
            reset(end)


def reset(end: asyncio.StreamWriter) -> None:
    """Close a connection with an RST, so that the peer notices at once."""
    found: Any = end.get_extra_info("socket")
    if found is not None and found.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # it is closed already
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    end.transport.abort()

"""One connection that goes by way of a proxy, and what went by on it."""

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from tests.faults.trap import Trap

CHUNK = 65_536
TAIL = 256  # bytes in which the beginning of a text is looked for
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: not a FIN, but an RST


@attrs.define(eq=False)
class Way:
    """What went by in one direction."""

    back: bool  # from the server
    passed: int = 0
    tail: bytes = b""

    def went_by(self, data: bytes) -> None:
        self.passed += len(data)
        self.tail = (self.tail + data)[-TAIL:]

    def finds(self, text: bytes, data: bytes) -> bool:
        """Whether the text is said in this piece, or ends in it."""
        return text in self.tail[-len(text) + 1 :] + data if len(text) > 1 else text in data


@attrs.define(eq=False)
class Line:
    """From the client to us, and from us to what is behind."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    forth: Way = attrs.field(factory=lambda: Way(back=False))
    back: Way = attrs.field(factory=lambda: Way(back=True))
    passing: asyncio.Event = attrs.field(factory=asyncio.Event)
    stranded: bool = False  # silent, whatever becomes of the others
    swallowing: "Trap | None" = None  # reset when the server answers

    def strand(self) -> None:
        self.stranded = True
        self.passing.clear()

    def reset(self) -> None:
        """Both sides get an RST, and lose what they have not read."""
        for end in (self.client, self.server):
            reset(end)


def reset(end: asyncio.StreamWriter) -> None:
    """Cut it so that the other side knows at once."""
    found: Any = end.get_extra_info("socket")
    if found is not None and found.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # it is closed already
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    end.transport.abort()

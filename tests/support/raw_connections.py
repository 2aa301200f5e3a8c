"""Raw TCP clients that can break every protocol rule and choose their source address."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncGenerator
from typing import Any

from yarl import URL

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION, FINAL = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0, 0x80
SMALL = 4096


class Raw:
    """A TCP connection that sends arbitrary bytes and reads only when asked to."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = b""

    async def send(self, data: bytes) -> bool:
        """Send the data; return False if the peer has closed the connection."""
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError:
            return False
        return True

    async def more(self, within: float = 60.0) -> bool:
        """Read the next data into ``heard``; return False at the end of the stream."""
        try:
            async with asyncio.timeout(within):
                data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        except ConnectionError:
            return False
        self.heard += data
        return bool(data)

    async def rest(self, within: float = 60.0) -> bytes:
        """Read until the peer closes the connection; return all that was read."""
        async with asyncio.timeout(within):
            while await self.more(within):
                pass
        return self.heard

    async def answer(self, within: float = 60.0) -> tuple[int, dict[str, Any]]:
        """Read one HTTP answer; return its status and JSON body."""
        while b"\r\n\r\n" not in self.heard:
            assert await self.more(within), self.heard
        head, _, body = self.heard.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            assert await self.more(within), self.heard
            body = self.heard.partition(b"\r\n\r\n")[2]
        self.heard = body[length:]
        return int(head.split()[1]), json.loads(body[:length])

    async def close_code(self, within: float = 60.0) -> int | None:
        """Return the code of the WebSocket's close frame, or None if there is no such frame."""
        async with asyncio.timeout(within):
            while (frame := await self.frame()) is not None:
                kind, payload = frame
                if kind == CLOSE:
                    return int(struct.unpack("!H", payload[:2])[0])
        return None

    async def frame(self) -> tuple[int, bytes] | None:
        """Return kind and payload of the next WebSocket frame after the handshake."""
        while True:
            found = split_frame(self.heard)
            if found is not None:
                kind, payload, self.heard = found
                return kind, payload
            if not await self.more():
                return None


def split_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Split off a server's first WebSocket frame: kind, payload and the rest; None if
    incomplete.
    """
    if len(data) < 2:
        return None
    start, length = 2, data[1]
    if length == 126:
        start, length = 4, int.from_bytes(data[2:4], "big")
    elif length == 127:
        start, length = 10, int.from_bytes(data[2:10], "big")
    if len(data) < start + length:
        return None
    return data[0] & 0x0F, data[start : start + length], data[start + length :]


def frame(kind: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """Return a client's WebSocket frame with a mask of zeros, which leaves the payload
    unchanged.
    """
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([kind | (FINAL if final else 0)]) + length + bytes(4) + payload


@contextlib.asynccontextmanager
async def raw(url: str, source: str = "127.0.0.1", *, small: bool = False) -> AsyncGenerator[Raw]:
    """Open a connection from the address ``source``; ``small`` asks for a small receive buffer."""
    parts = URL(url)
    with socket.socket() as sock:
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        sock.setblocking(False)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, (parts.host or "", parts.port or 80))
        yield Raw(sock)


async def upgraded(connection: Raw, url: str, node: str, token: str) -> None:
    """Upgrade the connection to a node's WebSocket."""
    host = URL(url).authority
    head = f"GET /api/v1/relay/ws/{node}?token={token} HTTP/1.1\r\nHost: {host}\r\n"
    head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    await connection.send(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    while b"\r\n\r\n" not in connection.heard:
        assert await connection.more(), connection.heard
    head_, _, connection.heard = connection.heard.partition(b"\r\n\r\n")
    assert head_.startswith(b"HTTP/1.1 101"), head_

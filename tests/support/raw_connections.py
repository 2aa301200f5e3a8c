"""Connections of clients that keep to no rule: bytes as they please, from an own address."""

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
    """A TCP connection. ``reads``: else nothing is ever taken out of it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = b""

    async def send(self, data: bytes) -> bool:
        """Whether the other side is still there to take it."""
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError:
            return False
        return True

    async def more(self, within: float = 60.0) -> bool:
        """Read what comes next into ``heard``; False at the end."""
        try:
            async with asyncio.timeout(within):
                data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        except ConnectionError:
            return False
        self.heard += data
        return bool(data)

    async def rest(self, within: float = 60.0) -> bytes:
        """All that comes until the other side ends it."""
        async with asyncio.timeout(within):
            while await self.more(within):
                pass
        return self.heard

    async def answer(self, within: float = 60.0) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one answer."""
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
        """The code of the close frame with which a WebSocket ends; None: it was cut without one."""
        async with asyncio.timeout(within):
            while (frame := await self.frame()) is not None:
                kind, payload = frame
                if kind == CLOSE:
                    return int(struct.unpack("!H", payload[:2])[0])
        return None

    async def frame(self) -> tuple[int, bytes] | None:
        """The next frame's kind and payload, after the handshake's head was taken."""
        while True:
            found = split_frame(self.heard)
            if found is not None:
                kind, payload, self.heard = found
                return kind, payload
            if not await self.more():
                return None


def split_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """A server's frame at the start of the data, and what follows; None: it is not all there."""
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
    """A client's frame, under the mask that changes nothing."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([kind | (FINAL if final else 0)]) + length + bytes(4) + payload


@contextlib.asynccontextmanager
async def raw(url: str, source: str = "127.0.0.1", *, small: bool = False) -> AsyncGenerator[Raw]:
    """A connection from ``source``; ``small``: the system takes little for it that is not read."""
    parts = URL(url)
    with socket.socket() as sock:
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        sock.setblocking(False)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, (parts.host or "", parts.port or 80))
        yield Raw(sock)


async def upgraded(connection: Raw, url: str, node: str, token: str) -> None:
    """Make a node's WebSocket of it."""
    host = URL(url).authority
    head = f"GET /api/v1/relay/ws/{node}?token={token} HTTP/1.1\r\nHost: {host}\r\n"
    head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    await connection.send(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    while b"\r\n\r\n" not in connection.heard:
        assert await connection.more(), connection.heard
    head_, _, connection.heard = connection.heard.partition(b"\r\n\r\n")
    assert head_.startswith(b"HTTP/1.1 101"), head_

"""Minimal connections for load generators, which use far less CPU than the measured server.

The connections accept only what aiohttp's server sends: bodies with a Content-Length, and unmasked
WebSocket frames without fragments.
"""

import asyncio
from collections.abc import Callable
from typing import Self, cast
from urllib.parse import urlsplit

import orjson

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
CONTINUATION = 0x00  # opcode of a fragment that continues a message
UNMASKED = bytes(4)  # a mask that changes nothing


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def request(
    method: str, url: str, token: str, body: object = None, host: str | None = None
) -> bytes:
    """Return a request as bytes; the body is JSON or bytes, ``host`` overrides the Host header."""
    parts = urlsplit(url)
    sent = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host or parts.netloc}",
        f"Authorization: Bearer {token}",
    ]
    if sent:
        head += ["Content-Type: application/json", f"Content-Length: {len(sent)}"]
    return "\r\n".join([*head, "", ""]).encode() + sent


def frame(text: bytes, kind: int = TEXT) -> bytes:
    """Return the bytes of a client's WebSocket frame."""
    length = len(text)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([kind]) + size + UNMASKED + text


class HttpLine(asyncio.Protocol):
    """A kept-alive HTTP connection with one request at a time."""

    def __init__(self) -> None:
        self._read = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, url: str) -> "HttpLine":
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, *address(url)))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed"))

    async def ask(self, sent: bytes) -> tuple[int, bytes]:
        """Send a request; return status and body of the answer, or raise ConnectionError."""
        if self._transport.is_closing():
            raise ConnectionResetError("the connection was closed before the request")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(sent)
        return await self._answer

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length and self._answer is not None:
            self._read = body[length:]
            self._answer.set_result((int(head[9:12]), body[:length]))


class NodeLine(asyncio.Protocol):
    """A node's WebSocket, which answers pings; ``heard`` gets each message's text."""

    def __init__(self, upgrade: bytes, heard: Callable[["NodeLine", bytes], None]) -> None:
        self._upgrade = upgrade
        self._heard = heard
        self._read = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        heard: Callable[["NodeLine", bytes], None],
        source: str | None = None,
        host: str | None = None,
    ) -> Self:
        """Open a node's WebSocket; raise ConnectionRefusedError with the answer if refused.

        ``source`` is the local address, and ``host`` overrides the Host header.
        """
        plain = request("GET", url, token, host=host)[:-2]
        upgrade = plain + (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(
            lambda: cls(upgrade, heard),
            *address(url),
            local_addr=None if source is None else (source, 0),
        )
        await line.opened
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self.opened.done():
            head, found, rest = self._read.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionRefusedError(head.decode()))
                self._transport.close()
                return
            self._read = rest
            self.opened.set_result(None)
        while self._take():
            pass

    def say(self, text: bytes, kind: int = TEXT) -> None:
        """Send a WebSocket frame."""
        self._transport.write(frame(text, kind))

    def close(self) -> None:
        self._transport.close()

    def _take(self) -> bool:
        """Take one WebSocket frame from the buffer; return False if the frame is incomplete."""
        read = self._read
        if len(read) < 2:
            return False
        start, length = 2, read[1]
        if length == 126:
            start, length = 4, int.from_bytes(read[2:4], "big")
        elif length == 127:
            start, length = 10, int.from_bytes(read[2:10], "big")
        if len(read) < start + length:
            return False
        self._read = read[start + length :]
        text = read[start : start + length]
        if read[0] == PING:
            self.say(text, PONG)
        elif read[0] == TEXT:
            self._heard(self, text)
        return True

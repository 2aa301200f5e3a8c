"""A node's WebSocket as its session uses it: every write has a deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

SEND_SECONDS = 10.0
CLOSE_SECONDS = 2.0
# What is shorter, over an idle connection, nobody waits for: what is not sent is buffered, and even
# at four bytes for each character that is less than a full buffer.
AT_ONCE_CHARACTERS = 16 * 1024 - 1


class NodeSocket:
    """One side of a WebSocket. ``send`` and ``ping`` raise OSError once it is closed.

    A peer that takes nothing for ``send_seconds`` is cut off.
    """

    def __init__(
        self,
        response: web.WebSocketResponse,
        request: web.Request,
        *,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        self._response = response
        self._request = request
        self._send_seconds = send_seconds

    async def send(self, text: str) -> None:
        """Write one text frame."""
        await self._write(self._response.send_str(text), len(text))

    async def ping(self) -> None:
        """Write one ping."""
        await self._write(self._response.ping(), 0)

    async def _write(self, write: Coroutine[Any, Any, None], characters: int) -> None:
        if self._response.closed:
            write.close()
            raise ConnectionResetError("the socket is closed")
        if characters <= AT_ONCE_CHARACTERS and self._is_idle():
            await write  # a deadline, and its timer, would cost as much as the frame
            return
        try:
            async with asyncio.timeout(self._send_seconds):
                await write
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the node does not read") from None

    def _is_idle(self) -> bool:
        """Whether the peer has taken all that was written."""
        transport = self._request.transport
        return transport is not None and transport.get_write_buffer_size() == 0

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; a peer that does not answer it within 2 s is cut off."""
        if self._response.closed:
            return
        message = reason.encode()[:100]
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._response.close(code=code, message=message, drain=True)
        except (TimeoutError, OSError):
            self.abort()

    def abort(self) -> None:
        """End the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()

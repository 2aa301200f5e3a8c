"""A node's WebSocket as its session uses it. The session sees to deadlines."""

import asyncio
from typing import Any

from aiohttp import web

CLOSE_SECONDS = 2.0
# Read at once: all others wait while it is taken apart, and it may be thousands of frames.
READ_BYTES_MAX = 16 * 1024


class NodeSocket:
    """One side of a WebSocket. ``send`` and ``ping`` raise OSError once it is closed.

    ``closed_with`` is the code with which our side said goodbye.
    """

    def __init__(self, response: web.WebSocketResponse, request: web.Request) -> None:
        self._response = response
        self._request = request
        self.closed_with: int | None = None
        transport: Any = request.transport
        if hasattr(transport, "max_size"):  # asyncio's own; uvloop's has none
            transport.max_size = READ_BYTES_MAX

    async def send(self, text: str) -> None:
        """Write one text frame."""
        self._check()
        await self._response.send_str(text)

    async def ping(self) -> None:
        """Write one ping."""
        self._check()
        await self._response.ping()

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; a peer that does not answer it within 2 s is cut off."""
        if self._response.closed:
            return
        self.closed_with = code
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

    def _check(self) -> None:
        if self._response.closed:
            raise ConnectionResetError("the socket is closed")

"""A node's WebSocket, as its session uses it. The session enforces deadlines."""

import asyncio
from typing import Any

from aiohttp import web

CLOSE_SECONDS = 2.0
# Bytes read at once: parsing blocks all others, and they may be thousands of frames.
READ_BYTES_MAX = 16 * 1024


class SocketResponse(web.WebSocketResponse):
    """A WebSocket whose buffers can be freed with it."""

    def let_go(self) -> None:
        """Drop the tracebacks of its exceptions, whose frames refer to it.

        Otherwise a socket would keep all unread data until the cycle collector runs, which is rare;
        for nodes that flood this is a lot of data.
        """
        reader = self._reader
        for ended in (self.exception(), None if reader is None else reader.exception()):
            if ended is not None:
                ended.__traceback__ = None


class NodeSocket:
    """One side of a WebSocket. ``send`` and ``ping`` raise OSError once it is closed.

    ``closed_with``: the code with which our side closed it.
    """

    def __init__(self, response: SocketResponse, request: web.Request) -> None:
        self._response: SocketResponse | None = response
        self._request: web.Request | None = request
        self.closed_with: int | None = None
        self._said = asyncio.Event()
        transport: Any = request.transport
        if hasattr(transport, "max_size"):  # only asyncio's transports have it
            transport.max_size = READ_BYTES_MAX

    async def send(self, text: str) -> None:
        """Write one text message."""
        await self._there().send_str(text)

    async def ping(self) -> None:
        """Write one ping."""
        await self._there().ping()

    async def close(self, code: int, reason: str = "") -> None:
        """Close it; a peer that does not answer within 2 s is cut off."""
        response = self._response
        if response is None or response.closed:
            return
        self.closed_with = code
        message = reason.encode()[:100]
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await response.close(code=code, message=message, drain=True)
        except (TimeoutError, OSError):
            self.abort()
        finally:
            response.let_go()
            self._said.set()

    async def goodbye(self) -> None:
        """Wait until our close frame was answered, or timed out.

        If the request ended earlier, the connection would be cut: a peer that is still sending
        would discard the close frame unread.
        """
        if self.closed_with is not None:
            await self._said.wait()

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()

    def let_go(self) -> None:
        """Free its buffers at the end of reading, even if it is still referenced."""
        if self._response is not None:
            self._response.let_go()
        self._response = self._request = None

    def _there(self) -> SocketResponse:
        if self._response is None or self._response.closed:
            raise ConnectionResetError("the socket is closed")
        return self._response

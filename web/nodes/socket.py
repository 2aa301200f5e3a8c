"""A node's WebSocket, as its session uses it. The session enforces deadlines."""

import asyncio
from typing import Any

from aiohttp import web

CLOSE_SECONDS = 2.0
# Bytes read at once. Parsing blocks all other sockets, and the bytes may be thousands of relay
# frames.
READ_BYTES_MAX = 16 * 1024


class SocketResponse(web.WebSocketResponse):
    """A WebSocket that can free its buffers."""

    def let_go(self) -> None:
        """Drop the tracebacks of the socket's exceptions, whose stack frames refer to the socket.

        With these tracebacks, the unread data would stay in memory until the cycle collector runs,
        which happens rarely. A node that floods leaves a lot of unread data.
        """
        reader = self._reader
        for ended in (self.exception(), None if reader is None else reader.exception()):
            if ended is not None:
                ended.__traceback__ = None


class NodeSocket:
    """The gateway's side of a node's WebSocket. ``send`` and ``ping`` raise OSError once the socket
    is closed.

    ``closed_with``: the code with which the gateway closed it; None if the gateway did not.
    """

    def __init__(self, response: SocketResponse, request: web.Request) -> None:
        self._response: SocketResponse | None = response
        self._request: web.Request | None = request
        self.closed_with: int | None = None
        self._said: asyncio.Event | None = None  # since we began to close; set at the end
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
        """Close the socket; cut the connection if the node does not answer within 2 s."""
        response = self._response
        if response is None or response.closed:
            return
        self.closed_with, said = code, self._said or asyncio.Event()
        self._said = said
        message = reason.encode()[:100]
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await response.close(code=code, message=message, drain=True)
        except (TimeoutError, OSError):
            self.abort()
        finally:
            response.let_go()
            said.set()

    async def goodbye(self) -> None:
        """Wait until the node has answered our close frame, or until the wait for its answer timed
        out.

        If the request ended earlier, the connection would be cut: a peer that is still sending
        would discard the close frame unread.
        """
        if self._said is not None:
            await self._said.wait()

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()

    def let_go(self) -> None:
        """Free the socket's buffers after reading ends, even if the socket is still referenced."""
        if self._response is not None:
            self._response.let_go()
        self._response = self._request = None

    def _there(self) -> SocketResponse:
        if self._response is None or self._response.closed:
            raise ConnectionResetError("the socket is closed")
        return self._response

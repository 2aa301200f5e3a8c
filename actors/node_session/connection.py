"""The connection to a node: sends relay frames with a deadline, and limits the rate of relay frames
from the node.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from actors.kernel import fail_point
from actors.node_session.settings import NodeSessionSettings
from actors.ports import Clock
from rendertrust.protocol import (
    Ack,
    CloseCode,
    FromGateway,
    JobCancel,
    JobResult,
    JobStatus,
    Running,
    encode,
)

CLOSE_SECONDS: Final = 2.0  # limit for sending the WebSocket close frame
log = logging.getLogger(__name__)


class Socket(Protocol):
    """The gateway's side of a WebSocket to a node, accepted and authenticated.

    ``send`` and ``ping`` raise OSError once the socket is closed; ``close`` may be called twice.
    """

    async def send(self, text: str) -> None:
        """Write one WebSocket text frame."""
        ...

    async def ping(self) -> None:
        """Write one ping; the session receives the pong as ``PongSeen``."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Close the socket with a WebSocket close frame that carries this code and reason."""
        ...

    def abort(self) -> None:
        """Close the socket at once, without a WebSocket close frame; reads from the socket then
        end.
        """
        ...


class FloodGuard:
    """Rate limit: at most ``most`` events in each window of ``seconds``."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._window = float("-inf")
        self._count = 0

    def admits(self, now: float) -> bool:
        """Count an event at the monotonic time ``now``; return False if it exceeds the limit."""
        if now - self._window >= self._seconds:
            self._window, self._count = now, 0
        self._count += 1
        return self._count <= self._most


class NodeConnection:
    """A node's socket with deadlines for sending.

    ``on_end`` is called when the node, a failed write or ``end`` ends the connection, and with each
    attempt to send once the connection has ended. ``close`` itself does not call it.
    """

    def __init__(
        self,
        socket: Socket,
        clock: Clock,
        settings: NodeSessionSettings,
        on_end: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._clock = clock
        self._settings = settings
        self._on_end = on_end
        self._flood = FloodGuard(settings.flood_relay_frames, settings.flood_seconds)
        self.is_open = True  # until the socket fails or is closed
        self.pong_at = clock.monotonic()  # time of the last pong, or of the opening

    @property
    def is_silent(self) -> bool:
        """True if the node has sent no pong for ``pong_seconds``."""
        return self._clock.monotonic() - self.pong_at > self._settings.pong_seconds

    async def admits(self) -> bool:
        """Count a relay frame from the node.

        If the relay frame exceeds the rate limit, close the socket and return False.
        """
        if self._flood.admits(self._clock.monotonic()):
            return True
        await self.end(CloseCode.FLOOD, "too many frames")
        return False

    async def send(self, relay_frame: FromGateway) -> bool:
        """Send the node a relay frame; return False if the connection has ended.

        Raises ValueError if the relay frame is too long.
        """
        fail_point.reach("before_send", (relay_frame,))
        text = encode(relay_frame)
        if not await self._write(lambda: self._socket.send(text)):
            return False
        fail_point.reach("after_send", (relay_frame,))
        return True

    async def acknowledge(self, result: JobResult) -> None:
        """Tell the node that it may forget a result."""
        await self.send(Ack(job_id=result.job_id, unit=result.unit, attempt=result.attempt))

    async def cancel(self, unit: Running | JobStatus, reason: str | None = None) -> None:
        """Tell the node to stop a unit."""
        await self.send(
            JobCancel(job_id=unit.job_id, unit=unit.unit, attempt=unit.attempt, reason=reason)
        )

    async def ping(self) -> bool:
        """Send the node a ping; return False if the connection has ended."""
        return await self._write(self._socket.ping)

    async def end(self, code: int, reason: str) -> None:
        """Close the socket, and call ``on_end``."""
        await self.close(code, reason)
        self._on_end()

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, if it is open; the node decides by the code whether to reconnect."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code, reason)
        except OSError as error:
            log.debug("a close frame could not be sent: %s", type(error).__name__)
            self._socket.abort()

    def lost(self) -> None:
        """Handle a socket that the node has closed."""
        self.is_open = False
        self._on_end()

    async def _write(self, write: Callable[[], Awaitable[None]]) -> bool:
        if self.is_open:
            try:
                async with asyncio.timeout(self._settings.send_seconds):
                    await write()
            except OSError as error:  # includes TimeoutError
                log.info("the socket of a node failed: %s", type(error).__name__)
                self.is_open = False
                self._socket.abort()  # a graceful close would wait for a node that does not read
        if not self.is_open:
            self._on_end()
        return self.is_open

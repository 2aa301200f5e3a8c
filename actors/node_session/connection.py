"""The connection to a node: relay frames out, each within a time, and a bound on frames in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

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

log = logging.getLogger(__name__)


class Socket(Protocol):
    """One side of a WebSocket, accepted and authenticated.

    ``send`` and ``ping`` raise OSError once it is closed; ``close`` may be called twice.
    """

    async def send(self, text: str) -> None:
        """Write one text frame."""
        ...

    async def ping(self) -> None:
        """Write one ping; the session receives the pong as ``PongSeen``."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Close it with a close code."""
        ...

    def abort(self) -> None:
        """Close it at once, without a close frame; its reader notices."""
        ...


class FloodGuard:
    """At most ``most`` events in each window of ``seconds``; times are monotonic seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._window = float("-inf")
        self._count = 0

    def admits(self, now: float) -> bool:
        """Count one event; False when it is one too many."""
        if now - self._window >= self._seconds:
            self._window, self._count = now, 0
        self._count += 1
        return self._count <= self._most


class NodeConnection:
    """A node's socket, with deadlines; ``on_end`` is called when nothing can be sent any more."""

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
        self._flood = FloodGuard(settings.flood_frames, settings.flood_seconds)
        self.is_open = True  # until the socket fails or is closed
        self.pong_at = clock.monotonic()

    @property
    def is_silent(self) -> bool:
        """True if the last pong is too long ago."""
        return self._clock.monotonic() - self.pong_at > self._settings.pong_seconds

    async def admits(self) -> bool:
        """Count a frame from the node, of whatever kind; one too many ends the connection."""
        if self._flood.admits(self._clock.monotonic()):
            return True
        await self.end(CloseCode.FLOOD, "too many frames")
        return False

    async def send(self, frame: FromGateway) -> bool:
        """Write a frame; False when the connection has ended.

        Raises ValueError when the frame is longer than a frame may be.
        """
        fail_point.reach("before_send", (frame,))
        text = encode(frame)
        if not await self._write(lambda: self._socket.send(text)):
            return False
        fail_point.reach("after_send", (frame,))
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
        """Write a ping; False when the connection has ended."""
        return await self._write(self._socket.ping)

    async def end(self, code: int, reason: str) -> None:
        """Close the socket, and report the end."""
        await self.close(code, reason)
        self._on_end()

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, if it is open, with a code that tells the node what to do."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            async with asyncio.timeout(self._settings.close_seconds):
                await self._socket.close(code, reason)
        except OSError as error:
            log.debug("the close frame was not written: %s", type(error).__name__)
            self._socket.abort()

    def lost(self) -> None:
        """The node has closed the socket."""
        self.is_open = False
        self._on_end()

    async def _write(self, write: Callable[[], Awaitable[None]]) -> bool:
        if self.is_open:
            try:
                async with asyncio.timeout(self._settings.send_seconds):
                    await write()
            except OSError as error:  # TimeoutError too
                log.info("the socket failed: %s", type(error).__name__)
                self.is_open = False
                self._socket.abort()  # else a peer that does not read would hold it open
        if not self.is_open:
            self._on_end()
        return self.is_open

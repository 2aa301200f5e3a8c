"""The line to a node: frames out, each within a time, and how alive the other end is."""

import asyncio
import logging

from actors.node_session.settings import NodeSessionSettings
from actors.node_session.socket import Socket
from actors.ports import Clock
from rendertrust.protocol import FromGateway, encode

log = logging.getLogger(__name__)


class NodeConnection:
    """``is_open`` is False once the socket failed or was closed; nothing is sent from then on."""

    def __init__(self, socket: Socket, clock: Clock, settings: NodeSessionSettings) -> None:
        self._socket = socket
        self._clock = clock
        self._settings = settings
        self.is_open = True
        self.pong_at = clock.monotonic()

    @property
    def is_silent(self) -> bool:
        """Whether the last pong is too long ago."""
        return self._clock.monotonic() - self.pong_at > self._settings.pong_seconds

    async def send(self, frame: FromGateway) -> bool:
        """Write a frame; False when the line is closed, or is now.

        Raises ValueError when the frame is longer than a frame may be.
        """
        text = encode(frame)
        if not self.is_open:
            return False
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                await self._socket.send(text)
        except OSError as error:  # TimeoutError too
            self._failed(error)
        return self.is_open

    async def ping(self) -> bool:
        """Write a ping; False when the line is closed, or is now."""
        if not self.is_open:
            return False
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                await self._socket.ping()
        except OSError as error:
            self._failed(error)
        return self.is_open

    async def close(self, code: int, reason: str) -> None:
        """Close it, if it is open, with a code that tells the node what to do."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            async with asyncio.timeout(self._settings.close_seconds):
                await self._socket.close(code, reason)
        except OSError as error:
            log.debug("the close frame was not written: %s", type(error).__name__)
            self._socket.abort()

    def hang_up(self) -> None:
        """The other end closed it."""
        self.is_open = False

    def _failed(self, error: OSError) -> None:
        log.info("the socket failed: %s", type(error).__name__)
        self.is_open = False
        self._socket.abort()  # a peer that does not read would else hold it, with nobody behind it

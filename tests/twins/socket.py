"""In-memory socket of a node: tests read what a session sent, and can make it fail."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from rendertrust.protocol import FromGateway, Malformed, Unknown, decode_from_gateway
from tests.support.until import until

F = TypeVar("F", bound=FromGateway)


def _nothing() -> None:
    """Do nothing."""


class TwinSocket:
    """A node's socket; ``sent`` are the relay frames that arrived, ``closed`` the code and reason.

    ``broken``: writing raises, as to a peer that is gone. ``deaf``: writing never ends, as to a
    peer that does not read. ``aborted``: the connection was cut without a close frame.
    ``on_ping`` is called for each ping, and ``on_close`` when the session closes or aborts the
    connection. ``on_frame`` gets each relay frame in place of ``sent``.
    """

    def __init__(
        self,
        *,
        on_frame: Callable[[FromGateway], None] | None = None,
        on_ping: Callable[[], None] = _nothing,
        on_close: Callable[[], None] = _nothing,
    ) -> None:
        self.sent: deque[FromGateway] = deque()
        self.pings = 0
        self.closed: tuple[int, str] | None = None
        self.broken = self.deaf = self.aborted = False
        self._on_frame = on_frame
        self._on_ping = on_ping
        self._on_close = on_close

    async def send(self, text: str) -> None:
        await self._check()
        frame = decode_from_gateway(text)
        assert not isinstance(frame, (Malformed, Unknown)), f"the gateway sent {frame}"
        if self._on_frame is None:
            self.sent.append(frame)
        else:
            self._on_frame(frame)

    async def ping(self) -> None:
        await self._check()
        self.pings += 1
        self._on_ping()

    async def close(self, code: int, reason: str = "") -> None:
        if self.deaf:
            await asyncio.Event().wait()
        if self.closed is None:
            self.closed = (int(code), reason)
            self._on_close()

    def abort(self) -> None:
        self.aborted = True
        self._on_close()

    async def _check(self) -> None:
        if self.deaf:
            await asyncio.Event().wait()
        if self.broken or self.closed is not None:
            raise ConnectionResetError("the peer is gone")

    async def expect(self, kind: type[F], *, within: float = 5.0) -> F:
        """Wait for the next relay frame, which must be a ``kind``."""
        await until(lambda: self.sent, within=within)
        frame = self.sent.popleft()
        assert isinstance(frame, kind), f"{frame} came, {kind.__name__} was expected"
        return frame

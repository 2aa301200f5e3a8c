"""The socket of a node, as its session uses it: one side of a WebSocket."""

from typing import Protocol


class Socket(Protocol):
    """``send`` and ``ping`` raise OSError once it is closed; ``close`` may be called twice."""

    async def send(self, text: str) -> None:
        """Write one text frame."""
        ...

    async def ping(self) -> None:
        """Write one ping; the pong is told to the session as ``PongSeen``."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye with a close code."""
        ...

    def abort(self) -> None:
        """End the connection without a word; whoever reads it hears that."""
        ...

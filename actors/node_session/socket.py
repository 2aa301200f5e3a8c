"""The socket of a node, as its session uses it: one side of a WebSocket."""

from typing import Protocol


class Socket(Protocol):
    """``send`` and ``ping`` raise OSError once it is closed; ``close`` may be called twice.

    None of them waits for long: a peer that does not take what is sent is cut off.
    """

    async def send(self, text: str) -> None:
        """Write one text frame."""
        ...

    async def ping(self) -> None:
        """Write one ping; the pong is told to the session as ``PongSeen``."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye with a close code."""
        ...

"""Holding the other side of an upload to taking what is sent.

aiohttp waits with a deadline for an answer, but for ever until the other side takes the next bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager


class WriteTimeout:
    """For one request: send ``of(chunks)`` while ``in_time()`` is entered."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None]:
        """TimeoutError where a chunk is not taken within so many seconds."""
        try:
            async with asyncio.timeout(None) as self._timeout:
                yield
        finally:
            self._timeout = None

    async def of(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Waiting for them is not counted."""
        async for chunk in chunks:
            self._allow(self._seconds)
            yield chunk
            self._allow(None)

    def _allow(self, seconds: float | None) -> None:
        # The answer may have come before all was taken.
        if self._timeout is not None and not self._timeout.expired():
            now = asyncio.get_running_loop().time()
            self._timeout.reschedule(None if seconds is None else now + seconds)

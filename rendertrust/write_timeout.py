"""Write timeout for uploads.

aiohttp has a deadline for the response, but no deadline for the server's acceptance of the next
bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager


class WriteTimeout:
    """Write timeout of one request.

    Send the request with body ``of(chunks)`` inside ``in_time()``.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None]:
        """Raise TimeoutError if the server does not accept a chunk in time."""
        try:
            async with asyncio.timeout(None) as self._timeout:
                yield
        finally:
            self._timeout = None

    async def of(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks. The time in which ``chunks`` produces the next chunk does not count."""
        async for chunk in chunks:
            self._allow(self._seconds)
            yield chunk
            self._allow(None)

    def _allow(self, seconds: float | None) -> None:
        # If the response arrives before all chunks are sent, ``in_time`` has already ended.
        if self._timeout is not None and not self._timeout.expired():
            now = asyncio.get_running_loop().time()
            self._timeout.reschedule(None if seconds is None else now + seconds)

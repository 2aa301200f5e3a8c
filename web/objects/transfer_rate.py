"""Minimum rate of a transfer: a slower client would occupy a transfer that other clients need."""

import asyncio
from typing import Final

from aiohttp import web

PACE_BYTES: Final = 256 * 1024
PACE_SECONDS: Final = 60.0
SLICE_BYTES: Final = 64 * 1024


class TransferRate:
    """Counts the bytes of one direction against the time spent waiting for the client.

    ``PACE_BYTES`` must move within each ``PACE_SECONDS`` of waiting: 35 kbit/s. Time in which the
    gateway waits for the store does not count.
    """

    def __init__(self) -> None:
        self._bytes, self._waited = 0, 0.0

    def left(self, idle: float) -> float:
        """Return how many seconds to wait for the client now, at most ``idle``."""
        return min(idle, PACE_SECONDS - self._waited)

    def moved(self, size: int, waited: float) -> None:
        """Count ``size`` bytes that moved after ``waited`` seconds."""
        self._bytes += size
        self._waited += waited
        if self._bytes >= PACE_BYTES:
            self._bytes, self._waited = 0, 0.0


async def write_in_pace(
    response: web.StreamResponse, chunk: bytes, pace: TransferRate, idle: float
) -> None:
    """Send a chunk in slices. Raises TimeoutError if the client takes the slices too slowly."""
    view, loop = memoryview(chunk), asyncio.get_running_loop()
    for at in range(0, len(chunk), SLICE_BYTES):
        piece, begin = view[at : at + SLICE_BYTES], loop.time()
        async with asyncio.timeout(pace.left(idle)):
            await response.write(piece)
        pace.moved(len(piece), loop.time() - begin)

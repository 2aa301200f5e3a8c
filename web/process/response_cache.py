"""A cache of answers that are expensive and requested often, which are made at most once a
second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import attrs

from actors.ports import Clock

SECONDS: Final = 1.0
T = TypeVar("T")


@attrs.frozen
class CachedBody:
    """The body of an answer, and its media type."""

    body: bytes
    media: str


class ResponseCache(Generic[T]):
    """An answer that is at most ``SECONDS`` old.

    Requests that come while the answer is made wait for it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._making = asyncio.Lock()
        self._made: tuple[float, T] | None = None

    async def get(self, make: Callable[[], Awaitable[T]]) -> T:
        """Return the last answer, or make one.

        An exception of ``make`` is raised and not cached.
        """
        async with self._making:
            if self._made is not None and self._clock.monotonic() - self._made[0] < SECONDS:
                return self._made[1]
            answer = await make()
            self._made = self._clock.monotonic(), answer
            return answer

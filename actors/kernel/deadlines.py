"""The timer wheel for deadlines of asks: one loop timer, however many asks."""

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from actors.kernel.errors import DeadlineExceeded

TICKS_PER_SECOND = 20  # a tick is 50 ms
# a dict, not a set, so that the order of expiry is the same in every run
Bucket = dict["asyncio.Future[Any]", str]


class Deadlines:
    """Timer wheel that fails futures at the first tick after their deadline.

    Futures never fail early, and fail at most 50 ms late. The wheel does not store its event loop,
    as that would keep both alive; only a running timer refers to the loop.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket] = {}
        self._ticks: list[int] = []  # a heap of the numbers of the buckets
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0  # the tick that the timer waits for

    def arm(self, reply: "asyncio.Future[Any]", deadline: float, addressee: str) -> Bucket:
        """Let ``reply`` fail after ``deadline`` (loop time).

        Returns the bucket that contains ``reply``; the caller removes ``reply`` from the bucket
        once it is answered.
        """
        tick = int(deadline * TICKS_PER_SECOND) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._open(tick)
        bucket[reply] = addressee
        return bucket

    def _open(self, tick: int) -> Bucket:
        bucket = self._buckets[tick] = {}
        heapq.heappush(self._ticks, tick)
        if self._timer is None or tick < self._due:
            self._wait_for(tick)
        return bucket

    def _wait_for(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = tick
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(tick / TICKS_PER_SECOND, self._tick)

    def _tick(self) -> None:
        self._timer = None
        # A loop may wake a little early; the tick that was due counts as reached.
        now = max(self._due, int(asyncio.get_running_loop().time() * TICKS_PER_SECOND))
        while self._ticks and self._ticks[0] <= now:
            bucket = self._buckets.pop(heapq.heappop(self._ticks))
            for reply, addressee in bucket.items():
                if not reply.done():
                    reply.set_exception(DeadlineExceeded(addressee, "no reply in time"))
        if self._ticks:
            self._wait_for(self._ticks[0])


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the function that reads the loop's clock.

    For a standard loop that is ``time.monotonic`` itself: half as costly as ``loop.time``.
    """
    stock = getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time
    return time.monotonic if stock else loop.time


_wheels: "WeakKeyDictionary[asyncio.AbstractEventLoop, Deadlines]" = WeakKeyDictionary()
_recent: tuple[asyncio.AbstractEventLoop | None, Deadlines] = (None, Deadlines())


def deadlines_of(loop: asyncio.AbstractEventLoop) -> Deadlines:
    """Return the timer wheel of a loop.

    The last wheel is cached, as most processes have one loop.
    """
    global _recent  # noqa: PLW0603 - a cache of one
    known, wheel = _recent
    if known is not loop:
        wheel = _wheels.setdefault(loop, Deadlines())
        _recent = (loop, wheel)
    return wheel

"""Counters of requests in memory: bounded, and without a sweep of all of them."""

from collections.abc import Callable
from typing import Final

import attrs
from limits.aio.storage import Storage

NOTHING: Final = (ValueError,)


@attrs.define
class Window:
    """How many came, and when that is forgotten, in seconds since 1970."""

    count: int
    ends: float


class Table(Storage):
    """What a limiter counts with. All windows are of one length: who began first ends first.

    The library's own table looks at every key after every request, and has no bound. Where there
    is no room for one more, the window that would end first is forgotten.
    """

    def __init__(self, now: Callable[[], float], most: int) -> None:
        super().__init__()
        self._now = now
        self._most = most
        self._windows: dict[str, Window] = {}  # in the order of their ends

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return NOTHING

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count so many; answers how many there are in this window."""
        now = self._now()
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            self._windows.pop(key, None)
            self._make_room(now)
            window = self._windows[key] = Window(0, now + expiry)
        window.count += amount
        return window.count

    async def get(self, key: str) -> int:
        window = self._windows.get(key)
        return 0 if window is None or window.ends <= self._now() else window.count

    async def get_expiry(self, key: str) -> float:
        window = self._windows.get(key)
        return self._now() if window is None else window.ends

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        known = len(self._windows)
        self._windows.clear()
        return known

    async def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def _make_room(self, now: float) -> None:
        """Forget what has ended; each is looked at once, whoever asks."""
        while self._windows:
            first = next(iter(self._windows))
            if self._windows[first].ends > now and len(self._windows) < self._most:
                return
            del self._windows[first]

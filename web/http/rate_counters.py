"""Counters of requests in memory: bounded, and without a sweep of all of them."""

from collections.abc import Callable

import attrs


@attrs.define
class RateWindow:
    """How many came, and when that is forgotten, by the clock of its table."""

    count: int
    ends: float


class RateCounters:
    """Fixed windows, all of one length: who began first ends first.

    `limits` has a table of its own, which looks at every key after every request, has no bound, and
    is dear at each request. Where there is no room for one more, the window that would end first is
    forgotten.
    """

    def __init__(self, now: Callable[[], float], most: int, seconds: float) -> None:
        self._now = now
        self._most = most
        self._seconds = seconds
        self._windows: dict[str, RateWindow] = {}  # in the order of their ends

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: str) -> RateWindow:
        """Count one more; its window, which is not to be kept."""
        now = self._now()
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            self._windows.pop(key, None)
            self._make_room(now)
            window = self._windows[key] = RateWindow(0, now + self._seconds)
        window.count += 1
        return window

    def _make_room(self, now: float) -> None:
        """Forget what has ended; each is looked at once, whoever asks."""
        while self._windows:
            first = next(iter(self._windows))
            if self._windows[first].ends > now and len(self._windows) < self._most:
                return
            del self._windows[first]

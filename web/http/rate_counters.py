"""In-memory request counters, bounded, and without periodic sweeps."""

from collections.abc import Callable

import attrs


@attrs.define
class RateWindow:
    """A request count and the time at which it expires, by the table's clock."""

    count: int
    ends: float


class RateCounters:
    """Fixed windows of one length, so that they expire in the order in which they began.

    The table of `limits` is unbounded, scans every key after every request, and is slow. When this
    one is full, the window that expires first is dropped.
    """

    def __init__(self, now: Callable[[], float], most: int, seconds: float) -> None:
        self._now = now
        self._most = most
        self._seconds = seconds
        self._windows: dict[str, RateWindow] = {}  # in the order of expiry

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: str) -> RateWindow:
        """Count a request and return its window, which the caller must not keep."""
        now = self._now()
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            self._windows.pop(key, None)
            self._make_room(now)
            window = self._windows[key] = RateWindow(0, now + self._seconds)
        window.count += 1
        return window

    def _make_room(self, now: float) -> None:
        """Drop expired windows and, if the table is full, the oldest; constant work per request."""
        while self._windows:
            first = next(iter(self._windows))
            if self._windows[first].ends > now and len(self._windows) < self._most:
                return
            del self._windows[first]

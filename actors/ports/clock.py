"""Port of time, which the simulation replaces."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time of day and monotonic time."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease; only differences are meaningful."""
        ...

"""Ports of time and random numbers, which the simulation replaces."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Time of day and monotonic time."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease; only differences are meaningful."""
        ...


class Random(Protocol):
    """Random numbers: unpredictable in production, seeded in the simulation."""

    def uuid(self) -> UUID: ...

    def token(self, size: int) -> bytes:
        """Return ``size`` unpredictable bytes."""
        ...

    def uniform(self, low: float, high: float) -> float: ...

"""Port of random numbers, which the simulation replaces."""

from typing import Protocol
from uuid import UUID


class Random(Protocol):
    """Random numbers: unpredictable in production, seeded in the simulation."""

    def uuid(self) -> UUID: ...

    def token(self, size: int) -> bytes:
        """Return ``size`` unpredictable bytes."""
        ...

    def uniform(self, low: float, high: float) -> float: ...

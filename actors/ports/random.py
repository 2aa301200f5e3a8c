"""Chance."""

from typing import Protocol
from uuid import UUID


class Random(Protocol):
    """Chance: unpredictable in production, seeded in the simulation."""

    def uuid(self) -> UUID: ...

    def token(self, size: int) -> bytes:
        """``size`` bytes that nobody can guess."""
        ...

    def uniform(self, low: float, high: float) -> float: ...

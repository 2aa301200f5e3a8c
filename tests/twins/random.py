"""Chance with a seed: the same in every run."""

import random
from uuid import UUID


class TwinRandom:
    """All that is drawn from it follows from its seed and the order of the draws."""

    def __init__(self, seed: int = 0) -> None:
        self._source = random.Random(seed)

    def uuid(self) -> UUID:
        return UUID(int=self._source.getrandbits(128), version=4)

    def token(self, size: int) -> bytes:
        return self._source.randbytes(size)

    def uniform(self, low: float, high: float) -> float:
        return self._source.uniform(low, high)

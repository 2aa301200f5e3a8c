"""Random numbers from a seed, so that every run draws the same."""

import random
from uuid import UUID


class TwinRandom:
    """A Random port; its seed and the order of the draws determine every value."""

    def __init__(self, seed: int = 0) -> None:
        self._source = random.Random(seed)

    def uuid(self) -> UUID:
        return UUID(int=self._source.getrandbits(128), version=4)

    def token(self, size: int) -> bytes:
        return self._source.randbytes(size)

    def uniform(self, low: float, high: float) -> float:
        return self._source.uniform(low, high)

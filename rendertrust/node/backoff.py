"""Exponential back-off with jitter."""

import random
from collections.abc import Iterator


def delays(least: float, most: float) -> Iterator[float]:
    """Yield seconds to wait: at most ``least``, then twice as long each time, up to ``most``.

    Half of each delay is random.
    """
    ceiling = least
    while True:
        yield ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        ceiling = min(ceiling * 2, most)

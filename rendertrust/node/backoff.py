"""Waiting longer after each failure, and never in step with others."""

import random
from collections.abc import Iterator


def delays(least: float, most: float) -> Iterator[float]:
    """Seconds to wait: each time up to twice as long, half of it by chance."""
    ceiling = least
    while True:
        yield ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        ceiling = min(ceiling * 2, most)

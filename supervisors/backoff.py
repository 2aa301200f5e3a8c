"""Back-off of restarts: each in a row waits twice as long as the one before."""

import attrs


@attrs.frozen
class Backoff:
    """Delays in seconds, doubling from ``first`` to ``most``, each reduced by up to ``jitter``.

    A child that has run for ``most`` seconds starts at ``first`` again.
    """

    first: float = 1.0
    most: float = 60.0
    jitter: float = 0.2

    def delay(self, failures: int, uniform: float) -> float:
        """Return the delay after so many ``failures`` in a row (≥ 1); ``uniform`` is in [0, 1)."""
        doubled = self.first * 2.0 ** min(failures - 1, 64)
        return min(self.most, doubled) * (1.0 - self.jitter * uniform)

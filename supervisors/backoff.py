"""Back-off: each restart in a row waits twice as long as the one before."""

import attrs


@attrs.frozen
class Backoff:
    """Delays in seconds, from ``first`` doubling to ``most``, less up to the part ``jitter``.

    A child that has run for ``most`` seconds begins at ``first`` again.
    """

    first: float = 1.0
    most: float = 60.0
    jitter: float = 0.2

    def delay(self, failures: int, uniform: float) -> float:
        """Seconds to wait after so many ``failures`` in a row (≥ 1); ``uniform`` is in [0, 1)."""
        doubled = self.first * 2.0 ** min(failures - 1, 64)
        return min(self.most, doubled) * (1.0 - self.jitter * uniform)

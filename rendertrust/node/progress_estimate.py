"""Progress of a frame between two reports of Blender.

Cycles renders samples in batches and reports only after each, on a slow machine once a minute. The
time between is interpolated by its estimate of the remaining time. The interpolation slows down, so
that it neither stops when the estimate was too short, nor reaches the end before Blender does.
"""

import math
from typing import Final

import attrs

PACE: Final = 1.5  # 78 % of the remaining work counts as done when the estimated time is over


@attrs.define
class ProgressEstimate:
    """Interpolation of the progress, which never decreases; times in seconds of one clock."""

    told: float = 0.0
    _share: float = 0.0
    _at: float = 0.0
    _remaining: float = 0.0

    def hear(self, share: float, remaining: float | None, now: float) -> None:
        """Take a report: ``share`` is done, ``remaining`` seconds are left."""
        self._share, self._at, self._remaining = share, now, remaining or 0.0

    def share(self, now: float) -> float:
        """Return the share that is done, 0 to 1."""
        gone = 0.0
        if self._remaining > 0:
            gone = 1 - math.exp(-PACE * (now - self._at) / self._remaining)
        self.told = max(self.told, self._share + (1 - self._share) * gone)
        return self.told

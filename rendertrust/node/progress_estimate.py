"""How far a frame is between two words of Blender.

Cycles renders samples in batches and speaks only after each, on a slow machine once a minute. What
lies between is filled in from its own estimate of the time that is left: slower and slower, so that
it neither stands still when that was too short, nor reaches the end before Blender says so.
"""

import math
from typing import Final

import attrs

PACE: Final = 1.5  # of what was left, 78 % counts as done when the estimated time is over


@attrs.define
class ProgressEstimate:
    """Heard words in, a growing share out; all times in seconds of one clock."""

    told: float = 0.0
    _share: float = 0.0
    _at: float = 0.0
    _remaining: float = 0.0

    def hear(self, share: float, remaining: float | None, now: float) -> None:
        """Blender said that ``share`` is done and ``remaining`` is left."""
        self._share, self._at, self._remaining = share, now, remaining or 0.0

    def share(self, now: float) -> float:
        """The share that is done by now, 0 to 1."""
        gone = 0.0
        if self._remaining > 0:
            gone = 1 - math.exp(-PACE * (now - self._at) / self._remaining)
        self.told = max(self.told, self._share + (1 - self._share) * gone)
        return self.told

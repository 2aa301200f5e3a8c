"""Estimate the remaining time of a job from its progress so far."""

import attrs


@attrs.define
class ProgressRate:
    """Progress over time since the first report.

    A decrease starts the measurement again, because a new attempt has begun.
    """

    _first: tuple[float, float] | None = None
    _last: tuple[float, float] | None = None

    def add(self, now: float, progress: float | None) -> float | None:
        """Return the remaining seconds at ``progress`` (0 to 1).

        Return None while the rate is unknown.
        """
        if progress is None or (self._last is not None and progress < self._last[1]):
            self._first = self._last = None
        if progress is None:
            return None
        self._first = self._first or (now, progress)
        self._last = (now, progress)
        gone, done = now - self._first[0], progress - self._first[1]
        return (1 - progress) * gone / done if done > 0 and gone > 0 else None

"""How long it will take, from how it went."""

import attrs


@attrs.define
class ProgressRate:
    """Progress over time since it was first seen; a step back begins anew: another attempt."""

    _first: tuple[float, float] | None = None
    _last: tuple[float, float] | None = None

    def add(self, now: float, progress: float | None) -> float | None:
        """Seconds that are left at ``progress`` (0 to 1); None while that cannot be told."""
        if progress is None or (self._last is not None and progress < self._last[1]):
            self._first = self._last = None
        if progress is None:
            return None
        self._first = self._first or (now, progress)
        self._last = (now, progress)
        gone, done = now - self._first[0], progress - self._first[1]
        return (1 - progress) * gone / done if done > 0 and gone > 0 else None

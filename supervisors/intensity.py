"""Restart intensity: how many restarts within which time are acceptable."""

from collections import deque

import attrs


@attrs.frozen
class Intensity:
    """At most ``restarts`` within any ``within`` seconds.

    After one more the supervisor gives up.
    """

    restarts: int = 5
    within: float = 30.0


class RestartWindow:
    """The restarts of the last ``within`` seconds."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[float] = deque()

    def used(self, now: float) -> int:
        """Return the number of recent restarts, without counting one."""
        return sum(1 for at in self._times if at > now - self._intensity.within)

    def admit(self, now: float) -> bool:
        """Count a restart at ``now`` (seconds, never decreasing).

        Return False if it is one too many.
        """
        while self._times and self._times[0] <= now - self._intensity.within:
            self._times.popleft()
        if len(self._times) >= self._intensity.restarts:
            return False
        self._times.append(now)
        return True

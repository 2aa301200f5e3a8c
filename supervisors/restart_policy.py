"""Restart policy of a supervisor: which children restart, how often, and after what pause."""

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import TypeVar

import attrs

T = TypeVar("T")


class Strategy(Enum):
    """Choice of the children that a supervisor restarts when one of them has ended."""

    ONE_FOR_ONE = auto()  # that one
    REST_FOR_ONE = auto()  # that one, and those started after it

    def affected(self, children: Sequence[T], ended: T) -> Sequence[T]:
        """Return the children to restart, in the order of their start."""
        if self is Strategy.ONE_FOR_ONE:
            return (ended,)
        return tuple(children[children.index(ended) :])


class GiveUp(Enum):
    """A supervisor's reaction to a child that exceeds the restart intensity."""

    ESCALATE = auto()  # the supervisor stops its children and ends; its parent decides
    STAY_DOWN = auto()  # only that child is down for good, and reported


@attrs.frozen
class Intensity:
    """Limit of ``restarts`` restarts in any ``within`` seconds.

    Instead of one more restart, the supervisor gives up.
    """

    restarts: int = 5
    within: float = 30.0


class RestartWindow:
    """The restarts of the last ``within`` seconds."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[float] = deque()

    def used(self, now: float) -> int:
        """Return the number of restarts in the last ``within`` seconds before ``now``."""
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


@attrs.frozen
class Backoff:
    """Delays in seconds, doubling from ``first`` to ``most``; ``jitter``: part by which each may be
    shorter.

    A child that has run for ``most`` seconds starts at ``first`` again.
    """

    first: float = 1.0
    most: float = 60.0
    jitter: float = 0.2

    def delay(self, failures: int, uniform: float) -> float:
        """Return the delay after so many ``failures`` in a row (≥ 1); ``uniform`` is in [0, 1)."""
        doubled = self.first * 2.0 ** min(failures - 1, 64)
        return min(self.most, doubled) * (1.0 - self.jitter * uniform)

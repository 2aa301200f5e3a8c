"""Recent figures of the actors: a bounded memory, with a reading every two seconds."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from actors.ports import Clock
from supervisors.snapshot import Snapshot

KEPT: Final = 300  # readings: ten minutes
RATE_READINGS: Final = 6  # readings over which a rate is computed


@attrs.frozen
class ActorReading:
    """A reading of one actor, or of all children of a dynamic supervisor. ``at`` is wall-clock
    time.
    """

    at: float
    depth: int
    handled: int
    busy: float


class ActorHistory:
    """The readings of one tree, by the names of its parts."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock: Clock) -> None:
        self._snapshot, self._clock = snapshot, clock
        self._readings: dict[str, deque[ActorReading]] = {}

    def sample(self) -> None:
        """Take a reading of every part; parts that left the tree are dropped."""
        at = self._clock.now().timestamp()
        found = dict(readings_of(self._snapshot(), at))
        self._readings = {name: self._readings.get(name, deque(maxlen=KEPT)) for name in found}
        for name, reading in found.items():
            self._readings[name].append(reading)

    def of(self, name: str) -> Sequence[ActorReading]:
        """Return the readings of one part, oldest first."""
        return tuple(self._readings.get(name, ()))

    def rate(self, name: str) -> float | None:
        """Return the recent messages per second; None before there are readings to compare."""
        known = self.of(name)
        if len(known) < 2:
            return None
        first, last = known[-min(len(known), RATE_READINGS)], known[-1]
        passed = last.at - first.at
        return max(0, last.handled - first.handled) / passed if passed > 0 else None


def readings_of(part: Snapshot, at: float) -> Iterator[tuple[str, ActorReading]]:
    """Yield a reading for each actor of the tree; names are unique in it."""
    if part.statistics is not None:
        figures = part.statistics
        yield (
            part.name,
            ActorReading(at, figures.depth, figures.handled, figures.handle_seconds),
        )
    elif part.totals is not None:
        yield part.name, ActorReading(at, part.totals.depth, part.totals.handled, part.totals.busy)
    for child in part.children:
        yield from readings_of(child, at)

"""How the actors did in the last minutes: a bounded memory, a reading every two seconds."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from actors.ports import Clock
from supervisors.snapshot import Snapshot

KEPT: Final = 300  # readings: ten minutes
RATE_READINGS: Final = 6  # a rate is taken over so many


@attrs.frozen
class ActorReading:
    """Of one actor, or of all children of a dynamic supervisor. ``at`` is the wall clock's."""

    at: float
    depth: int
    handled: int
    busy: float


class ActorHistory:
    """Of one tree, by the names of its parts."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock: Clock) -> None:
        self._snapshot, self._clock = snapshot, clock
        self._readings: dict[str, deque[ActorReading]] = {}

    def sample(self) -> None:
        """Note how everything is now; what is no part of the tree any more is forgotten."""
        at = self._clock.now().timestamp()
        found = dict(readings_of(self._snapshot(), at))
        self._readings = {name: self._readings.get(name, deque(maxlen=KEPT)) for name in found}
        for name, reading in found.items():
            self._readings[name].append(reading)

    def of(self, name: str) -> Sequence[ActorReading]:
        """The readings of one part, oldest first."""
        return tuple(self._readings.get(name, ()))

    def rate(self, name: str) -> float | None:
        """Messages a second of late; None before there is anything to compare."""
        known = self.of(name)
        if len(known) < 2:
            return None
        first, last = known[-min(len(known), RATE_READINGS)], known[-1]
        passed = last.at - first.at
        return max(0, last.handled - first.handled) / passed if passed > 0 else None


def readings_of(part: Snapshot, at: float) -> Iterator[tuple[str, ActorReading]]:
    """A reading for each actor of the tree; names are unique in it."""
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

"""The lag of the event loop in the last minutes: the worst value of every two seconds."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs
from prometheus_client import Histogram

from actors.ports import Clock

KEPT: Final = 300  # readings that are kept: ten minutes
WINDOW_SECONDS: Final = 2.0
LAG: Final = Histogram(
    "rendertrust_loop_lag_seconds",
    "How much later than asked the event loop ran a timer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)


@attrs.frozen
class LagReading:
    """The lag over one window of ``WINDOW_SECONDS``.

    ``worst``: the most seconds by which a timer in the window was late. ``at``: the wall-clock time
    of the window's first timer.
    """

    at: float
    worst: float


class LagHistory:
    """A bounded history of the lag, which the Pulse actor measures."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._readings: deque[LagReading] = deque(maxlen=KEPT)
        self._until = 0.0

    def note(self, late: float) -> None:
        """Record that a timer was ``late`` by so many seconds, here and in the metrics."""
        LAG.observe(late)
        now = self._clock.monotonic()
        if self._readings and now < self._until:
            last = self._readings[-1]
            self._readings[-1] = attrs.evolve(last, worst=max(last.worst, late))
            return
        self._until = now + WINDOW_SECONDS
        self._readings.append(LagReading(self._clock.now().timestamp(), late))

    def readings(self) -> Sequence[LagReading]:
        """Return the readings, the oldest first."""
        return tuple(self._readings)

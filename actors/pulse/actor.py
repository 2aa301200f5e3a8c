"""The Pulse actor: measures the loop's lag, feeds the watchdog, and ends a stuck process."""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import attrs
from prometheus_client import Gauge

from actors.kernel import Actor, Fatal, handles
from actors.ports import Clock
from actors.pulse.messages import Beat, Pulse
from actors.pulse.stuck_detector import STUCK_SECONDS, StuckDetector, TreePart

BEAT_SECONDS: Final = 0.25
LOOK_SECONDS: Final = 5.0  # how often the tree is checked
TIDY_SECONDS: Final = 60.0  # how often unused memory is freed
STUCK: Final = Gauge(
    "rendertrust_actors_stuck",
    "Actors that handle or queue messages but finished none for a minute.",
)


class Watchdog(Protocol):
    """The service manager (systemd), which restarts a process that gives no sign of life."""

    @property
    def watchdog_seconds(self) -> float:
        """Return the interval in which the service manager expects a sign of life; 0 if it expects
        none.
        """
        ...

    def say(self, **state: object) -> None:
        """Send the service manager variables, such as ``WATCHDOG=1``."""
        ...


@attrs.frozen
class Process:
    """Functions of the gateway's process that the Pulse uses.

    ``vital`` returns the parts of the actor tree that the gateway cannot do without. ``late`` is
    called with the event loop's lag in seconds. ``end`` ends the process within a minute, even if a
    stuck actor cannot be stopped. ``tidy`` frees unused memory.
    """

    vital: Callable[[], Iterable[TreePart]]
    manager: Watchdog
    late: Callable[[float], None]
    end: Callable[[], object]
    tidy: Callable[[], object]


class PulseActor(Actor[Pulse]):
    """Measures the loop's lag, feeds the watchdog, and ends a process with a stuck actor.

    If the Pulse receives the message of its timer, the event loop runs and actors are served. If
    another actor is stuck, the Pulse ends the process, and the service manager starts it again.
    """

    def __init__(
        self, process: Process, clock: Clock, *, stuck_seconds: float = STUCK_SECONDS
    ) -> None:
        self._process, self._clock = process, clock
        self._detector = StuckDetector(stuck_seconds)
        self._due = self._look_at = self._tidy_at = 0.0
        self._stood = 0.0  # total time for which the process stood still
        half = process.manager.watchdog_seconds / 2 or LOOK_SECONDS
        self._look_every = min(LOOK_SECONDS, half)

    async def started(self) -> None:
        self._look_at = self._clock.monotonic()
        self._tidy_at = self._look_at + TIDY_SECONDS
        self._beat_again()

    @handles(Beat)
    async def beat(self, message: Beat) -> None:
        now = self._clock.monotonic()
        late = max(0.0, now - self._due)
        self._process.late(late)
        self._stood += late
        if now >= self._look_at:
            self._look_at = now + self._look_every
            self._look(now - self._stood)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            self._process.tidy()
        self._beat_again()

    def _beat_again(self) -> None:
        self._due = self._clock.monotonic() + BEAT_SECONDS
        self.after(BEAT_SECONDS, Beat())

    def _look(self, now: float) -> None:
        """Look for stuck actors. ``now`` excludes pauses of the process, as after a SIGSTOP."""
        stuck = self._detector.stuck(self._process.vital(), now)
        STUCK.set(len(stuck))
        if stuck:
            self._process.end()
            names = ", ".join(sorted(stuck))
            raise Fatal(
                f"stuck, no message handled for {self._detector.stuck_seconds:g} s: {names}"
            )
        if self._process.manager.watchdog_seconds:
            self._process.manager.say(WATCHDOG=1)

"""The pulse: measures the loop's lag, feeds the watchdog, and ends a process that is stuck."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

import attrs
from prometheus_client import Gauge, Histogram

from actors.kernel import Actor, Fatal, Message, State, handles
from actors.ports import Clock
from supervisors.snapshot import Snapshot
from web.process.log_writer import LINES
from web.process.memory_tuning import TIDY_SECONDS, tidy
from web.process.service_manager import ServiceManager

BEAT_SECONDS: Final = 0.25
LOOK_SECONDS: Final = 5.0  # how often the tree is checked
STUCK_SECONDS: Final = 60.0  # no handler of the checked actors may take so long
END_SECONDS: Final = 60.0  # the time of an orderly stop when an actor is stuck
LAST_LINES_SECONDS: Final = 0.2  # for the last lines of the log
LAG: Final = Histogram(
    "rendertrust_loop_lag_seconds",
    "How much later than asked the event loop ran a timer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
STUCK: Final = Gauge(
    "rendertrust_actors_stuck", "Actors that have had the same message in hand for a minute."
)


class Pulse:
    """Marker: the address of the PulseActor."""


@attrs.frozen
class Beat(Message[Pulse, None]):
    """From the pulse's own timer."""


class StuckDetector:
    """Remembers the progress of actors: one that works, or has messages, without progress is stuck.

    An actor whose only message is its own timer has an empty mailbox while its handler hangs.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}  # number of messages handled, and since when

    def stuck(self, parts: Iterable[Snapshot], now: float) -> list[str]:
        """Return the names of the stuck ones among the parts and all under them."""
        found: list[str] = []
        ahead = list(parts)
        while ahead:
            part = ahead.pop()
            ahead += part.children
            if part.statistics is not None and self._is_stuck(part, now):
                found.append(part.name)
        return found

    def _is_stuck(self, part: Snapshot, now: float) -> bool:
        figures = part.statistics
        assert figures is not None, "it is an actor's"
        handled, since = self._seen.get(part.name, (-1, now))
        idle = figures.depth == 0 and not figures.is_handling
        if figures.handled != handled or idle or part.state is not State.RUNNING:
            handled, since = figures.handled, now
        self._seen[part.name] = handled, since
        return now - since >= STUCK_SECONDS


def end_within(seconds: float = END_SECONDS) -> None:
    """End the process after that time, unless it has ended by then.

    A handler that ignores its cancellation could block the orderly stop for ever.
    """
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    LINES.close(within=LAST_LINES_SECONDS)
    os._exit(Fatal.exit_code)


class PulseActor(Actor[Pulse]):
    """``vital`` reads the parts of the tree without which nothing works; ``late`` gets the lag.

    That its own message arrives shows that the loop runs and actors are served. If another actor is
    stuck, the process ends, to be restarted by its service manager; ``end`` makes sure of that if
    the stuck actor cannot be stopped. ``tidy`` frees unused memory once a minute.
    """

    def __init__(
        self,
        vital: Callable[[], Iterable[Snapshot]],
        clock: Clock,
        manager: ServiceManager,
        late: Callable[[float], None] = LAG.observe,
        *,
        end: Callable[[], None] = end_within,
        tidy: Callable[[], None] = tidy,
    ) -> None:
        self._vital, self._clock, self._manager = vital, clock, manager
        self._late, self._end, self._tidy = late, end, tidy
        self._vitality = StuckDetector()
        self._due = self._look_at = self._tidy_at = 0.0
        self._stood = 0.0  # for how long the loop stood still, in all
        half = manager.watchdog_seconds / 2 or LOOK_SECONDS
        self._look_every = min(LOOK_SECONDS, half)

    async def started(self) -> None:
        self._look_at = self._clock.monotonic()
        self._tidy_at = self._look_at + TIDY_SECONDS
        self._beat_again()

    @handles(Beat)
    async def beat(self, message: Beat) -> None:
        now = self._clock.monotonic()
        late = max(0.0, now - self._due)
        self._late(late)
        self._stood += late
        if now >= self._look_at:
            self._look_at = now + self._look_every
            self._look(now - self._stood)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            self._tidy()
        self._beat_again()

    def _beat_again(self) -> None:
        self._due = self._clock.monotonic() + BEAT_SECONDS
        self.after(BEAT_SECONDS, Beat())

    def _look(self, now: float) -> None:
        """Look for stuck actors. ``now`` excludes pauses of the process, as after a SIGSTOP."""
        stuck = self._vitality.stuck(self._vital(), now)
        STUCK.set(len(stuck))
        if stuck:
            self._end()
            names = ", ".join(sorted(stuck))
            raise Fatal(f"stuck, no message handled for {STUCK_SECONDS:g} s: {names}")
        if self._manager.watchdog_seconds:
            self._manager.say(WATCHDOG=1)

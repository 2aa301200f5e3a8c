"""Statistics of one actor."""

from array import array
from collections.abc import Sequence
from enum import Enum

import attrs

SAMPLES = 128  # newest handler runs whose durations give the p95; must be a power of two


class State(Enum):
    """The lifecycle state of an address."""

    NEW = "new"  # -> STARTING | DOWN; messages queue
    STARTING = "starting"  # -> RUNNING | STOPPING | RESTARTING | DOWN
    RUNNING = "running"  # -> STOPPING | RESTARTING | DOWN
    STOPPING = "stopping"  # -> RESTARTING | DOWN
    RESTARTING = "restarting"  # -> STARTING | DOWN; no instance, messages queue
    DOWN = "down"  # for good


@attrs.frozen
class Statistics:
    """A snapshot of an actor's statistics.

    ``depth`` and ``peak``: the present and the greatest number of queued messages.
    ``handle_seconds``: the total duration of handler runs. ``samples``: the durations of the last
    128 handler runs.
    """

    state: State
    depth: int
    peak: int
    handled: int
    handle_seconds: float
    restarts: int
    last_error: str | None
    dead_letters: int
    samples: Sequence[float] = ()
    capacity: int = 0  # of the mailbox; 0 once the address is down for good
    is_handling: bool = False  # a message or a batch is being handled

    @property
    def handle_seconds_p95(self) -> float:
        """The 95th percentile of the samples, computed on demand."""
        known = sorted(self.samples)
        return known[(len(known) * 95 - 1) // 100] if known else 0.0


class Gauge:
    """Counters of an actor, from which ``Statistics`` are made.

    Counting costs a few additions per message, and no allocation.
    """

    __slots__ = ("batched", "busy", "last_error", "restarts", "runs", "samples", "state")

    def __init__(self) -> None:
        self.state = State.NEW
        self.runs = 0  # number of handler runs; a batch is one run
        self.batched = 0  # messages in batches, without the first message of each batch
        self.busy = 0.0
        self.samples = array("f", bytes(4 * SAMPLES))
        self.restarts = 0
        self.last_error: str | None = None

    @property
    def handled(self) -> int:
        """The number of handled messages."""
        return self.runs + self.batched

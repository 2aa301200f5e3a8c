"""Figures of one actor: what it has done, and how it is."""

from array import array
from enum import Enum

import attrs

SAMPLES = 128  # a power of two: the p95 is taken over the last 128 handle times


class State(Enum):
    """Where an address stands."""

    NEW = "new"  # -> STARTING; messages queue
    STARTING = "starting"  # -> RUNNING | RESTARTING | DOWN
    RUNNING = "running"  # -> STOPPING | RESTARTING | DOWN
    STOPPING = "stopping"  # -> RESTARTING | DOWN
    RESTARTING = "restarting"  # -> STARTING | DOWN; no instance, messages queue
    DOWN = "down"  # for good


@attrs.frozen
class Statistics:
    """A reading. Times in seconds; ``handle_seconds_p95`` is over the last 128 handlers' runs."""

    state: State
    depth: int
    peak: int
    handled: int
    handle_seconds: float
    handle_seconds_p95: float
    restarts: int
    last_error: str | None
    dead_letters: int


class Gauge:
    """The counters behind a reading: a few additions per message, no allocation."""

    __slots__ = ("busy", "handled", "last_error", "restarts", "samples", "state", "turns")

    def __init__(self) -> None:
        self.state = State.NEW
        self.handled = 0  # messages
        self.turns = 0  # handlers' runs: a batch is one
        self.busy = 0.0
        self.samples = array("f", bytes(4 * SAMPLES))
        self.restarts = 0
        self.last_error: str | None = None

    def add(self, messages: int, seconds: float) -> None:
        """Count one run of a handler over so many messages."""
        self.samples[self.turns & (SAMPLES - 1)] = seconds
        self.turns += 1
        self.handled += messages
        self.busy += seconds

    def p95(self) -> float:
        """The handle time in seconds that 95 % of the last 128 runs did not exceed."""
        known = sorted(self.samples[: self.turns])
        return known[(len(known) * 95 - 1) // 100] if known else 0.0

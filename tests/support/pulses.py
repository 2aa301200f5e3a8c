"""The Pulse actor for tests; callbacks that are not given do nothing."""

from collections.abc import Callable, Iterable

from actors.ports import Clock
from actors.pulse.actor import Process, PulseActor
from actors.pulse.stuck_detector import STUCK_SECONDS
from supervisors.snapshot import Snapshot
from web.process.service_manager import ServiceManager


def pulse_of(
    vital: Callable[[], Iterable[Snapshot]],
    clock: Clock,
    manager: ServiceManager,
    *,
    end: Callable[[], object] = lambda: None,
    tidy: Callable[[], object] = lambda: None,
    stuck_seconds: float = STUCK_SECONDS,
) -> PulseActor:
    """Return a Pulse actor that watches the tree of a test."""
    process = Process(vital, manager, lambda _: None, end, tidy)
    return PulseActor(process, clock, stuck_seconds=stuck_seconds)

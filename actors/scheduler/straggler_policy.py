"""Which units take far longer than the others of their job: they are tried on a second node, too.

Decided over values. Nothing is copied before nothing of the job waits any more: until then an idle
node has better things to do.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from actors.scheduler.policy import is_assigned
from actors.scheduler.units import Unit
from sql.unit_durations import Alike, UnitDurations, frames_of


@attrs.frozen
class StragglerPolicy:
    """A unit straggles when it is at work ``times`` as long as half of the others were, and at
    least ``seconds``; where fewer than ``done`` are complete, nobody can tell. ``times`` 0: never.
    """

    times: float = 2.0
    seconds: float = 10.0
    done: int = 3


def straggles(
    seconds: float, frames: int, pace: UnitDurations | None, patience: StragglerPolicy
) -> bool:
    """Whether a unit of so many frames is at work for far too long."""
    if pace is None or pace.done < patience.done or not patience.times:
        return False
    return seconds >= max(patience.times * pace.seconds * frames, patience.seconds)


def late(
    units: Iterable[Unit], more: Iterable[UUID], now: datetime, patience: StragglerPolicy
) -> list[Unit]:
    """Those that might straggle: at work for long, of jobs of which nothing waits.

    ``more`` are jobs of which more units wait than these.
    """
    if not patience.times:
        return []
    known = list(units)
    waiting = {unit.job for unit in known if not is_assigned(unit.state)} | set(more)
    least = timedelta(seconds=patience.seconds)
    return [
        unit
        for unit in known
        if unit.units > 1
        and unit.job not in waiting
        and not unit.is_stray
        and since(unit) <= now - least
    ]


def stragglers(
    units: Iterable[Unit],
    pace: Mapping[Alike, UnitDurations],
    now: datetime,
    patience: StragglerPolicy,
) -> list[Unit]:
    """Those that do, who is longest at work first."""
    found = [
        unit
        for unit in units
        if straggles(
            (now - since(unit)).total_seconds(),
            frames_of(unit.frames),
            pace.get((unit.job, unit.tile is not None)),
            patience,
        )
    ]
    return sorted(found, key=lambda unit: (since(unit), unit.job, unit.number))


def since(unit: Unit) -> datetime:
    """Since when its attempt is at work, or waits for its node."""
    return max(at for at in (unit.assigned_at, unit.started_at) if at is not None)

"""Speculation: a second attempt beside a unit that straggles near the end of its job.

A unit straggles when it takes far longer than the other units of its job. While units of the job
wait, no unit is copied, as a waiting unit is a better use for an idle node.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from actors.ports import Clock, Store
from actors.scheduler.node import Node
from actors.scheduler.placement import PLACING_SECONDS
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import AssignmentTag, Unit, copy_of
from config.settings import Scheduling
from rendertrust.job_status import AT_WORK
from sql.database import Conflict, Unavailable
from sql.units import DONE_MOST, Alike, UnitDurations, frames_of, paces

DONE_LEAST: Final = 3  # completed units of a job that are needed to call another unit a straggler
log = logging.getLogger(__name__)

# -- policy


def straggles(seconds: float, frames: int, pace: UnitDurations | None, policy: Scheduling) -> bool:
    """Return True if a unit of ``frames`` frames has been at work for far too long (``seconds``).

    Too long is ``straggler_times`` times the median of its job's completed units, and at least
    ``straggler_seconds``. If ``straggler_times`` is 0, no unit straggles.
    """
    if pace is None or pace.done < DONE_LEAST or not policy.straggler_times:
        return False
    return seconds >= max(policy.straggler_times * pace.seconds * frames, policy.straggler_seconds)


def late(
    units: Iterable[Unit], partial_jobs: Iterable[UUID], now: datetime, policy: Scheduling
) -> list[Unit]:
    """Return the units that might straggle: long at work, in jobs without waiting units.

    ``partial_jobs`` have waiting units that are not among ``units``.
    """
    if not policy.straggler_times:
        return []
    known = list(units)
    waiting = {unit.job for unit in known if unit.state not in AT_WORK} | set(partial_jobs)
    least = timedelta(seconds=policy.straggler_seconds)
    return [
        unit
        for unit in known
        if unit.units > 1
        and unit.job not in waiting
        and not unit.is_unreachable
        and unit.active_since <= now - least
    ]


def stragglers(
    units: Iterable[Unit],
    pace: Mapping[Alike, UnitDurations],
    now: datetime,
    policy: Scheduling,
) -> list[Unit]:
    """Return the units that straggle, the longest at work first."""
    found = [
        unit
        for unit in units
        if straggles(
            (now - unit.active_since).total_seconds(),
            frames_of(unit.frames),
            pace.get((unit.job, unit.tile is not None)),
            policy,
        )
    ]
    return sorted(found, key=lambda unit: (unit.active_since, unit.job, unit.number))


# -- applied to the scheduler's state


async def speculate(
    state: SchedulerState, store: Store, clock: Clock, policy: Scheduling
) -> Sequence[AssignmentTag]:
    """Reserve idle nodes for copies of stragglers; each tag must be committed or refused.

    Usually no unit is late, and nothing is read. While the database is down, no unit is copied.
    """
    now = clock.now()
    suspects = late_units(state, now, policy)
    if not suspects:
        return ()
    try:
        done = await store.done_units(sorted({unit.job for unit in suspects}), DONE_MOST)
    except (Unavailable, Conflict) as error:
        log.warning("durations of completed units cannot be read: %s", type(error).__name__)
        return ()
    found = stragglers(suspects, paces(done), now, policy)
    copies = (reserve_copy(state, unit, clock.monotonic()) for unit in found)
    return [copy for copy in copies if copy is not None]


def late_units(state: SchedulerState, now: datetime, policy: Scheduling) -> list[Unit]:
    """Return the units to compare with their jobs' completed units; none if no node is idle."""
    if not state.index.free:
        return []
    known = state.units.values()
    units = (unit for unit in known if not unit.answered and unit.key not in state.copies)
    return late(units, state.partial_jobs, now, policy)


def reserve_copy(state: SchedulerState, unit: Unit, clock: float) -> AssignmentTag | None:
    """Reserve a slot of an idle node for a copy of the unit; None if no capable node is idle."""
    assert unit.node is not None, "a straggler has a node"
    shunned = unit.shuns | {unit.node.id}
    node = state.index.choose(unit.demand, shunned)
    if not isinstance(node, Node) or not node.is_free or node.is_resting or node.id in shunned:
        return None
    tag = state.reserve(copy_of(unit), node, clock + PLACING_SECONDS)
    return attrs.evolve(tag, beside=unit.attempt)

"""Nodes with nothing to do try what takes far too long elsewhere, too."""

import logging
from collections.abc import Sequence

from actors.ports import Clock, Store
from actors.scheduler.base_state import AssignmentTag
from actors.scheduler.state import SchedulerState
from actors.scheduler.straggler_policy import StragglerPolicy, stragglers
from sql.database import Unavailable
from sql.unit_durations import DONE_MOST, paces

log = logging.getLogger(__name__)


async def straggling(
    board: SchedulerState, store: Store, clock: Clock, patience: StragglerPolicy
) -> Sequence[AssignmentTag]:
    """Reserve idle nodes for what straggles; each booking must be committed or refused.

    Mostly nobody is late, and nothing is read. While the database is away nothing is copied.
    """
    now = clock.now()
    late = board.late(now, patience)
    if not late:
        return ()
    try:
        done = await store.done_units(sorted({unit.job for unit in late}), DONE_MOST)
    except Unavailable as error:
        log.warning("the pace of jobs cannot be read: %s", type(error).__name__)
        return ()
    found = stragglers(late, paces(done), now, patience)
    booked = (board.copy(unit, clock.monotonic()) for unit in found)
    return [booking for booking in booked if booking is not None]

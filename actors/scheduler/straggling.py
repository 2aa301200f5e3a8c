"""Who straggles, by what the Board knows and what the database says of their jobs' other units."""

import logging
from collections.abc import Sequence
from datetime import datetime

from actors.ports import Store
from actors.scheduler.board import Board
from actors.scheduler.stragglers import DONE_MOST, Patience, paces, stragglers
from actors.scheduler.unit import Unit
from sql.database import Unavailable

log = logging.getLogger(__name__)


async def straggling(
    board: Board, store: Store, now: datetime, patience: Patience
) -> Sequence[Unit]:
    """Longest at work first; none while the database is away. Mostly there is nothing to read."""
    late = board.late(now, patience)
    if not late:
        return ()
    try:
        done = await store.done_units(sorted({unit.job for unit in late}), DONE_MOST)
    except Unavailable as error:
        log.warning("the pace of jobs cannot be read: %s", type(error).__name__)
        return ()
    return stragglers(late, paces(done), now, patience)

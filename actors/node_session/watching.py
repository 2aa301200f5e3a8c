"""Takes a unit back whose node holds it and gets no further, or far too slowly."""

import logging

from actors.node_session import leases, moves
from actors.node_session.backlog import Backlog
from actors.node_session.work import Held
from rendertrust.protocol import JobCancel
from sql.database import Unavailable
from sql.pace import DONE_MOST, Pace, frames_in, paces

log = logging.getLogger(__name__)


class Watching(Backlog, partial=True):
    """Every few seconds, at the units that are out."""

    async def _look_at_moves(self) -> None:
        now, settings = self._peers.clock.monotonic(), self._settings
        for held in leases.overdue(self._work, now, settings.runtime_seconds_most):
            await self._take_back(held, "it ran longer than an attempt may")
        for held in filter(moves.may_stand, self._work):
            move = self._move(held)
            # A client of the reference may say nothing, or that it runs; and keeps all in a queue.
            if move.is_told or self._hello is not None:
                said = moves.stands_still(move, now, settings.still_seconds)
                if said is not None:
                    await self._take_back(held, said)
        await self._look_at_paces()

    async def _look_at_paces(self) -> None:
        """Read only for what is out for long: it is rare."""
        now, settings = self._peers.clock.monotonic(), self._settings
        for held in leases.overdue(self._work, now, settings.still_seconds):
            assert held.begun_at is not None, "it is overdue"
            seconds = now - held.begun_at - self._move(held).all_files
            if held.paced_at is not None and now - held.paced_at < settings.still_seconds / 10:
                continue
            held.paced_at = now
            params, pace = held.assignment.params, await self._pace(held)
            said = moves.far_too_long(seconds, frames_in(params), pace, settings.expected_times)
            if said is not None and seconds > settings.still_seconds:
                await self._take_back(held, said)

    async def _pace(self, held: Held) -> Pace | None:
        job, is_tile = held.assignment.job, "tile" in held.assignment.params
        try:
            done = await self._peers.store.done_units([job], DONE_MOST)
        except Unavailable as error:
            log.warning("the pace of a job cannot be read: %s", type(error).__name__)
            return None
        return paces(done).get((job, is_tile))

    async def _take_back(self, held: Held, why: str) -> None:
        """It is the node's failure; its operator is told why."""
        self._fail(held, "node", why)
        said = held.running
        await self._say(
            JobCancel(job_id=said.job_id, unit=said.unit, attempt=said.attempt, reason=why)
        )

"""Takes a unit back whose node holds it and gets no further, or far too slowly."""

import logging

from actors.node_session import leases, overrun, progress
from actors.node_session.held_units import HeldUnit
from actors.node_session.unit_recall import UnitRecall
from rendertrust.protocol import JobCancel
from sql.database import Unavailable
from sql.error_code import UNDERQUOTED, ErrorCode
from sql.overruns import Overrun, agreed
from sql.unit_durations import DONE_MOST, UnitDurations, frames_in, paces

QUOTE_SECONDS = 60.0  # between two looks at a unit that takes too long, and is not stopped
log = logging.getLogger(__name__)


class ProgressWatchdog(UnitRecall, partial=True):
    """Every few seconds, at the units that are out."""

    async def _look_at_moves(self) -> None:
        now, settings = self._peers.clock.monotonic(), self._settings
        for held in leases.overdue(self._work, now, settings.runtime_seconds_most):
            await self._take_back(held, "it ran longer than an attempt may", "too_slow")
        for held in filter(progress.may_stand, self._work):
            move = self._move(held)
            # A client of the reference may say nothing, or that it runs; and keeps all in a queue.
            if move.is_told or self._hello is not None:
                said = progress.stands_still(move, now, settings.still_seconds)
                if said is not None:
                    await self._take_back(held, said, "stalled")
        await self._look_at_paces()
        await self._look_at_quotes()

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
            said = progress.far_too_long(seconds, frames_in(params), pace, settings.expected_times)
            if said is not None and seconds > settings.still_seconds:
                await self._take_back(held, said, "too_slow")

    async def _pace(self, held: HeldUnit) -> UnitDurations | None:
        job, is_tile = held.assignment.job, "tile" in held.assignment.params
        try:
            done = await self._peers.store.done_units([job], DONE_MOST)
        except Unavailable as error:
            log.warning("the pace of a job cannot be read: %s", type(error).__name__)
            return None
        return paces(done).get((job, is_tile))

    async def _look_at_quotes(self) -> None:
        """What takes over three times the work that it is paid for is stopped."""
        now = self._peers.clock.monotonic()
        for held in filter(progress.may_stand, self._work):
            if held.quoted_at is None or now - held.quoted_at >= QUOTE_SECONDS:
                share = self._share_of_quote(held, now)
                slow = self._peers.pacing.slowness(self._node.id, held.assignment.job)
                if share is not None and share > overrun.TIMES * slow:
                    held.quoted_at = now
                    await self._overrun(held, share, slow)

    def _share_of_quote(self, held: HeldUnit, now: float) -> float | None:
        """What of its quote a unit took by now; None: it has none, or nobody can tell.

        Until something of it is rendered that is Blender's start, however long a busy machine takes
        for it; who never gets there stands still.
        """
        quoted, move = overrun.quoted_seconds(held.assignment), self._move(held)
        if quoted is None or move.first_at is None or self._hello is None:
            return None
        seconds = now - move.first_at - move.all_files - self._settings.quote_start_seconds
        return overrun.share(seconds, quoted, self._hello.slots)

    async def _overrun(self, held: HeldUnit, share: float, slow: float) -> None:
        """Where three owners' nodes took that long it is the scene's. An owner is asked once."""
        unit, node, move = held.assignment, self._node, self._move(held)
        needs = overrun.percent(share, slow, move.best)
        now = self._peers.clock.now()
        found = Overrun(unit.job, unit.unit, unit.attempt, node.id, node.owner, needs, now)
        try:
            known = await self._peers.store.note_overrun(found, unit.faults + 1)
        except Unavailable as error:
            log.warning("an overrun cannot be noted: %s", type(error).__name__)
            return
        others = [one for one in known if one.attempt != unit.attempt]
        if any(one.owner == node.owner for one in others):
            return  # nobody else was there to be asked: it goes on, and is paid what was quoted
        self._peers.pacing.note(node.id, unit.job, share)
        await self._stop_overrun(held, agreed(known))

    async def _stop_overrun(self, held: HeldUnit, needs: int | None) -> None:
        unit, begun = held.assignment, held.begun_at
        quoted = overrun.quoted_seconds(unit)
        assert quoted is not None, "it was held against it"
        assert begun is not None, "it was held against it"
        seconds = self._peers.clock.monotonic() - begun
        why = overrun.slow_words(quoted, seconds)
        code: ErrorCode = "too_slow"
        if needs is not None:
            why, code = overrun.underquoted_words(unit, quoted, needs), UNDERQUOTED
        self._fail(held, "scene", why, code=code, confirmed=needs is not None)
        await self._say_stop(held, why)

    async def _take_back(self, held: HeldUnit, why: str, code: ErrorCode) -> None:
        """It is the node's failure; its operator is told why."""
        self._fail(held, "node", why, code=code)
        await self._say_stop(held, why)

    async def _say_stop(self, held: HeldUnit, why: str) -> None:
        said = held.running
        await self._say(
            JobCancel(job_id=said.job_id, unit=said.unit, attempt=said.attempt, reason=why)
        )

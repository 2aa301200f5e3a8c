"""Watchdog over running units: fails attempts that make no progress or take far too long.

A node's report on a unit renews the unit's lease, so the watchdog also requires that the reported
progress grows. Transfers of files extend the limit by the time that they need on a slow line. An
attempt may take three times the work that the unit's price pays for. The gateway measures the time
of an attempt itself. The time begins with the first reported progress, and excludes the time that
transfers are allowed, and one minute for the start. How slow a node is follows from the times that
the node took for other jobs, not from its claims.

The trackers outlive a session, as reconnecting is no progress.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from statistics import median
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.effects import UnitComplete, UnitDeliver
from actors.ledger.messages import Outcome, Posted, Replayed
from actors.node_session.connection import NodeConnection
from actors.node_session.ledger_requests import UnitCommits
from actors.node_session.session_state import AttemptId, HeldUnit, Phase, SessionState
from actors.node_session.unit_failures import SCENE, Failure
from actors.ports import Store
from actors.scheduler.messages import Assignment
from rendertrust.money import credit_count
from rendertrust.unit_error_code import UNDERQUOTED, ErrorCode
from sql.database import Conflict, Unavailable
from sql.overruns import Overrun, agreed
from sql.units import DONE_MOST, UnitDurations, frames_in, paces

STEP: Final = 0.01  # smallest increase that counts as progress
LINE_BYTES: Final = 256 << 10  # bytes per second of a slow line
KEPT_MOST: Final = 10_000  # attempts in a ProgressTracker
DONE_LEAST: Final = 3  # completed units of a job that are needed to know its pace
TIMES: Final = 3  # multiple of its quote that an attempt may take
PROGRESS_LEAST: Final = 0.1  # estimates of an attempt's whole work assume at least this progress
JOBS_LEAST: Final = 3  # jobs of a node that are needed to know how slow it is
JOBS_MOST: Final = 20  # jobs that are remembered per node
TOO_SLOW: ErrorCode = "too_slow"
PREPARE_SECONDS_MOST: Final = 3600.0  # a node may install the unit's Blender for this long
QUOTE_SECONDS: Final = 60.0  # interval of checks of an attempt that may continue over its quote
log = logging.getLogger(__name__)


@attrs.define
class AttemptProgress:
    """Progress of one attempt. Times are monotonic seconds.

    ``best`` is the greatest progress, from 0 to 1, reached at the time ``at``. ``first_at``: time
    of the first progress. ``since``: when the attempt began. ``files``:
    seconds allowed for transfers that began after ``at``. ``all_files``: seconds allowed for all
    transfers. ``named``: the files for which time was allowed. ``first_heard``: when this gateway
    first recorded the attempt; ``since`` is later if the node first installed the unit's Blender.
    """

    at: float
    best: float = 0.0
    first_at: float | None = None
    files: float = 0.0
    all_files: float = 0.0
    is_reported: bool = False  # the node has reported progress, even if only 0
    named: set[object] = attrs.field(factory=set)
    since: float = attrs.field(init=False)
    first_heard: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.since = self.first_heard = self.at

    def prepare(self, now: float) -> bool:
        """Let the attempt begin now, as its node still prepares it; return False if the attempt
        has begun, or was prepared for PREPARE_SECONDS_MOST.
        """
        if self.is_reported or now - self.first_heard > PREPARE_SECONDS_MOST:
            return False
        self.at = self.since = now
        return True

    def report(self, progress: float, now: float) -> None:
        """Set ``is_reported``; record progress at least STEP above the best, or the first 1."""
        self.is_reported = True
        if progress >= self.best + STEP or progress == 1.0 > self.best:
            self.best, self.at, self.files = progress, now, 0.0
            self.first_at = now if self.first_at is None else self.first_at

    def allow_transfer(self, files: Iterable[tuple[object, int]]) -> None:
        """Allow time for the transfer of files: pairs of name and bytes; each name counts once."""
        for name, size in files:
            if name not in self.named:
                self.named.add(name)
                self.files += size / LINE_BYTES
                self.all_files += size / LINE_BYTES


class ProgressTracker:
    """Progress of the most recent attempts in all sessions of a gateway."""

    def __init__(self) -> None:
        self._known: OrderedDict[AttemptId, AttemptProgress] = OrderedDict()

    def of(self, attempt: AttemptId, now: float) -> AttemptProgress:
        """Return the progress of an attempt; if there is no record of it yet, a new record begins
        at ``now``.
        """
        progress = self._known.setdefault(attempt, AttemptProgress(now))
        self._known.move_to_end(attempt)
        if len(self._known) > KEPT_MOST:
            self._known.popitem(last=False)
        return progress

    def forget(self, attempt: AttemptId) -> None:
        """Remove an attempt that has ended."""
        self._known.pop(attempt, None)


@attrs.define
class OverrunTracker:
    """For each node, the shares of the quotes that it took for its most recent jobs, in all
    sessions of a gateway.
    """

    _known: dict[UUID, OrderedDict[UUID, float]] = attrs.field(
        factory=dict[UUID, OrderedDict[UUID, float]]
    )

    def note(self, node: UUID, job: UUID, share: float) -> None:
        """Record that a unit of the job took ``share`` of its quote until it ended."""
        jobs = self._known.setdefault(node, OrderedDict())
        jobs[job] = share
        jobs.move_to_end(job)
        if len(jobs) > JOBS_MOST:
            jobs.popitem(last=False)

    def slowness(self, node: UUID, job: UUID) -> float:
        """Return how slow a node is: the median share of its quotes that it took for other jobs.

        At least 1; exactly 1 if fewer than JOBS_LEAST jobs are known.
        """
        others = [share for one, share in self._known.get(node, {}).items() if one != job]
        return max(1.0, median(others)) if len(others) >= JOBS_LEAST else 1.0


class ProgressWatchdog:
    """Checks a session's running units whenever the session renews its leases."""

    def __init__(
        self,
        state: SessionState,
        connection: NodeConnection,
        commits: UnitCommits,
        *,
        store: Store,
        progress: ProgressTracker,
        overruns: OverrunTracker,
    ) -> None:
        self._state = state
        self._connection = connection
        self._commits = commits
        self._store = store
        self._progress = progress
        self._overruns = overruns

    async def check(self) -> None:
        """Fail the attempts that ran too long, made no progress, or are far slower than other units
        of their job or than their quote.
        """
        state, settings = self._state, self._state.settings
        now = state.now
        for held in overdue(state.units, now, settings.runtime_seconds_most):
            error = f"the attempt ran longer than {settings.runtime_seconds_most:.0f} s"
            await self._fail_and_cancel(held, error, "too_slow")
        for held in filter(is_underway, state.units):
            progress = self._progress_of(held)
            # A node that sent no hello gets more units than it can begin, as its slots are unknown.
            # A unit without progress may still wait there, so it counts as stalled only once it has
            # reported some.
            if progress.is_reported or state.hello is not None:
                stalled = stall_error(progress, now, settings.stall_seconds)
                if stalled is not None:
                    await self._fail_and_cancel(held, stalled, "stalled")
        await self._check_paces()
        await self._check_quotes()

    def note_pace(self, held: HeldUnit, outcome: Outcome) -> None:
        """Record which share of its quote a completed unit took, to know how slow the node is."""
        share = self._share_of_quote(held, self._state.now)
        is_done = isinstance(held.effect, UnitComplete | UnitDeliver)
        if share and is_done and isinstance(outcome, Posted | Replayed):
            self._overruns.note(self._state.node.id, held.assignment.job, share)

    def _progress_of(self, held: HeldUnit) -> AttemptProgress:
        return self._progress.of(held.id, self._state.now)

    async def _check_paces(self) -> None:
        """Fail attempts that take far longer than other units of their job.

        Only attempts older than ``stall_seconds`` are compared, as each comparison needs a database
        query.
        """
        now, settings = self._state.now, self._state.settings
        pause = settings.stall_seconds / 10
        for held in overdue(self._state.units, now, settings.stall_seconds):
            assert held.begun_at is not None, "an overdue attempt has begun"
            seconds = now - held.begun_at - self._progress_of(held).all_files
            if held.pace_checked_at is not None and now - held.pace_checked_at < pause:
                continue
            held.pace_checked_at = now
            params, pace = held.assignment.params, await self._pace(held)
            error = pace_error(seconds, frames_in(params), pace, settings.expected_times)
            if error is not None and seconds > settings.stall_seconds:
                await self._fail_and_cancel(held, error, "too_slow")

    async def _pace(self, held: HeldUnit) -> UnitDurations | None:
        job, is_tile = held.assignment.job, "tile" in held.assignment.params
        try:
            done = await self._store.done_units([job], DONE_MOST)
        except (Unavailable, Conflict) as error:
            log.warning("durations of a job's units cannot be read: %s", type(error).__name__)
            return None
        return paces(done).get((job, is_tile))

    async def _check_quotes(self) -> None:
        """Stop attempts that take over three times the work that their price pays for."""
        now, node = self._state.now, self._state.node.id
        for held in filter(is_underway, self._state.units):
            checked_at = held.quote_checked_at
            if checked_at is None or now - checked_at >= QUOTE_SECONDS:
                share = self._share_of_quote(held, now)
                if share is None or share <= TIMES:
                    continue
                slow = self._overruns.slowness(node, held.assignment.job)
                if share > TIMES * slow:
                    held.quote_checked_at = now
                    await self._note_overrun(held, share, slow)

    def _share_of_quote(self, held: HeldUnit, now: float) -> float | None:
        """Return the share of its quote that an attempt has taken by ``now``.

        None if the unit has no quote, or the node has reported no progress. The time before the
        first progress is Blender's start, which may take long on a busy machine and does not count.
        """
        quoted = quoted_seconds(held.assignment)
        if quoted is None:
            return None
        state, progress = self._state, self._progress_of(held)
        if progress.first_at is None or state.hello is None:
            return None
        seconds = now - progress.first_at - progress.all_files
        return quote_share(seconds - state.settings.quote_start_seconds, quoted, state.hello.slots)

    async def _note_overrun(self, held: HeldUnit, share: float, slow: float) -> None:
        """Store the overrun, and stop the attempt unless the owner's nodes overran the unit before.

        If nodes of three owners overran the unit, its scene is at fault.
        """
        unit, node = held.assignment, self._state.node
        needs = percent(share, slow, self._progress_of(held).best)
        now = self._state.clock.now()
        found = Overrun(unit.job, unit.number, unit.attempt, node.id, node.owner, needs, now)
        try:
            known = await self._store.note_overrun(found, unit.faults + 1)
        except (Unavailable, Conflict) as error:
            log.warning("an overrun cannot be stored: %s", type(error).__name__)
            return
        others = [one for one in known if one.attempt != unit.attempt]
        if any(one.owner == node.owner for one in others):
            return  # another attempt by this owner overran: this one continues at the quoted price
        self._overruns.note(node.id, unit.job, share)
        await self._stop_overrun(held, agreed(known))

    async def _stop_overrun(self, held: HeldUnit, needs: int | None) -> None:
        unit, begun = held.assignment, held.begun_at
        quoted = quoted_seconds(unit)
        assert quoted is not None, "a unit with an overrun has a quote"
        assert begun is not None, "an attempt with an overrun has begun"
        error, code = overrun_error(quoted, self._state.now - begun), TOO_SLOW
        if needs is not None:
            error, code = underquoted_error(unit, quoted, needs), UNDERQUOTED
        self._commits.fail(held, Failure(SCENE, error, code, confirmed=needs is not None))
        await self._connection.cancel(held.running, error)

    async def _fail_and_cancel(self, held: HeldUnit, error: str, code: ErrorCode) -> None:
        """Fail the attempt as its node's failure, and cancel it on the node, with the reason."""
        self._commits.fail(held, Failure("node", error, code))
        await self._connection.cancel(held.running, error)


def stall_error(progress: AttemptProgress, now: float, seconds: float) -> str | None:
    """Return the error of an attempt without progress for ``seconds``; None if the attempt
    progresses.

    The limit is doubled before the first progress and at 100 %, when the node transfers files.
    """
    limit = seconds if STEP <= progress.best < 1.0 else 2 * seconds
    idle = now - progress.at
    if idle <= limit + progress.files:
        return None
    return f"no progress for {idle / 60:.0f} minutes, at {progress.best * 100:.0f} %"


def pace_error(seconds: float, frames: int, pace: UnitDurations | None, times: float) -> str | None:
    """Return the error of an attempt that takes over ``times`` as long as other units of its job.

    None if the attempt takes at most ``times`` as long, or the job's pace is not known.
    """
    if pace is None or pace.done < DONE_LEAST or not times:
        return None
    usual = pace.seconds * frames
    if seconds <= times * usual:
        return None
    took = f"half of the job's other units took at most {usual:.0f} s"
    return f"running for {seconds:.0f} s, over {times:g} times as long as others: {took}"


def is_underway(held: HeldUnit) -> bool:
    """Return whether the node has the unit, and has begun it as far as the gateway knows."""
    return held.phase in (Phase.SENT, Phase.RUNNING) and held.begun_at is not None


def overdue(units: Iterable[HeldUnit], now: float, seconds: float) -> tuple[HeldUnit, ...]:
    """Return the units whose attempt began more than ``seconds`` ago and has not ended."""
    return tuple(
        held
        for held in units
        if held.phase in (Phase.SENT, Phase.RUNNING)
        and held.begun_at is not None
        and now - held.begun_at > seconds
    )


def quoted_seconds(unit: Assignment) -> float | None:
    """Return the work that a unit's price pays for, in seconds of the machine that measured it.

    None if the price does not depend on measured work.
    """
    pricing = unit.plan.pricing
    return None if pricing is None else pricing.seconds_of(unit.price)


def quote_share(seconds: float, quoted: float, slots: int) -> float:
    """Return the share of its quote that a unit took; units in all ``slots`` share the machine."""
    return max(seconds, 0.0) / (quoted * max(slots, 1))


def percent(share_of_quote: float, slowness: float, progress: float) -> int:
    """Estimate the whole work of a unit in percent of its quote, from the progress so far.

    ``slowness`` of the node is divided out.
    """
    return round(100 * share_of_quote / slowness / max(progress, PROGRESS_LEAST))


def figures(seconds: float) -> str:
    """Format seconds with at least two significant digits: 120, 9.4, 0.032."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def overrun_error(quoted: float, seconds: float) -> str:
    """Return the error of an attempt that exceeded its quote; such an attempt does not count as a
    failure.
    """
    return (
        f"running for {seconds:.0f} s, over {TIMES} times the quoted {figures(quoted)} s;"
        " another node will try the unit, and this does not count as the node's failure"
    )


def underquoted_error(unit: Assignment, quoted: float, needs: int) -> str:
    """Return the error, for the creator, of a unit that takes ``needs`` percent of its quote."""
    new = -(-unit.price * needs // 100)
    return (
        f"underquoted: nodes of three owners took over {TIMES} times the quote of the unit. Quoted"
        f" were {figures(quoted)} s of work for {credit_count(unit.price)}, and it takes about"
        f" {figures(quoted * needs / 100)} s; the new quote is about {credit_count(new)}. Submit"
        " the job again at that price (the estimate gives it exactly), or lower its samples or"
        " size"
    )

"""Watchdog over the units that are out: takes back those that stand still or take far too long.

A node renews its leases by speaking. How far it is must grow, too; beside that, files that it
fetches and sends take time, by their length on a slow line. A unit may also take three times the
work that its price is for. That time is what the gateway sees, from the first of it that is
rendered, less what its files may take, and a minute. What a node says of its speed does not count:
how slow it is follows from how long it took for other jobs.

The trackers outlive a session: to connect again is no progress.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from statistics import median
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.messages import Outcome, Posted, Replayed, UnitComplete, UnitDeliver
from actors.node_session.connection import NodeConnection
from actors.node_session.ledger_requests import UnitCommits
from actors.node_session.session_state import AttemptId, HeldUnit, Phase, SessionState
from actors.node_session.unit_failures import SCENE, Failure
from actors.ports import Store
from actors.scheduler.messages import Assignment
from rendertrust.error_code import UNDERQUOTED, ErrorCode
from rendertrust.money import render
from sql.database import Unavailable
from sql.overruns import Overrun, agreed
from sql.units import DONE_MOST, UnitDurations, frames_in, paces

STEP: Final = 0.01  # less is no progress
LINE_BYTES: Final = 256 << 10  # a second, of a slow line
KEPT_MOST: Final = 10_000
DONE_LEAST: Final = 3  # units of a job; fewer do not show how long they take
TIMES: Final = 3
PROGRESS_LEAST: Final = 0.1  # less shows nothing about the rest
JOBS_LEAST: Final = 3  # fewer do not show how slow a node is
JOBS_MOST: Final = 20
TOO_SLOW: ErrorCode = "too_slow"
QUOTE_SECONDS: Final = 60.0  # between two looks at a unit that exceeds its quote and goes on
log = logging.getLogger(__name__)


@attrs.define
class AttemptProgress:
    """Progress of one attempt. Times are monotonic seconds.

    ``best`` was reached ``at`` that time, the first progress at ``first_at``; ``since`` is when
    this gateway first knew that the unit was sent. ``files`` and ``all_files`` are the seconds that
    its files may take, since ``at`` and in all; ``named`` are the files that were counted.
    """

    at: float
    best: float = 0.0
    first_at: float | None = None
    files: float = 0.0
    all_files: float = 0.0
    is_told: bool = False  # the node has reported progress, if only 0
    named: set[object] = attrs.field(factory=set[object])
    since: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.since = self.at

    def tell(self, progress: float, now: float) -> None:
        """Note the progress that the node reports."""
        self.is_told = True
        if progress >= self.best + STEP or progress == 1.0 > self.best:
            self.best, self.at, self.files = progress, now, 0.0
            self.first_at = now if self.first_at is None else self.first_at

    def fetch(self, files: Iterable[tuple[object, int]]) -> None:
        """Allow time for files, each by its name and length in bytes; each counts once."""
        for name, size in files:
            if name not in self.named:
                self.named.add(name)
                self.files += size / LINE_BYTES
                self.all_files += size / LINE_BYTES


class ProgressTracker:
    """Progress of the newest attempts, over all sessions of a gateway."""

    def __init__(self) -> None:
        self._known: OrderedDict[AttemptId, AttemptProgress] = OrderedDict()

    def of(self, attempt: AttemptId, now: float) -> AttemptProgress:
        """Return the progress of an attempt; it begins now where nothing is known of it."""
        progress = self._known.setdefault(attempt, AttemptProgress(now))
        self._known.move_to_end(attempt)
        if len(self._known) > KEPT_MOST:
            self._known.popitem(last=False)
        return progress

    def forget(self, attempt: AttemptId) -> None:
        """Forget an attempt that has ended."""
        self._known.pop(attempt, None)


@attrs.define
class OverrunTracker:
    """How long nodes took in proportion to the quotes: of each node its newest jobs, the newest
    last. Kept in memory, over all sessions of a gateway.
    """

    _known: dict[UUID, OrderedDict[UUID, float]] = attrs.field(
        factory=dict[UUID, OrderedDict[UUID, float]]
    )

    def note(self, node: UUID, job: UUID, share: float) -> None:
        """Note that a unit of a job took ``share`` of its quote, or was stopped then."""
        jobs = self._known.setdefault(node, OrderedDict())
        jobs[job] = share
        jobs.move_to_end(job)
        if len(jobs) > JOBS_MOST:
            jobs.popitem(last=False)

    def slowness(self, node: UUID, job: UUID) -> float:
        """Return the median share of the node's other jobs: at least 1, and 1 if few are known."""
        others = [share for one, share in self._known.get(node, {}).items() if one != job]
        return max(1.0, median(others)) if len(others) >= JOBS_LEAST else 1.0


class ProgressWatchdog:
    """Looks at the units that are out, every few seconds."""

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
        """Take back the units that ran too long, stand still, or are far slower than others."""
        state, settings = self._state, self._state.settings
        now = state.now
        for held in overdue(state.units, now, settings.runtime_seconds_most):
            await self._take_back(held, "it ran longer than an attempt may", "too_slow")
        for held in filter(is_underway, state.units):
            progress = self._progress_of(held)
            # A client of the reference may say nothing, or that it runs; and keeps all in a queue.
            if progress.is_told or state.hello is not None:
                error = stands_still(progress, now, settings.still_seconds)
                if error is not None:
                    await self._take_back(held, error, "stalled")
        await self._check_paces()
        await self._check_quotes()

    def note_pace(self, held: HeldUnit, outcome: Outcome) -> None:
        """Note how long a unit took for what was quoted, by which slow nodes are known."""
        share = self._share_of_quote(held, self._state.now)
        is_done = isinstance(held.effect, UnitComplete | UnitDeliver)
        if share and is_done and isinstance(outcome, Posted | Replayed):
            self._overruns.note(self._state.node.id, held.assignment.job, share)

    def _progress_of(self, held: HeldUnit) -> AttemptProgress:
        return self._progress.of(held.id, self._state.now)

    async def _check_paces(self) -> None:
        """Compare with the others of its job what is out for long, which is rare."""
        now, settings = self._state.now, self._state.settings
        for held in overdue(self._state.units, now, settings.still_seconds):
            assert held.begun_at is not None, "it is overdue"
            seconds = now - held.begun_at - self._progress_of(held).all_files
            if held.paced_at is not None and now - held.paced_at < settings.still_seconds / 10:
                continue
            held.paced_at = now
            params, pace = held.assignment.params, await self._pace(held)
            error = far_too_long(seconds, frames_in(params), pace, settings.expected_times)
            if error is not None and seconds > settings.still_seconds:
                await self._take_back(held, error, "too_slow")

    async def _pace(self, held: HeldUnit) -> UnitDurations | None:
        job, is_tile = held.assignment.job, "tile" in held.assignment.params
        try:
            done = await self._store.done_units([job], DONE_MOST)
        except Unavailable as error:
            log.warning("the pace of a job cannot be read: %s", type(error).__name__)
            return None
        return paces(done).get((job, is_tile))

    async def _check_quotes(self) -> None:
        """Stop what takes over three times the work that it is paid for."""
        now, node = self._state.now, self._state.node.id
        for held in filter(is_underway, self._state.units):
            if held.quoted_at is None or now - held.quoted_at >= QUOTE_SECONDS:
                share = self._share_of_quote(held, now)
                slow = self._overruns.slowness(node, held.assignment.job)
                if share is not None and share > TIMES * slow:
                    held.quoted_at = now
                    await self._note_overrun(held, share, slow)

    def _share_of_quote(self, held: HeldUnit, now: float) -> float | None:
        """Return the part of its quote that a unit took by now; None where it has none, or nothing
        is rendered yet.

        Until something of it is rendered that is Blender's start, however long a busy machine takes
        for it; a node that never gets there stands still.
        """
        state, progress = self._state, self._progress_of(held)
        quoted = quoted_seconds(held.assignment)
        if quoted is None or progress.first_at is None or state.hello is None:
            return None
        seconds = now - progress.first_at - progress.all_files
        return quote_share(seconds - state.settings.quote_start_seconds, quoted, state.hello.slots)

    async def _note_overrun(self, held: HeldUnit, share: float, slow: float) -> None:
        """Stop an attempt that takes too long, unless a node of its owner has overrun it before.

        Where three owners' nodes took that long the scene is at fault.
        """
        unit, node = held.assignment, self._state.node
        needs = percent(share, slow, self._progress_of(held).best)
        now = self._state.clock.now()
        found = Overrun(unit.job, unit.unit, unit.attempt, node.id, node.owner, needs, now)
        try:
            known = await self._store.note_overrun(found, unit.faults + 1)
        except Unavailable as error:
            log.warning("an overrun cannot be noted: %s", type(error).__name__)
            return
        others = [one for one in known if one.attempt != unit.attempt]
        if any(one.owner == node.owner for one in others):
            return  # no other owner could be asked: it goes on, and is paid what was quoted
        self._overruns.note(node.id, unit.job, share)
        await self._stop_overrun(held, agreed(known))

    async def _stop_overrun(self, held: HeldUnit, needs: int | None) -> None:
        unit, begun = held.assignment, held.begun_at
        quoted = quoted_seconds(unit)
        assert quoted is not None, "it was compared with it"
        assert begun is not None, "it was compared with it"
        error, code = overrun_error(quoted, self._state.now - begun), TOO_SLOW
        if needs is not None:
            error, code = underquoted_error(unit, quoted, needs), UNDERQUOTED
        self._commits.fail(held, Failure(SCENE, error, code, confirmed=needs is not None))
        await self._connection.cancel(held.running, error)

    async def _take_back(self, held: HeldUnit, error: str, code: ErrorCode) -> None:
        """Fail the attempt as its node's failure, and tell the node why."""
        self._commits.fail(held, Failure("node", error, code))
        await self._connection.cancel(held.running, error)


def stands_still(progress: AttemptProgress, now: float, seconds: float) -> str | None:
    """Return the error of a unit whose node makes no progress; None: it does.

    Before its first step it fetches, after its last it sends: that may take twice as long.
    """
    limit = seconds if STEP <= progress.best < 1.0 else 2 * seconds
    still = now - progress.at
    if still <= limit + progress.files:
        return None
    return f"no progress for {still / 60:.0f} minutes: it stood at {progress.best * 100:.0f} %"


def far_too_long(
    seconds: float, frames: int, pace: UnitDurations | None, times: float
) -> str | None:
    """Return the error of a unit that takes ``times`` as long as the others of its job, or None."""
    if pace is None or pace.done < DONE_LEAST or not times:
        return None
    usual = pace.seconds * frames
    if seconds <= times * usual:
        return None
    took = f"half of its job's others took {usual:.0f} at most"
    return f"at work for {seconds:.0f} s, {took}: over {times:g} times as long"


def is_underway(held: HeldUnit) -> bool:
    """Return whether a unit's node has it, and has begun it as far as we know."""
    return held.phase in (Phase.SENT, Phase.RUNNING) and held.begun_at is not None


def overdue(units: Iterable[HeldUnit], now: float, seconds: float) -> tuple[HeldUnit, ...]:
    """Return the units that are out for longer than ``seconds``."""
    return tuple(
        held
        for held in units
        if held.phase in (Phase.SENT, Phase.RUNNING)
        and held.begun_at is not None
        and now - held.begun_at > seconds
    )


def quoted_seconds(unit: Assignment) -> float | None:
    """Return the work that a unit's price pays for, on the machine that measured it; None: its
    price does not follow from work.
    """
    pricing = unit.plan.pricing
    if pricing is None or not pricing.price or not unit.price:
        return None
    return unit.price * pricing.pays_for / pricing.price


def quote_share(seconds: float, quoted: float, slots: int) -> float:
    """Return which part of its quote a unit took; several units at a time share a machine."""
    return max(seconds, 0.0) / (quoted * max(slots, 1))


def percent(share_of_quote: float, slowness: float, progress: float) -> int:
    """Return about how much of the quoted work the whole takes, judged by the progress so far."""
    return round(100 * share_of_quote / slowness / max(progress, PROGRESS_LEAST))


def figures(seconds: float) -> str:
    """Return seconds with two digits or more: 120, 9.4, 0.032."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def overrun_error(quoted: float, seconds: float) -> str:
    """Return the error of an attempt that exceeded its quote, which is nobody's fault."""
    return (
        f"at work for {seconds:.0f} s, quoted were {figures(quoted)} s: over {TIMES} times as long;"
        " another node tries it, and nobody is blamed"
    )


def underquoted_error(unit: Assignment, quoted: float, needs: int) -> str:
    """Return the error of a unit that takes ``needs`` percent of its quote, for its creator."""
    new = -(-unit.price * needs // 100)
    return (
        f"underquoted: nodes of three owners took over {TIMES} times its quote. Quoted were"
        f" {figures(quoted)} s of work for {render(unit.price)} credits, and it takes about"
        f" {figures(quoted * needs / 100)} s; the new quote is about {render(new)} credits. Submit"
        " it again at that price (its estimate says it exactly), or lower its samples or size"
    )

"""Real dispatch actors under a real supervisor, with probes in the place of their peers."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import attrs

from actors.kernel import Actor, Ref
from actors.ledger.effects import JobInsert
from actors.ledger.messages import Commit, Decided, Outcome, UnitState
from actors.ports import Store
from actors.scheduler.messages import LONG_AGO, Assignment, Dispatch
from actors.scheduler.units import Unit
from rendertrust.job_status import JobStatus, UnitStatus
from sql.access import ALONE, Access
from sql.checks import (
    Pending,
    Place,
    SceneReport,
)
from sql.database import Conflict, Unavailable
from sql.earnings import ClaimableEarning, MaturedEarning
from sql.node_failures import FailureNote
from sql.nodes import NodeRow, SessionStart, StandingRow
from sql.overruns import Overrun
from sql.payout_rules import PassedDate
from sql.units import (
    JobPlace,
    KnownPlan,
    OpenJob,
    OpenJobTerms,
    OpenUnit,
    UnitDuration,
    nothing_known,
)
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.plans import planned
from tests.support.probe import Probe
from tests.twins.clock import EPOCH, TwinClock
from tests.twins.store_multiparts import MultipartsOfResults

NODE, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)
USER, OWNER = UUID(int=100), UUID(int=101)
JOB, JOB2 = UUID(int=1000), UUID(int=1001)


class PreparedStore(MultipartsOfResults):
    """A fake database with prepared answers; it raises ``error`` while ``away``.

    It lacks the methods of the port that only the Ledger, the Verifier or the Auditor call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.error: type[Unavailable | Conflict] = Unavailable
        self.has_bug = False  # the next read raises an unexpected error
        self.units: list[OpenUnit] = []
        self.nodes: list[NodeRow] = []
        self.done: list[UnitDuration] = []
        self.spoken: list[StandingRow] = []
        self.lost: list[OpenUnit] = []
        self.waiting: list[OpenUnit] = []
        self.silent: list[UUID] = []
        self.seen: list[UUID] = []
        self.failures: list[tuple[UUID, FailureNote]] = []
        self.epochs: Counter[UUID] = Counter()
        self.logs: dict[tuple[UUID, int, int], str] = {}
        self.ripe: list[MaturedEarning] = []
        self.passed: list[PassedDate] = []
        self.moved: list[tuple[UUID, datetime, datetime | None]] = []
        self.claimable: list[ClaimableEarning] = []
        self.asked: list[timedelta] = []  # minimal age in each request for unsent units
        self.clock = TwinClock()  # the database's clock
        self.reads = 0
        self.on_read: Callable[[], object] = lambda: None
        self.ties: Access = ALONE
        self.scene_said: list[SceneReport] = []
        self.overruns: list[Overrun] = []

    async def note_overrun(self, found: Overrun, newest: int) -> list[Overrun]:
        if found.attempt not in {one.attempt for one in self.overruns}:
            self.overruns.append(found)
        return self.overruns[-newest:]

    async def scene_reports(self, job: UUID, unit: int) -> list[SceneReport]:
        """Return the prepared reports about the only unit."""
        self._check()
        assert (job, unit) == (JOB, 0)
        return self.scene_said

    @property
    def port(self) -> Store:
        """The prepared store as the whole port."""
        return cast("Store", self)

    def _check(self) -> None:
        self.reads += 1
        self.on_read()
        bug, self.has_bug = self.has_bug, False
        if bug:
            raise ZeroDivisionError("a bug")
        if self.away:
            raise self.error("away")

    async def open_jobs(self, after: JobPlace | None, most: int) -> Sequence[OpenJob]:
        self._check()
        counts = Counter((unit.queued_at, unit.job) for unit in self.units if not unit.is_copy)
        places = sorted(place for place in counts if after is None or place > after)
        return [OpenJob(job, queued_at, counts[queued_at, job]) for queued_at, job in places[:most]]

    async def open_job_terms(self, jobs: Sequence[UUID]) -> Sequence[OpenJobTerms]:
        self._check()
        found = {unit.job: unit for unit in self.units if unit.job in jobs}
        return [
            OpenJobTerms(unit.job, unit.user, unit.plan, unit.units, unit.price == 0)
            for unit in found.values()
        ]

    async def open_units(
        self, jobs: Sequence[UUID], window: int, known: KnownPlan = nothing_known
    ) -> Sequence[OpenUnit]:
        self._check()
        found = [unit for unit in self.units if unit.job in set(jobs)]
        return [unit for unit in found if unit.state != "QUEUED" or unit.paused is None]

    async def ready_units(
        self, jobs: Sequence[UUID], window: int, known: Sequence[tuple[UUID, int]] = ()
    ) -> Sequence[OpenUnit]:
        self._check()
        found = [unit for unit in self.units if unit.job in jobs and unit.state == "QUEUED"]
        return [unit for unit in found if (unit.job, unit.number) not in known][:window]

    async def done_units(self, jobs: Sequence[UUID], most: int) -> Sequence[UnitDuration]:
        self._check()
        return [unit for unit in self.done if unit.job in jobs][:most]

    async def running_units(self) -> int:
        self._check()
        return sum(unit.state == "RUNNING" for unit in self.units)

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        self._check()
        return [unit for unit in self.units if unit.node == node]

    async def waiting_units(self, longer_than: timedelta) -> Sequence[OpenUnit]:
        assert longer_than > timedelta(days=1)
        return list(self.waiting)

    async def now(self) -> datetime:
        self._check()
        return self.clock.now()

    async def lost_units(self, unsent: timedelta) -> Sequence[OpenUnit]:
        self._check()
        self.asked.append(unsent)
        return list(self.lost)

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        self._check()
        return list(self.nodes)

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        self._check()
        return [row for row in self.spoken if row.at >= since]

    async def circles(self) -> Access:
        self._check()
        return self.ties

    async def matured_earnings(self, limit: int) -> Sequence[MaturedEarning]:
        self._check()
        return self.ripe[:limit]

    async def passed_payout_dates(
        self, limit: int, least: int, *, pays_money: bool
    ) -> Sequence[PassedDate]:
        self._check()
        return self.passed[:limit]

    async def move_payout_date(self, operator: UUID, date: datetime, to: datetime | None) -> None:
        self._check()
        self.moved.append((operator, date, to))

    async def pending_checks(self, limit: int, after: Place | None = None) -> Sequence[Pending]:
        self._check()
        return []

    async def longest_wait(self) -> float:
        return 0.0

    async def claimable_earnings(self, limit: int) -> Sequence[ClaimableEarning]:
        self._check()
        return self.claimable[:limit]

    async def keep_thumbnail(
        self, job: UUID, unit: int, attempt: int, node: UUID, *, frame: int, picture: bytes
    ) -> bool:
        self._check()
        return True

    async def keep_log(
        self,
        job: UUID,
        unit: int,
        attempt: int,
        node: UUID,
        lines: str,
        *,
        at: datetime,
        completed: bool = False,
    ) -> None:
        self._check()
        self.logs[job, unit, attempt] = lines

    async def session_opened(self, node: UUID) -> SessionStart:
        self._check()
        self.epochs[node] += 1
        return SessionStart(self.epochs[node], self.clock.now())

    async def note_failures(self, node: UUID, note: FailureNote) -> None:
        self._check()
        self.failures.append((node, note))

    async def node_seen(self, node: UUID) -> None:
        self._check()
        self.seen.append(node)

    async def mark_silent_nodes(self) -> Sequence[UUID]:
        self._check()
        return list(self.silent)


def node_row(node: UUID = NODE, *capabilities: str, load: float = 0.0) -> NodeRow:
    return NodeRow(node, OWNER, capabilities or ("echo",), load, verified=True)


def open_unit(
    job: UUID = JOB,
    *,
    state: UnitStatus = "QUEUED",
    attempt: int = 0,
    node: UUID | None = None,
    job_type: str = "echo",
    avoid: frozenset[UUID] = frozenset(),
    not_before: datetime | None = None,
    lease_until: datetime | None = None,
    queued_at: datetime = EPOCH,
) -> OpenUnit:
    return OpenUnit(
        job=job,
        number=0,
        user=USER,
        plan=planned(job_type),
        state=state,
        attempt=attempt,
        node=node,
        avoid=avoid,
        failures=len(avoid),
        not_before=not_before,
        assigned_at=None if node is None else EPOCH,
        lease_until=lease_until,
        queued_at=queued_at,
    )


def insert(
    job: UUID = JOB,
    *,
    job_type: str = "echo",
    price: int = 0,
    queue: bool = False,
    user: UUID = USER,
) -> JobInsert:
    return JobInsert(job, user, planned(job_type, price=price, queue=queue))


def order(
    job: UUID = JOB, *, idempotency: tuple[str, bytes] | None = None, **more: Any
) -> Dispatch:
    return Dispatch(insert(job, **more), idempotency)


def assignment(
    job: UUID = JOB,
    *,
    unit: int = 0,
    attempt: int = 1,
    state: UnitStatus = "DISPATCHED",
    **other: Any,
) -> Assignment:
    names = ("job_type", "payload_ref", "params", "inputs", "pricing")
    plan = planned(**{name: other.pop(name) for name in names if name in other})
    fields: dict[str, Any] = {"plan": plan, "queued_at": LONG_AGO, **other}
    return Assignment(job=job, number=unit, attempt=attempt, user=USER, state=state, **fields)


OF_SPEC = ("pool", "params", "or_newer")
Planned = TypeVar("Planned", Assignment, Dispatch, JobInsert, OpenUnit, Unit)


def with_plan(row: Planned, **changes: Any) -> Planned:
    """Return the row or message with a changed plan; ``pool``, ``params`` and ``or_newer`` are
    changed in its specification.
    """
    if isinstance(row, Dispatch):
        evolve: Any = attrs.evolve  # mypy does not evolve the members of a narrowed type variable
        return cast("Planned", evolve(row, insert=with_plan(row.insert, **changes)))
    own = {name: changes.pop(name) for name in OF_SPEC if name in changes}
    spec = attrs.evolve(row.plan.spec, **own)
    return attrs.evolve(row, plan=attrs.evolve(row.plan, spec=spec, **changes))


def state_of(
    state: UnitStatus, job: UUID = JOB, *, attempt: int = 1, node: UUID | None = NODE
) -> UnitState:
    job_status: JobStatus = "RUNNING" if state == "VERIFYING" else state
    return UnitState(job, 0, state, attempt, node, job_status)


def decide(commit: Commit, outcome: Outcome) -> None:
    """Send the outcome to the observer of a commit, as the Ledger does."""
    assert commit.observer is not None
    assert commit.observer.tell(Decided(commit.tag, outcome))


class Cast:
    """Probes in the place of an actor's peers, and a fake database."""

    def __init__(self) -> None:
        self.ledger: Probe[Any] = Probe("ledger")
        self.scheduler: Probe[Any] = Probe("scheduler")
        self.notifier: Probe[Any] = Probe("notifier")
        self.session: Probe[Any] = Probe("session")
        self.second: Probe[Any] = Probe("second")
        self.store = PreparedStore()


@asynccontextmanager
async def on_stage(name: str, make: Callable[[], Actor[Any]]) -> AsyncGenerator[Ref[Any], None]:
    """Run one actor, which is restarted when it crashes."""
    child = Child(name, make)
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(), [child])
    await root.start()
    try:
        yield child.ref
    finally:
        await root.stop()

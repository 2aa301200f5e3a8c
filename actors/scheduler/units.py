"""Open units of work, their reservations, and the index of all open units by job and by user."""

from collections import Counter, UserDict
from collections.abc import Collection, Set
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.messages import UnitState
from actors.scheduler.messages import Assignment, Dispatch
from actors.scheduler.node import NOTHING, Node, Requirements, UnitKey, raised, requirements_of
from sql.job_plan import JobPlan
from sql.retry_policy import tries, wait_seconds
from sql.units import ANY, OpenUnit, PartResult

Within: TypeAlias = tuple[int, datetime, int, bool, int]  # the order of one user's units
Age: TypeAlias = tuple[int, int]
PENDING: Final = "PENDING"  # of a new job that is being committed

# How far a unit is within one attempt; only the next attempt brings it back.
_STEP: Final = {"DISPATCHED": 1, "RUNNING": 2, "QUEUED": 3}
_ENDED: Final = 4


# -- what a unit asks of a node


@attrs.frozen
class RequestKind:
    """A kind of units, which wait in one line.

    ``many``: its jobs have several units, which a client of the reference API cannot tell apart.
    ``asked``: what the job asked for, if nodes found that the unit needs more.
    """

    job_type: str
    pool: str = ANY
    many: bool = False
    needs: Requirements = NOTHING
    asked: Requirements | None = None

    @property
    def as_asked(self) -> "RequestKind":
        """The same kind without what nodes found that it needs besides."""
        return self if self.asked is None else attrs.evolve(self, needs=self.asked, asked=None)


@attrs.frozen
class PlacementRequest:
    """A unit's request for a node.

    ``inputs`` names its input: a node that has it in its cache begins sooner. ``turn`` is the
    unit's place among its user's units. ``is_final``: this is the unit's last try.
    """

    kind: RequestKind
    user: UUID | None = None
    inputs: str = ""
    turn: Within | None = None
    is_final: bool = False


def kind_of(plan: JobPlan, *, many: bool, memory: int = 0, opengl: bool = False) -> RequestKind:
    """Return the kind of a unit; ``memory`` and ``opengl``: what nodes lacked for it."""
    asked = requirements_of(plan.needs)
    needs = raised(asked, memory, opengl=opengl)
    asked_besides = None if needs == asked else asked
    return RequestKind(plan.job_type, plan.spec.pool, many, needs, asked_besides)


def within(
    priority: int, queued_at: datetime, job: UUID, place: int, *, elsewhere: bool = False
) -> Within:
    """Order one user's units, the least first: priority comes before all else.

    Units of a job that other gateways place first come after the others, the last of them first.
    """
    return (-priority, queued_at, job.int, elsewhere, -place if elsewhere else place)


# -- a unit


def age(state: str, attempt: int) -> Age:
    """Return a unit's age: of two reports, the one with the greater age is newer."""
    return (attempt, 0 if state == PENDING else _STEP.get(state, _ENDED))


def is_over(status: str) -> bool:
    """Return whether a job with this status has ended."""
    return status in ("COMPLETED", "FAILED", "CANCELLED")


def has_ended(state: str) -> bool:
    """Return whether a unit in this state has ended."""
    return state not in _STEP and state != PENDING


def is_assigned(state: str) -> bool:
    """Return whether a node has a unit in this state."""
    return state in ("DISPATCHED", "RUNNING")


def key_of(state: UnitState) -> tuple[UUID, int]:
    return (state.job, state.unit)


@attrs.define(eq=False)
class Reservation:
    """A slot that is held while the Ledger commits the assignment, until ``expires`` at most.

    node None: the commit only queues a new job. ``is_recall``: the slot is held while the unit's
    node is asked to give the unit back, and nothing is committed yet.
    """

    node: Node | None
    attempt: int
    expires: float  # seconds of the monotonic clock
    is_recall: bool = False


@attrs.define(eq=False)
class Unit:
    """A unit that has not ended.

    ``priority``, ``queued_at`` of its job and ``place`` within the job decide when its turn is.
    ``ticket`` is its entry in a queue, or 0. ``told``: its node's session heard of this attempt.
    ``avoid`` are nodes that failed it, ``barred`` those that failed another unit of its job.
    ``copied`` is the newest attempt that was a copy; a unit that ``is_copy`` is such an attempt.
    ``kept``: its node has it already, and is not asked for it again.
    """

    job: UUID
    number: int
    user: UUID
    plan: JobPlan = attrs.field(repr=False)
    queued_at: datetime
    state: str = PENDING
    attempt: int = 0
    node: Node | None = None
    avoid: frozenset[UUID] = frozenset()
    failures: int = 0
    not_before: datetime | None = None
    assigned_at: datetime | None = None  # by this gateway's clock if ``given_at`` is set
    given_at: float | None = None  # by the monotonic clock: this gateway assigned it
    told: bool = False
    kept: bool = False
    reservation: Reservation | None = None
    ticket: int = 0
    place: int = 0
    frames: str | None = None
    tile: int | None = None
    parts: tuple[PartResult, ...] = ()
    priority: int = 0
    barred: frozenset[UUID] = frozenset()
    units: int = 1  # units of its whole job
    price: int = 0  # in units of money
    started_at: datetime | None = None  # of this attempt, or of one before it
    copied: int = 0
    is_copy: bool = False
    paused: bool = False  # by the job's owner
    faults: int = 0  # failures that no node caused
    unsent: int = 0  # earlier attempts that no node ever had
    answered: bool = False  # its copy is delivered and waits for its verdict
    elsewhere: bool = False  # other gateways place it first
    needs_memory: int = 0  # bytes: nodes that offered less had too little
    needs_opengl: bool = False  # found by a node that has none
    is_priced: bool = False  # it or its parts cost something
    _kind: RequestKind | None = attrs.field(default=None, init=False, repr=False)

    @property
    def key(self) -> UnitKey:
        return (self.job, self.number)

    @property
    def job_type(self) -> str:
        """The type of its job."""
        return self.plan.job_type

    @property
    def payload_ref(self) -> str:
        """What names its input among those that nodes have in their caches."""
        return self.plan.payload_ref

    @property
    def kind(self) -> RequestKind:
        """The line that it waits in. It changes with the attempt, when the unit is replaced."""
        if self._kind is None:
            self._kind = kind_of(
                self.plan,
                many=self.units > 1,
                memory=self.needs_memory,
                opengl=self.needs_opengl,
            )
        return self._kind

    def learn(self, row: OpenUnit) -> None:
        """Take over what a node lacked for an attempt beside this one; copies need it.

        A unit that waits in a queue is replaced before that.
        """
        needs = (row.needs_memory, row.needs_opengl)
        if not self.ticket and needs != (self.needs_memory, self.needs_opengl):
            self.needs_memory, self.needs_opengl = needs
            self._kind = None

    @property
    def demand(self) -> PlacementRequest:
        """The unit's request for a node."""
        return PlacementRequest(self.kind, self.user, self.payload_ref, self.turn, self.is_final)

    @property
    def is_final(self) -> bool:
        """True if nodes failed it, and the next failure that counts ends it."""
        least = wait_seconds(
            failures=self.failures,
            faults=self.faults,
            tried=tries(self.next_attempt, self.unsent),
            is_nodes=True,
        )
        return bool(self.avoid) and least is None

    @property
    def turn(self) -> Within:
        """Its place among its user's units, the least first."""
        of = (self.priority, self.queued_at, self.job, self.place)
        return within(*of, elsewhere=self.elsewhere)

    @property
    def next_attempt(self) -> int:
        """The least attempt number that was never used."""
        return max(self.attempt, self.copied) + 1

    @property
    def age(self) -> Age:
        return age(self.state, self.attempt)

    @property
    def shuns(self) -> frozenset[UUID]:
        """The nodes that it is assigned to only if there is no other."""
        return self.avoid | self.barred

    @property
    def active_since(self) -> datetime:
        """Since when the attempt is at work, or waits for its node."""
        return max(at for at in (self.assigned_at, self.started_at) if at is not None)

    @property
    def waits(self) -> bool:
        """True if it waits to be placed."""
        return self.state == "QUEUED" and self.reservation is None

    @property
    def is_recalled(self) -> bool:
        """True if its node is asked to give it back for another node."""
        return self.reservation is not None and self.reservation.is_recall

    @property
    def is_unreachable(self) -> bool:
        """True if its node never heard of it and has no session here."""
        return (
            self.state == "DISPATCHED"
            and not self.is_copy
            and not self.told
            and self.reservation is None
            and self.node is not None
            and self.node.session is None
        )

    def assignment(self, pool: str = ANY) -> Assignment:
        """Return the assignment for its node; ``pool``: whose work it is, seen by the node."""
        return Assignment(
            job=self.job,
            unit=self.number,
            attempt=self.attempt,
            plan=self.plan,
            params=self.plan.params_of(self.frames, self.tile),
            user=self.user,
            state=self.state,
            assigned_at=self.assigned_at,
            given_at=self.given_at,
            failures=self.failures,
            avoid=self.avoid,
            parts=self.parts,
            pool=pool,
            price=self.price,
            paused=self.paused,
            faults=self.faults,
            unsent=self.unsent,
            priority=self.priority,
            queued_at=self.queued_at,
            place=self.place,
        )


@attrs.frozen
class AssignmentTag:
    """The tag of a commit that assigns ``unit`` to ``node``; node None: it only queues the job.

    ``beside``: the attempt that a copy runs beside.
    """

    unit: Unit
    node: UUID | None
    attempt: int
    beside: int = 0


def of_dispatch(order: Dispatch, now: datetime) -> Unit:
    """Return the first unit of a new job."""
    plan, first = order.plan, order.plan.units[0]
    return Unit(
        job=order.job,
        number=0,
        user=order.user,
        plan=plan,
        queued_at=now,
        place=first.place,
        frames=first.frames,
        tile=first.tile,
        priority=plan.priority,
        units=len(plan.units),
        price=first.price,
        is_priced=not order.is_free,
    )


def copy_of(unit: Unit) -> Unit:
    """Return another attempt at the unit, that has no node yet."""
    return attrs.evolve(
        unit,
        state=PENDING,
        attempt=unit.next_attempt - 1,
        node=None,
        assigned_at=None,
        given_at=None,
        started_at=None,
        told=False,
        kept=False,
        reservation=None,
        ticket=0,
        is_copy=True,
    )


def of_row(row: OpenUnit) -> Unit:
    """Return the unit that a row describes, without its node."""
    return Unit(
        job=row.job,
        number=row.unit,
        user=row.user,
        plan=row.plan,
        queued_at=row.queued_at,
        state=row.state,
        attempt=row.attempt,
        avoid=row.avoid,
        failures=row.failures,
        not_before=row.not_before,
        assigned_at=row.assigned_at,
        place=row.place,
        frames=row.frames,
        tile=row.tile,
        parts=row.parts,
        priority=row.priority,
        barred=row.barred,
        units=row.units,
        price=row.price,
        started_at=row.started_at,
        copied=row.copied,
        is_copy=row.is_copy,
        paused=row.paused == "owner",
        faults=row.faults,
        unsent=row.unsent,
        answered=row.answered,
        needs_memory=row.needs_memory,
        needs_opengl=row.needs_opengl,
        is_priced=row.price > 0 or bool(row.parts),
    )


NO_KINDS: Counter[RequestKind] = Counter()


@attrs.frozen
class DormantJob:
    """An open job without open units here: it is paused, or waits for verdicts."""

    user: UUID
    is_free: bool
    kind: RequestKind


class Units(UserDict[UnitKey, Unit]):
    """Open units by job and number, and those of new jobs that are being committed.

    A job whose last unit is removed counts as open until ``forget``: its owner may have paused it.
    ``dormant`` are such jobs.
    """

    def __init__(self) -> None:
        self._open: dict[UUID, set[UUID]] = {}  # user -> open jobs
        self._of: dict[UUID, dict[UnitKey, Unit]] = {}  # job -> units
        self._priced: Counter[UUID] = Counter()  # job -> number of units that cost something
        self._free: Counter[UUID] = Counter()  # user -> number of open jobs that cost nothing
        self._kinds: dict[UUID, Counter[RequestKind]] = {}  # user -> number of units by kind
        self._kind_of: dict[UnitKey, RequestKind] = {}  # the kind that was counted
        self.dormant: dict[UUID, DormantJob] = {}  # by job
        super().__init__()

    def jobs_of(self, user: UUID) -> int:
        """Return how many jobs of a user are open."""
        return len(self._open.get(user, ()))

    @property
    def jobs(self) -> Set[UUID]:
        """The jobs with open units here."""
        return self._of.keys()

    def free_jobs_of(self, user: UUID) -> int:
        """Return how many open jobs of a user cost nothing, as far as is known here."""
        return self._free[user]

    def kinds_of(self, user: UUID) -> Set[RequestKind]:
        """Return the kinds of the units of a user's open jobs."""
        return self._kinds.get(user, NO_KINDS).keys()

    def of(self, job: UUID) -> Collection[Unit]:
        """Return the open units of a job."""
        return self._of.get(job, {}).values()

    def rest(self, job: UUID, dormant: DormantJob) -> None:
        """Count a job as open that has no units here."""
        if job in self._of or job in self.dormant:
            return
        self.dormant[job] = dormant
        self._open.setdefault(dormant.user, set()).add(job)
        self._add_free(dormant.user, int(dormant.is_free))
        self._add_kind(dormant.user, dormant.kind)

    def forget(self, job: UUID) -> None:
        """Stop counting a dormant job: it has ended."""
        dormant = self.dormant.pop(job, None)
        if dormant is not None:
            self._close(dormant.user, job)
            self._add_free(dormant.user, -int(dormant.is_free))
            self._remove_kind(dormant.user, dormant.kind)

    def __setitem__(self, key: UnitKey, unit: Unit) -> None:
        before = self.data.get(key)
        if before is unit:
            return
        if before is not None:
            del self[key]
        self.forget(unit.job)  # it is counted by its units now
        self.data[key] = unit
        was_free = self._is_free(unit.job)
        self._of.setdefault(unit.job, {})[key] = unit
        self._open.setdefault(unit.user, set()).add(unit.job)
        self._priced[unit.job] += unit.is_priced
        self._count_free(unit, was_free)
        self._kind_of[key] = unit.kind
        self._add_kind(unit.user, unit.kind)

    def __delitem__(self, key: UnitKey) -> None:
        unit = self.data.pop(key)
        was_free = self._is_free(unit.job)
        del self._of[unit.job][key]
        self._priced[unit.job] -= unit.is_priced
        if not self._of[unit.job]:
            del self._of[unit.job], self._priced[unit.job]
            self._close(unit.user, unit.job)
        self._count_free(unit, was_free)
        kind = self._kind_of.pop(key)
        self._remove_kind(unit.user, kind)
        if unit.state != PENDING:
            self.rest(unit.job, DormantJob(unit.user, was_free, kind))

    def _is_free(self, job: UUID) -> bool:
        return job in self._of and not self._priced[job]

    def _count_free(self, unit: Unit, was_free: bool) -> None:
        self._add_free(unit.user, self._is_free(unit.job) - was_free)

    def _close(self, user: UUID, job: UUID) -> None:
        self._open[user].discard(job)
        if not self._open[user]:
            del self._open[user]

    def _add_free(self, user: UUID, number: int) -> None:
        self._free[user] += number
        if not self._free[user]:
            del self._free[user]

    def _add_kind(self, user: UUID, kind: RequestKind) -> None:
        self._kinds.setdefault(user, Counter())[kind] += 1

    def _remove_kind(self, user: UUID, kind: RequestKind) -> None:
        kinds = self._kinds[user]
        kinds[kind] -= 1
        if not kinds[kind]:
            del kinds[kind]
        if not kinds:
            del self._kinds[user]

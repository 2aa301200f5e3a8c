"""Open units of work, their reservations and commits, and the index of all open units by job and
by user.
"""

from collections import Counter, UserDict, defaultdict
from collections.abc import Collection, Set
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.effects import Effect, JobInsert, UnitAssign, UnitCopy, UnitRequeue
from actors.ledger.messages import Commit, IdempotencyKey, Outcome, Posted, Replayed, UnitState
from actors.scheduler.messages import Assignment, Dispatch
from actors.scheduler.node import (
    NO_LACK,
    NOTHING,
    Lacked,
    Node,
    Requirements,
    UnitKey,
    raised_requirements,
    requirements_of,
)
from rendertrust.job_status import AT_WORK, UnitStatus
from sql.job_plan import JobPlan, with_margin
from sql.unit_retry_policy import tries, wait_seconds
from sql.units import ANY, OpenUnit, UnitFacts

UnitOrder: TypeAlias = tuple[int, datetime, int, bool, int]  # a unit's place among its user's units
Age: TypeAlias = tuple[int, int]
# state of a new job's first unit, or of a speculative attempt, that is being committed
PENDING: Final = "PENDING"
SchedulerStatus: TypeAlias = UnitStatus | Literal["PENDING"]

# The order of the states of one attempt, which only advances; the next attempt begins again.
_STEP: Final = {"DISPATCHED": 1, "RUNNING": 2, "QUEUED": 3}
_ENDED: Final = 4
_LACKED: Final = attrgetter("needs_memory", "needs_opengl", "needs_vram", "needs_scripts")
_LEARNED: Final = attrgetter(
    *("needs_memory", "needs_opengl", "needs_vram", "needs_scripts", "vram_used")
)
# Returns the facts of a row in their order, faster than field by field.
_FACTS: Final = attrgetter(*(field.name for field in attrs.fields(UnitFacts)))


# -- what a unit asks of a node


@attrs.frozen(cache_hash=True)
class RequestKind:
    """The kind of a unit: all that decides which nodes can do it. Units of a kind wait in one line.

    ``many``: its job has several units, which nodes that send no hello cannot distinguish.
    ``asked``: the job's requirements, if ``needs`` were raised by what nodes lacked.
    """

    job_type: str
    pool: str = ANY
    many: bool = False
    needs: Requirements = NOTHING
    asked: Requirements | None = None

    @property
    def as_asked(self) -> "RequestKind":
        """The same kind with the requirements that the job asked for."""
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
    turn: UnitOrder | None = None
    is_final: bool = False


def kind_of(
    plan: JobPlan, *, many: bool, lacked: Lacked = NO_LACK, vram_used: int = 0
) -> RequestKind:
    """Return the kind of a unit.

    ``lacked``: what nodes lacked for it. ``vram_used``: the graphics memory that nodes measured of
    the job's units, which replaces the plan's estimate.
    """
    named = plan.spec.needs is not None and plan.spec.needs.blender is not None
    card_bytes = with_margin(vram_used) if vram_used else plan.card_bytes
    asked = requirements_of(
        plan.needs, or_newer=plan.spec.or_newer, undeclared=not named, card_bytes=card_bytes
    )
    needs = raised_requirements(asked, lacked)
    asked_besides = None if needs == asked else asked
    return RequestKind(plan.job_type, plan.spec.pool, many, needs, asked_besides)


def unit_order(
    priority: int, queued_at: datetime, job: UUID, place: int, *, elsewhere: bool = False
) -> UnitOrder:
    """Return a unit's sort key among its user's units, the least first; priority matters most.

    Within a job, the units that other gateways place first (``elsewhere``) come last and in reverse
    order.
    """
    return (-priority, queued_at, job.int, elsewhere, -place if elsewhere else place)


# -- a unit


def age(state: SchedulerStatus, attempt: int) -> Age:
    """Return a unit's age: of two reports, the one with the greater age is newer."""
    return (attempt, 0 if state == PENDING else _STEP.get(state, _ENDED))


def key_of(state: UnitState) -> tuple[UUID, int]:
    return (state.job, state.unit)


@attrs.define(eq=False)
class Reservation:
    """A slot that is held while the Ledger commits the assignment, until ``expires`` at most.

    ``node`` None: the commit only queues a new job. ``is_recall``: the slot is held while the
    session of the unit's present node is asked to return the unit; nothing is committed yet.
    """

    node: Node | None
    attempt: int
    expires: float  # seconds of the monotonic clock
    is_recall: bool = False


@attrs.define(eq=False)
class Unit(UnitFacts):
    """A unit that has not ended.

    ``assigned_at`` is by this gateway's clock if ``given_at`` is set. ``ticket`` is its entry in a
    queue, or 0. ``is_at_session``: its node's session has this attempt. ``recall_refused``: its
    node has received it, so it is not recalled again.
    """

    state: SchedulerStatus = PENDING
    node: Node | None = None
    given_at: float | None = None  # monotonic time of the assignment, if this gateway made it
    is_at_session: bool = False
    recall_refused: bool = False
    reservation: Reservation | None = None
    ticket: int = 0
    paused: bool = False  # the job's owner paused it
    elsewhere: bool = False  # another gateway places it first
    is_priced: bool = False  # it, or a unit from which it is assembled, costs something
    _kind: RequestKind | None = attrs.field(default=None, init=False, repr=False)

    @property
    def key(self) -> UnitKey:
        return (self.job, self.number)

    @property
    def job_type(self) -> str:
        return self.plan.job_type

    @property
    def payload_ref(self) -> str:
        """The job's payload, which names the input that nodes may have in their caches."""
        return self.plan.payload_ref

    @property
    def kind(self) -> RequestKind:
        """The unit's kind, which decides in which line it waits."""
        if self._kind is None:
            self._kind = kind_of(
                self.plan,
                many=self.units > 1,
                lacked=self.lacked,
                vram_used=self.vram_used,
            )
        return self._kind

    @property
    def lacked(self) -> Lacked:
        """Return what nodes lacked for this unit."""
        return Lacked(*_LACKED(self))

    def learn(self, row: OpenUnit) -> None:
        """Store what nodes lacked or measured since, for further copies.

        A unit in a queue is left unchanged, as its kind must not change there.
        """
        if not self.ticket and _LEARNED(row) != _LEARNED(self):
            self.needs_memory, self.needs_opengl = row.needs_memory, row.needs_opengl
            self.needs_vram, self.needs_scripts = row.needs_vram, row.needs_scripts
            self.vram_used = row.vram_used
            self._kind = None

    @property
    def demand(self) -> PlacementRequest:
        """The unit's request for a node."""
        return PlacementRequest(self.kind, self.user, self.payload_ref, self.turn, self.is_final)

    @property
    def is_final(self) -> bool:
        """True if nodes failed the unit, and the next failure that a node causes ends it."""
        least = wait_seconds(
            failures=self.failures,
            faults=self.faults,
            tried=tries(self.next_attempt, self.unsent),
            is_nodes=True,
        )
        return bool(self.avoid) and least is None

    @property
    def turn(self) -> UnitOrder:
        """The unit's place among its user's units, the least first."""
        of = (self.priority, self.queued_at, self.job, self.place)
        return unit_order(*of, elsewhere=self.elsewhere)

    @property
    def next_attempt(self) -> int:
        """The lowest attempt number that was never used."""
        return max(self.attempt, self.copied) + 1

    @property
    def age(self) -> Age:
        return age(self.state, self.attempt)

    @property
    def shuns(self) -> frozenset[UUID]:
        """The nodes that get the unit only if no other node can do it."""
        return self.avoid | self.barred

    @property
    def active_since(self) -> datetime:
        """Time when the attempt was started, or assigned if that was later."""
        return max(at for at in (self.assigned_at, self.started_at) if at is not None)

    @property
    def waits(self) -> bool:
        """True if the unit waits to be placed."""
        return self.state == "QUEUED" and self.reservation is None

    @property
    def is_recalled(self) -> bool:
        """True while the session of the unit's node is asked to return it for another node."""
        return self.reservation is not None and self.reservation.is_recall

    @property
    def is_unreachable(self) -> bool:
        """True if the unit's node never received it and has no session at this gateway."""
        return (
            self.state == "DISPATCHED"
            and not self.is_copy
            and not self.is_at_session
            and self.reservation is None
            and self.node is not None
            and self.node.session is None
        )

    def assignment(self, pool: str = ANY, *, is_trusted: bool = False) -> Assignment:
        """Return the assignment for its node; ``pool``: whose work it is for the node;
        ``is_trusted``: its creator trusts the node.
        """
        assert self.state != PENDING, "a unit with a node is assigned"
        return Assignment(
            *_FACTS(self),
            state=self.state,
            given_at=self.given_at,
            paused=self.paused,
            pool=pool,
            is_trusted=is_trusted,
        )


@attrs.frozen
class AssignmentTag:
    """The tag of a commit that assigns ``unit`` to ``node``; node None: it only queues the job.

    ``beside``: if ``unit`` is a speculative attempt, the number of the attempt that it runs beside.
    """

    unit: Unit
    node: UUID | None
    attempt: int
    beside: int = 0


def commit_of_dispatch(order: Dispatch, tag: AssignmentTag, observer: Ref[Any]) -> Commit:
    """Return the commit of a new job, with an idempotency key and, given a node, an assignment."""
    # The plan of the unit has the device class that was chosen.
    insert = attrs.evolve(order.insert, plan=tag.unit.plan)
    effects: tuple[Effect, ...] = (insert,)
    if tag.node is not None:
        effects = (insert, UnitAssign(insert.job, 0, tag.attempt, tag.node))
    return Commit(
        effects=effects,
        idempotency=_key(order, tag),
        observer=observer,
        tag=tag,
        act=order.act,
    )


def commit_of_waiting(tag: AssignmentTag, observer: Ref[Any]) -> Commit:
    """Return the commit that assigns a unit of an existing job.

    An unreachable unit is first requeued in the same commit, as an unsent attempt.
    """
    assert tag.node is not None, "a waiting unit's commit assigns it to a node"
    unit = tag.unit
    if unit.is_copy:
        copy = UnitCopy(unit.job, unit.number, tag.attempt, tag.node, tag.beside)
        return Commit(effects=(copy,), observer=observer, tag=tag)
    effects: tuple[Effect, ...] = (UnitAssign(unit.job, unit.number, tag.attempt, tag.node),)
    if unit.state in AT_WORK:
        reason = "its node cannot be reached"
        requeue = UnitRequeue(
            unit.job, unit.number, unit.attempt, reason, unsent=True, unheard=True
        )
        effects = (requeue, *effects)
    return Commit(effects=effects, observer=observer, tag=tag)


def is_committed(tag: AssignmentTag, outcome: Outcome) -> bool:
    """Return whether the books contain the assignment, from this commit or an earlier try.

    False if the Ledger paused the job instead, because the unit would exceed its cap.
    """
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        body: Any = outcome.answer.get("body")
        return isinstance(body, dict) and body.get("job_id") == str(tag.unit.job)
    if not isinstance(outcome, Posted | Replayed):
        return False
    states = [state for state in outcome.units if key_of(state) == tag.unit.key]
    found = {(u.copied, u.copy_node) if tag.unit.is_copy else (u.attempt, u.node) for u in states}
    is_so = (tag.attempt, tag.node) in found
    return is_so or (isinstance(outcome, Posted) and not found)


def _key(order: Dispatch, tag: AssignmentTag) -> IdempotencyKey | None:
    if order.idempotency is None:
        return None
    key, request = order.idempotency
    placed = tag.node is not None
    body = {
        "job_id": str(order.insert.job),
        "node_id": str(tag.node) if placed else None,
        "status": "DISPATCHED" if placed else "QUEUED",
    }
    answer = {"status": 200 if placed else 202, "body": body}
    return IdempotencyKey(order.insert.user, key, request, answer)


def of_insert(insert: JobInsert, now: datetime) -> Unit:
    """Return the first unit of a new job."""
    plan, first = insert.plan, insert.plan.units[0]
    return Unit(
        job=insert.job,
        number=0,
        user=insert.user,
        plan=plan,
        queued_at=now,
        place=first.place,
        frames=first.frames,
        tile=first.tile,
        priority=plan.priority,
        units=len(plan.units),
        price=first.price,
        is_priced=not insert.is_free,
    )


def copy_of(unit: Unit) -> Unit:
    """Return a speculative attempt at the unit, without a node yet."""
    return attrs.evolve(
        unit,
        state=PENDING,
        attempt=unit.next_attempt - 1,
        node=None,
        assigned_at=None,
        given_at=None,
        started_at=None,
        is_at_session=False,
        recall_refused=False,
        reservation=None,
        ticket=0,
        is_copy=True,
    )


def of_row(row: OpenUnit) -> Unit:
    """Return the unit that a row describes, without its node."""
    unit = Unit(*_FACTS(row))
    unit.state, unit.paused = row.state, row.paused == "owner"
    unit.is_priced = row.price > 0 or bool(row.parts)
    return unit


NO_KINDS: Counter[RequestKind] = Counter()


@attrs.frozen
class DormantJob:
    """An open job without open units here: it is paused, or waits for verdicts."""

    user: UUID
    is_free: bool
    kind: RequestKind


class Units(UserDict[UnitKey, Unit]):
    """Open units by job and number, and those of new jobs that are being committed.

    A job whose last unit is removed is ``dormant``: it counts as open until ``forget``, as its
    owner may have paused it.
    """

    def __init__(self) -> None:
        self._open: dict[UUID, set[UUID]] = {}  # user -> open jobs
        self._of: dict[UUID, dict[UnitKey, Unit]] = {}  # job -> units
        self._priced: Counter[UUID] = Counter()  # job -> number of units that cost something
        self._free: Counter[UUID] = Counter()  # user -> number of open jobs that cost nothing
        # user -> number of units by kind
        self._kinds: defaultdict[UUID, Counter[RequestKind]] = defaultdict(Counter)
        self._kind_of: dict[UnitKey, RequestKind] = {}  # unit -> its kind in ``_kinds``
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
        """Return how many open jobs of a user cost nothing, as far as their units are known."""
        return self._free[user]

    def kinds_of(self, user: UUID) -> Set[RequestKind]:
        """Return the kinds of the units of a user's open jobs."""
        return self._kinds.get(user, NO_KINDS).keys()

    def of(self, job: UUID) -> Collection[Unit]:
        """Return the open units of a job."""
        return self._of.get(job, {}).values()

    def add_dormant(self, job: UUID, dormant: DormantJob) -> None:
        """Count a job without units here as open."""
        if job in self._of or job in self.dormant:
            return
        self.dormant[job] = dormant
        self._open.setdefault(dormant.user, set()).add(job)
        self._add_free(dormant.user, int(dormant.is_free))
        self._add_kind(dormant.user, dormant.kind)

    def forget(self, job: UUID) -> None:
        """Stop counting a job as dormant: it has ended, or has units here again."""
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
        self.forget(unit.job)  # from now on the job is counted by its units
        self.data[key] = unit
        was_free = self._is_free(unit.job)
        self._of.setdefault(unit.job, {})[key] = unit
        self._open.setdefault(unit.user, set()).add(unit.job)
        self._priced[unit.job] += unit.is_priced
        self._count_free(unit, was_free)
        self._kind_of[key] = unit.kind
        self._add_kind(unit.user, unit.kind)

    def __delitem__(self, key: UnitKey) -> None:
        unit, was_free, kind = self._remove(key)
        if unit.state != PENDING:
            self.add_dormant(unit.job, DormantJob(unit.user, was_free, kind))

    def end(self, key: UnitKey) -> None:
        """Remove a unit whose job has ended."""
        self._remove(key)

    def _remove(self, key: UnitKey) -> tuple[Unit, bool, RequestKind]:
        """Remove a unit; return it, whether its job cost nothing, and its kind."""
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
        return unit, was_free, kind

    def _is_free(self, job: UUID) -> bool:
        return job in self._of and not self._priced[job]

    def _count_free(self, unit: Unit, was_free: bool) -> None:
        self._add_free(unit.user, self._is_free(unit.job) - was_free)

    def _close(self, user: UUID, job: UUID) -> None:
        self._open[user].discard(job)
        if not self._open[user]:
            del self._open[user]

    def _add_free(self, user: UUID, number: int) -> None:
        if number:
            self._free[user] += number
            if not self._free[user]:
                del self._free[user]

    def _add_kind(self, user: UUID, kind: RequestKind) -> None:
        self._kinds[user][kind] += 1

    def _remove_kind(self, user: UUID, kind: RequestKind) -> None:
        kinds = self._kinds[user]
        kinds[kind] -= 1
        if not kinds[kind]:
            del kinds[kind]
        if not kinds:
            del self._kinds[user]

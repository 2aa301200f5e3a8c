"""Jobs submitted, retried and cancelled, through the API or in the console.

A retry is a new job at today's price, held again: what was held for the old job was released when
it ended. Its id is derived from the old job's, so that two requests make one.
"""

import hashlib
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.messages import Commit, GuardFailed, JobCancel, JobInsert, Posted, Replayed
from actors.notifier.messages import Notifier, UnitsMoved
from actors.scheduler.messages import Dispatch, DispatchOutcome, Scheduler, UnitsChanged
from rendertrust import money
from rendertrust.frame_range import parse
from rendertrust.preflight.work import price_of as price_of_work
from sql.audit import Act
from sql.job_plan import JobPlan, NewUnit
from sql.jobs import JobOrder, PastJob
from web.gateway import Gateway
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.jobs.price_overruns import refusal_of
from web.money.ledger_client import commit, present

DISPATCH_SECONDS: Final = 2.0
CANCELLABLE: Final = ("QUEUED", "DISPATCHED")
MAYBE: Final = (*CANCELLABLE, "PAUSED")  # a paused one can be cancelled if it never ran
RETRYABLE: Final = ("FAILED", "CANCELLED")
NOT_FOUND: Final = Problem(404, "Job not found", code=RefusalCode.JOB_NOT_FOUND)
INACTIVE: Final = Problem(409, "Its user is deactivated", code=RefusalCode.USER_INACTIVE)
EXPIRED: Final = Problem(
    409,
    "Its input has expired; send it again, and submit a new job",
    code=RefusalCode.INPUT_EXPIRED,
)
FRAMES: Final = Problem(
    409, "A job of several units is submitted again, not retried", code=RefusalCode.JOB_OF_UNITS
)
PREFLIGHT: Final = "preflight"  # the type of free jobs that examine a scene
LOOK: Final = Problem(
    409,
    "It was a pre-flight: POST /jobs/preflight starts another",
    code=RefusalCode.JOB_IS_PREFLIGHT,
)


@attrs.frozen
class RetryOutcome:
    """The outcome of a retry: the new job, and whether it is new.

    A job of several units continues itself with its failed units; for all of those, ``missing``
    units of money are lacking.
    """

    job: UUID
    node: UUID | None
    status: str
    is_new: bool
    missing: int = 0


Outcome: TypeAlias = RetryOutcome | Problem | tuple[Dispatch, DispatchOutcome]


async def order(
    gateway: Gateway,
    user: UUID,
    plan: JobPlan,
    price_number: int,
    key: tuple[str, bytes] | None = None,
) -> tuple[Dispatch, DispatchOutcome]:
    """Submit the job; return the request and its outcome. Raises AskFailed, Unavailable.

    ``key``: of idempotency.
    """
    job = gateway.ports.random.uuid()
    dispatch = Dispatch(JobInsert(job, user, plan, price_number), idempotency=key)
    return dispatch, await asked(gateway, dispatch)


async def asked(gateway: Gateway, dispatch: Dispatch) -> DispatchOutcome:
    """Ask the Scheduler to dispatch it."""
    scheduler = gateway.registry.ref(Scheduler)
    return present(await scheduler.ask(dispatch, within=DISPATCH_SECONDS))


async def again(gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None = None) -> Outcome:
    """Do an ended job again; a refusal of the books is returned as it is.

    ``owner`` None: an admin retries any user's job, and the ``act`` is recorded. An admin may not
    spend more of a user's credits than the user agreed to.
    """
    row = await gateway.tables.jobs.past(job, owner)
    if row is None:
        return NOT_FOUND
    if row.retried_by is not None:
        return await _before(gateway, row)
    if row.status not in RETRYABLE:
        return Problem(
            409,
            f"Job is {row.status}; only {' and '.join(RETRYABLE)} jobs are retried",
            code=RefusalCode.JOB_NOT_RETRYABLE,
        )
    if row.units != 1:
        return FRAMES
    if row.plan.job_type == PREFLIGHT:  # its finding is stored, and it costs nothing
        return LOOK
    if (dearer := await refusal_of(gateway, row.id, (0,))) is not None:
        return dearer
    terms = await gateway.tables.jobs.terms(JobOrder(row.user_id, row.plan.job_type, None))
    if not terms.active:
        return INACTIVE
    if not await gateway.tables.retention.renew(row.id, row.user_id, gateway.ports.clock.now()):
        return EXPIRED
    price = _price_now(row, terms.in_pool(row.plan.spec.pool).price)
    if act is not None and act.actor_id != row.user_id and price > row.price:
        return _dearer(row, price)
    dispatch = _retry_of(row, price, terms.price_number, act)
    outcome = await asked(gateway, dispatch)
    if isinstance(outcome, Posted | Replayed) and outcome.units:
        unit = outcome.units[0]
        return RetryOutcome(
            dispatch.insert.job, unit.node, unit.job_status, isinstance(outcome, Posted)
        )
    return dispatch, outcome


def _price_now(row: PastJob, price: int) -> int:
    """Return the price of the same work today, where a frame costs ``price`` by the table."""
    if (pricing := row.plan.pricing) is not None:
        return price_of_work(pricing.work, price, pricing.pays_for)
    return price * (1 if row.frames is None else len(parse(row.frames)))


def _retry_of(row: PastJob, price: int, price_number: int, act: Act | None) -> Dispatch:
    job = retry_id(row.id)
    details = {"retried_by": str(job), "price": money.render(price)}
    spec = attrs.evolve(row.plan.spec, queue=True, priority="normal", max_credits=None)
    units = (NewUnit(price, frames=row.frames),)
    plan = attrs.evolve(row.plan, spec=spec, units=units)
    return Dispatch(
        JobInsert(job, row.user_id, plan, price_number, retry_of=row.id),
        act=None if act is None else attrs.evolve(act, details={**act.details, **details}),
    )


async def _before(gateway: Gateway, row: PastJob) -> RetryOutcome | Problem:
    """Return the retry that exists already."""
    assert row.retried_by is not None, "asked before"
    done = await gateway.tables.jobs.by_id(row.retried_by, row.user_id)
    return (
        NOT_FOUND
        if done is None
        else RetryOutcome(done.id, done.node_id, done.status, is_new=False)
    )


def _dearer(row: PastJob, price: int) -> Problem:
    was, now = money.render(row.price), money.render(price)
    return Problem(
        409,
        f"It cost {was}, and would cost {now} now; only its owner can retry it",
        code=RefusalCode.PRICE_CHANGED,
    )


def retry_id(job: UUID) -> UUID:
    """Return the id of a job's retry."""
    return UUID(bytes=hashlib.sha256(b"retry\n" + job.bytes).digest()[:16], version=4)


async def call_off(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None = None
) -> UUID | Problem:
    """Cancel a job that no node has begun; return its owner. ``owner`` None: any user's."""
    row = await gateway.tables.jobs.past(job, owner)
    if row is None:
        return NOT_FOUND
    if row.status not in MAYBE:
        return not_cancellable(row.status)
    order = Commit(effects=(JobCancel(job, row.user_id),), act=act)
    outcome = await commit(gateway, order)
    if isinstance(outcome, GuardFailed):
        return not_cancellable(outcome.found)  # it has begun since it was read
    if isinstance(outcome, Posted):
        gateway.registry.ref(Scheduler).tell(UnitsChanged(outcome.units))
        gateway.registry.ref(Notifier).tell(UnitsMoved(outcome.units))
    return row.user_id


def not_cancellable(status: str) -> Problem:
    """Return the refusal for a job that has begun, or ended."""
    return Problem(
        400,
        f"Job is {status}; only {' and '.join(CANCELLABLE)} jobs can be cancelled",
        code=RefusalCode.JOB_NOT_CANCELLABLE,
    )

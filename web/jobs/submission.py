"""Submission, retry and cancellation of jobs, for the API and the console.

A retry is a new job at the present price, which is held when the new job is submitted. The new
job's id is derived from the old job's id, so that two requests create only one job.
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
from rendertrust.preflight.frame_work import price_of as price_of_work
from sql.audit_log import Act
from sql.job_plan import JobPlan, NewUnit
from sql.jobs import JobOrder, PastJob
from web.gateway import Gateway
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.jobs.overrun_retry_refusal import refusal_of
from web.money.ledger_client import commit, present

DISPATCH_SECONDS: Final = 2.0
CANCELLABLE: Final = ("QUEUED", "DISPATCHED")
MAYBE_CANCELLABLE: Final = (*CANCELLABLE, "PAUSED")  # a paused job can be cancelled if it never ran
RETRYABLE: Final = ("FAILED", "CANCELLED")
NOT_FOUND: Final = Problem(404, "Job not found", code=RefusalCode.JOB_NOT_FOUND)
INACTIVE: Final = Problem(409, "The job's owner is deactivated", code=RefusalCode.USER_INACTIVE)
EXPIRED: Final = Problem(
    409,
    "The job's input has expired; upload it again, and submit a new job",
    code=RefusalCode.INPUT_EXPIRED,
)
SEVERAL_UNITS: Final = Problem(
    409,
    "A job of several units cannot be retried as a whole; submit it as a new job",
    code=RefusalCode.JOB_OF_UNITS,
)
PREFLIGHT: Final = "preflight"  # the type of free jobs that inspect a scene
IS_PREFLIGHT: Final = Problem(
    409,
    "The job is a preflight; start a new one with POST /jobs/preflight",
    code=RefusalCode.JOB_IS_PREFLIGHT,
)


@attrs.frozen
class RetryOutcome:
    """The outcome of a retry.

    ``job``: the job that retries, which is the same one for a job of several units. ``node``: the
    node to which the job is assigned. ``is_new``: this request started the retry. ``missing``: the
    credits that the owner lacks to retry all failed units.
    """

    job: UUID
    node: UUID | None
    status: str
    is_new: bool
    missing: int = 0


RetryAnswer: TypeAlias = RetryOutcome | Problem | tuple[Dispatch, DispatchOutcome]


async def submit_job(
    gateway: Gateway,
    user: UUID,
    plan: JobPlan,
    price_number: int,
    key: tuple[str, bytes] | None = None,
) -> tuple[Dispatch, DispatchOutcome]:
    """Submit a job; return the request and its outcome. Raises AskFailed, Unavailable.

    ``key``: an idempotency key, with the hash of the request that has this key.
    """
    job = gateway.ports.random.uuid()
    dispatch = Dispatch(JobInsert(job, user, plan, price_number), idempotency=key)
    return dispatch, await ask_scheduler(gateway, dispatch)


async def ask_scheduler(gateway: Gateway, dispatch: Dispatch) -> DispatchOutcome:
    """Ask the Scheduler to dispatch a job; return its answer."""
    scheduler = gateway.registry.ref(Scheduler)
    return present(await scheduler.ask(dispatch, within=DISPATCH_SECONDS))


async def retry_as_new_job(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None = None
) -> RetryAnswer:
    """Retry a failed or cancelled job of one unit as a new job.

    If the Ledger refuses the new job, its request and the refusal are returned. ``owner`` None: an
    admin retries any user's job, and the ``act`` is recorded. An admin cannot retry a job whose
    present price is above the price that the owner agreed to.
    """
    row = await gateway.tables.jobs.past(job, owner)
    if row is None:
        return NOT_FOUND
    if row.retried_by is not None:
        return await _earlier_retry(gateway, row)
    if row.status not in RETRYABLE:
        return Problem(
            409,
            f"Job is {row.status}; only {' and '.join(RETRYABLE)} jobs are retried",
            code=RefusalCode.JOB_NOT_RETRYABLE,
        )
    if row.units != 1:
        return SEVERAL_UNITS
    if row.plan.job_type == PREFLIGHT:
        return IS_PREFLIGHT
    if (underquoted := await refusal_of(gateway, row.id, (0,))) is not None:
        return underquoted
    terms = await gateway.tables.jobs.terms(JobOrder(row.user_id, row.plan.job_type, None))
    if not terms.active:
        return INACTIVE
    if not await gateway.tables.retention.renew(row.id, row.user_id, gateway.ports.clock.now()):
        return EXPIRED
    price = _price_now(row, terms.in_pool(row.plan.spec.pool).price)
    if act is not None and act.actor_id != row.user_id and price > row.price:
        return _price_rose(row, price)
    dispatch = _retry_of(row, price, terms.price_number, act)
    outcome = await ask_scheduler(gateway, dispatch)
    if isinstance(outcome, Posted | Replayed) and outcome.units:
        unit = outcome.units[0]
        return RetryOutcome(
            dispatch.insert.job, unit.node, unit.job_status, isinstance(outcome, Posted)
        )
    return dispatch, outcome


def _price_now(row: PastJob, price: int) -> int:
    """Return the present price of a job's work; ``price``: that of a frame in the price table."""
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


async def _earlier_retry(gateway: Gateway, row: PastJob) -> RetryOutcome | Problem:
    """Return the retry that exists already."""
    assert row.retried_by is not None, "the job was retried before"
    done = await gateway.tables.jobs.by_id(row.retried_by, row.user_id)
    return (
        NOT_FOUND
        if done is None
        else RetryOutcome(done.id, done.node_id, done.status, is_new=False)
    )


def _price_rose(row: PastJob, price: int) -> Problem:
    was, now = money.render(row.price), money.render(price)
    return Problem(
        409,
        f"The job cost {was} credits, and would cost {now} now; only its owner can retry it",
        code=RefusalCode.PRICE_CHANGED,
    )


def retry_id(job: UUID) -> UUID:
    """Return the id of a job's retry."""
    return UUID(bytes=hashlib.sha256(b"retry\n" + job.bytes).digest()[:16], version=4)


async def cancel_job(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None = None
) -> UUID | Problem:
    """Cancel a job that no node has begun; return its owner's id.

    ``owner`` None: an admin cancels any user's job.
    """
    row = await gateway.tables.jobs.past(job, owner)
    if row is None:
        return NOT_FOUND
    if row.status not in MAYBE_CANCELLABLE:
        return not_cancellable(row.status)
    request = Commit(effects=(JobCancel(job, row.user_id),), act=act)
    outcome = await commit(gateway, request)
    if isinstance(outcome, GuardFailed):
        return not_cancellable(outcome.found)  # the job began after its row was read
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

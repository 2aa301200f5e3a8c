"""Retry of failed work: jobs of one unit as new jobs, units of larger jobs in place.

A job of one unit is retried as a new job at the present price, which is held when the new job is
submitted. The new job's id is derived from the old job's id, so that two requests create only one
job.

A unit that failed because it takes far more work than quoted is not retried. The refusal names the
new price, which the creator accepts by submitting the frames as a new job.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.effects import JobInsert, UnitRetry
from actors.ledger.messages import InsufficientCredits, Posted, Replayed
from actors.scheduler.messages import Dispatch, DispatchOutcome
from rendertrust import money
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.frame_range import parse
from rendertrust.job_status import JobStatus
from rendertrust.job_types import is_preflight
from rendertrust.preflight.frame_work import price_of as price_of_work
from sql.audit_log import Act
from sql.job_plan import NewUnit
from sql.jobs import JobOrder, PagedUnit, PastJob
from sql.overruns import Underquoted, agreed
from web.gateway import Gateway
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND, commit_effects
from web.jobs.submission import ask_scheduler
from web.money.ledger_client import insufficient

RETRYABLE: Final = ("FAILED", "CANCELLED")
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
SEVERAL_CANCELLED: Final = Problem(
    409,
    "A cancelled job of several units must be submitted as a new job",
    code=RefusalCode.JOB_CANCELLED,
)
IS_PREFLIGHT: Final = Problem(
    409,
    "The job is a preflight; start a new one with POST /jobs/preflight",
    code=RefusalCode.JOB_IS_PREFLIGHT,
)
NONE_FAILED: Final = Problem(409, "No frame of the job failed", code=RefusalCode.NOTHING_FAILED)


@attrs.frozen
class RetryOutcome:
    """The outcome of a retry.

    ``job``: the job that retries, which is the same one for a job of several units. ``node``: the
    node to which the job is assigned. ``is_new``: this request started the retry. ``missing``: the
    credits that the owner lacks to retry all failed units.
    """

    job: UUID
    node: UUID | None
    status: JobStatus
    is_new: bool
    missing: int = 0


@attrs.frozen
class AffordableRetry:
    """The result of a retry: ``frames`` of the ``of`` failed frames (or chunks) are retried.

    ``missing``: the credits that the owner lacks to retry the other frames, too; 0 if all are
    retried.
    """

    frames: int
    of: int
    missing: int = 0

    @property
    def words(self) -> str:
        """A sentence with the number of retried frames, and the credits missing for the others."""
        are = "is" if self.frames == 1 else "are"
        return (
            f"{self.frames} of {self.of} failed frames {are} retried, in order."
            f" To retry the others, {money.credit_count(self.missing)} more must be available."
        )


RetryAnswer: TypeAlias = RetryOutcome | Problem | tuple[Dispatch, DispatchOutcome]


async def retry_job(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None, *, partly: bool = False
) -> RetryAnswer:
    """Retry a job: the failed units of a job of several units, any other job as a new job.

    ``owner`` None: an admin retries any user's job, and the ``act`` is recorded. ``partly``: if the
    credits do not suffice for all failed units, retry the first units that they suffice for.
    """
    row = await gateway.tables.jobs.past(job, owner)
    if row is None or row.units == 1:
        return await retry_as_new_job(gateway, job, owner, act)
    done = await retry_failed_units(gateway, row, act, partly=partly)
    if isinstance(done, Problem):
        return done
    return RetryOutcome(row.id, None, row.status, is_new=True, missing=done.missing)


async def retry_failed_units(
    gateway: Gateway, row: PastJob, act: Act | None, *, partly: bool = True
) -> Problem | AffordableRetry:
    """Retry all failed units of a job, except those that take far more than their quote.

    ``partly``: if the credits do not suffice for all these units, retry the first units for which
    they suffice.
    """
    if row.status == "CANCELLED":
        return SEVERAL_CANCELLED
    units = await gateway.tables.jobs.unit_page(row.id, -1, row.units)
    failed = [unit for unit in units if unit.state == "FAILED"]
    if not failed:
        return NONE_FAILED
    underquoted = await underquoted_units(gateway, row.id)
    # If all failed units are underquoted, the retry is refused for the first one's reason.
    some = [unit for unit in failed if unit.number not in underquoted] or failed
    refused = await _retry_all(gateway, row, some, act)
    if refused is None:
        return AffordableRetry(len(some), len(some))
    if refused.status != 402:
        return refused
    balance = await gateway.tables.credits.balance(row.user_id)
    available, price = balance.balance - balance.held, sum(unit.price for unit in some)
    chosen, done = affordable(some, available)
    if not partly or not chosen:
        return insufficient(InsufficientCredits(available, price))
    return await _retry_all(gateway, row, chosen, act) or done


async def retry_units(
    gateway: Gateway, job: UUID, user: UUID, numbers: Sequence[int], act: Act | None = None
) -> Problem | None:
    """Retry failed units of a job of the user; return why the retry is refused, or None."""
    if (underquoted := await underquoted_refusal(gateway, job, numbers)) is not None:
        return underquoted
    if not await gateway.tables.retention.renew(job, user, gateway.ports.clock.now()):
        return EXPIRED
    effects = [UnitRetry(job, number, user) for number in numbers]
    return await commit_effects(gateway, *effects, act=act)


async def _retry_all(
    gateway: Gateway, row: PastJob, units: Sequence[PagedUnit], act: Act | None
) -> Problem | None:
    numbers = [unit.number for unit in units]
    return await retry_units(gateway, row.id, row.user_id, numbers, act)


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
        return JOB_NOT_FOUND
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
    if is_preflight(row.plan.job_type):
        return IS_PREFLIGHT
    if (underquoted := await underquoted_refusal(gateway, row.id, (0,))) is not None:
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
    spec = attrs.evolve(
        row.plan.spec, queue=True, priority="normal", max_credits=None, name=row.name
    )
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
        JOB_NOT_FOUND
        if done is None
        else RetryOutcome(done.id, done.node_id, done.status, is_new=False)
    )


def _price_rose(row: PastJob, price: int) -> Problem:
    was, now = money.credit_count(row.price), money.format_amount(price)
    return Problem(
        409,
        f"The job cost {was}, and would cost {now} now; only its owner can retry it",
        code=RefusalCode.PRICE_CHANGED,
    )


def retry_id(job: UUID) -> UUID:
    """Return the id of a job's retry."""
    return UUID(bytes=hashlib.sha256(b"retry\n" + job.bytes).digest()[:16], version=4)


def affordable(
    failed: Sequence[PagedUnit], available: int
) -> tuple[Sequence[PagedUnit], AffordableRetry]:
    """Return the first failed units whose total price ``available`` covers, and the result.

    The failed tiles of a frame are retried together or not at all.
    """
    frames = [list(units) for _, units in groupby(sorted(failed, key=_frame), key=_frame)]
    chosen: list[PagedUnit] = []
    count, left = 0, available
    for units in frames:
        left -= sum(unit.price for unit in units)
        if left < 0:
            break
        chosen += units
        count += 1
    takes = sum(unit.price for unit in failed)
    return chosen, AffordableRetry(count, len(frames), max(0, takes - available))


def _frame(unit: PagedUnit) -> int:
    return unit.number if unit.feeds is None else unit.feeds


async def underquoted_units(gateway: Gateway, job: UUID) -> Mapping[int, Problem]:
    """Return the underquoted units of a job by number, each with the refusal to retry it.

    If a tile is underquoted, all tiles of its frame are refused. Raises Unavailable.
    """
    rows = await gateway.tables.preflights.underquoted(job)
    found: dict[int, Problem] = {}
    for _, each in groupby(rows, key=lambda row: row.overrun.unit):
        of_unit = list(each)
        needs = agreed(row.overrun for row in of_unit)
        if needs is not None:
            found |= dict.fromkeys(of_unit[0].together, _too_much_work(of_unit[0], needs))
    return found


async def underquoted_refusal(gateway: Gateway, job: UUID, units: Sequence[int]) -> Problem | None:
    """Return why these units cannot be retried together; None if they can. Raises Unavailable."""
    refused = await underquoted_units(gateway, job) if units else {}
    return next((refused[unit] for unit in units if unit in refused), None)


def _too_much_work(row: Underquoted, needs: int) -> Problem:
    """Return the refusal for a unit that takes ``needs`` percent of its quoted work."""
    was, new = money.format_amount(row.price), money.format_amount(-(-row.price * needs // 100))
    price = money.credit_count(row.price)
    frames = row.overrun.frames
    one = frames is None or len(parse(frames)) == 1
    named = f"frame{'' if one else 's'} {frames}" if frames is not None else "it"
    words = (
        f"On nodes of three owners the unit took about {needs / 100:.1f} times its quote, so it is"
        f" not retried at {price}; it costs about {new} now. Submit {named} again, as a"
        " separate job, at the new quote; or lower its samples or size"
    )
    extra = {"frames": frames, "price": was, "new_price": new}
    return Problem(409, words, extra=extra, code=RefusalCode.UNDERQUOTED)

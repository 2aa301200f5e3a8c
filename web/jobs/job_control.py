"""Changes to a job by its owner or an admin: the Ledger commits them, the Scheduler is informed."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from actors.ledger.messages import (
    Commit,
    GuardFailed,
    InsufficientCredits,
    JobPause,
    JobResume,
    OfJob,
    Posted,
    Replayed,
    UnitRetry,
    UnitState,
)
from actors.notifier.messages import Notifier, ToOthers, UnitsMoved
from actors.scheduler.messages import JobPaused, JobsChanged, Scheduler, UnitsChanged
from sql.audit_log import Act
from sql.jobs import PagedUnit, PastJob
from web.gateway import Gateway
from web.http.operations import Call
from web.http.problem import Problem, unavailable
from web.http.refusal_code import RefusalCode
from web.jobs.affordable_retry import AffordableRetry, affordable
from web.jobs.overrun_retry_refusal import refusal_of, refused_of
from web.jobs.submission import NOT_FOUND, RetryAnswer, RetryOutcome, retry_as_new_job
from web.money.ledger_client import commit, insufficient

NO_UNIT: Final = Problem(404, "Unit not found", code=RefusalCode.UNIT_NOT_FOUND)
AT_CAP: Final = Problem(
    409,
    "The job has reached its max_credits: raise max_credits to continue",
    code=RefusalCode.AT_MAX_CREDITS,
)
SPENT: Final = Problem(
    409,
    "The job has already committed more than max_credits",
    code=RefusalCode.MAX_CREDITS_COMMITTED,
)
STOPPED: Final = Problem(
    409, "Job was stopped; it ends once its last results are verified", code=RefusalCode.JOB_STOPPED
)
NONE_FAILED: Final = Problem(409, "No frame of the job failed", code=RefusalCode.NOTHING_FAILED)
SEVERAL_CANCELLED: Final = Problem(
    409,
    "A cancelled job of several units must be submitted as a new job",
    code=RefusalCode.JOB_CANCELLED,
)
_AGAIN: Final = unavailable("The job has changed; try again", code=RefusalCode.CHANGED_MEANWHILE)


async def commit_for_owner(call: Call[Any, Any], effect: OfJob) -> Problem | None:
    """Commit an effect on a job of the caller; return why it is refused, or None.

    Also return None if the effect was committed before. Raises AskFailed, Unavailable.
    """
    row = await call.gateway.tables.jobs.by_id(effect.job, call.caller)
    return NOT_FOUND if row is None else await commit_effects(call.gateway, effect)


async def commit_effects(
    gateway: Gateway, *effects: OfJob, act: Act | None = None
) -> Problem | None:
    """Commit effects on one job without checking the job's owner; return why the effects are
    refused, or None.

    ``act``: the audit record, if an admin makes the change.
    """
    retried = [effect.unit for effect in effects if isinstance(effect, UnitRetry)]
    if (underquoted := await refusal_of(gateway, effects[0].job, retried)) is not None:
        return underquoted
    outcome = await commit(gateway, Commit(effects=effects, act=act))
    if isinstance(outcome, InsufficientCredits):
        return insufficient(outcome)
    if isinstance(outcome, GuardFailed):
        return _refused(effects[0], outcome.found)
    if not isinstance(outcome, Posted | Replayed):
        return _AGAIN
    if isinstance(outcome, Posted):
        _tell(gateway, effects, outcome.units)
    return None


async def retry_job(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None, *, partly: bool = False
) -> RetryAnswer:
    """Retry a job: the failed units of a job of several units, any other job as a new job.

    ``owner`` None: an admin retries any user's job, and the ``act`` is recorded. ``partly``: if the
    credits do not suffice for all failed units, retry as many units as the credits suffice for.
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
    underquoted = await refused_of(gateway, row.id)
    # If all failed units are underquoted, the retry is refused for the first one's reason.
    some = [unit for unit in failed if unit.number not in underquoted] or failed
    refused = await _retry_units(gateway, row, some, act)
    if refused is None:
        return AffordableRetry(len(some), len(some))
    if refused.status != 402:
        return refused
    balance = await gateway.tables.credits.balance(row.user_id)
    available, price = balance.balance - balance.held, sum(unit.price for unit in some)
    chosen, done = affordable(some, available)
    if not partly or not chosen:
        return insufficient(InsufficientCredits(available, price))
    return await _retry_units(gateway, row, chosen, act) or done


async def _retry_units(
    gateway: Gateway, row: PastJob, units: Sequence[PagedUnit], act: Act | None
) -> Problem | None:
    wishes = [UnitRetry(row.id, unit.number, row.user_id) for unit in units]
    return await commit_effects(gateway, *wishes, act=act)


def _tell(gateway: Gateway, effects: Sequence[OfJob], units: tuple[UnitState, ...]) -> None:
    scheduler, notifier = gateway.registry.ref(Scheduler), gateway.registry.ref(Notifier)
    for effect in effects:
        if isinstance(effect, JobPause):
            scheduler.tell(JobPaused(effect.job))
            notifier.tell(ToOthers(JobPaused(effect.job)))
    scheduler.tell(UnitsChanged(units))
    scheduler.tell(JobsChanged(tuple({effect.job for effect in effects})))
    notifier.tell(UnitsMoved(units))


def _refused(effect: OfJob, found: str) -> Problem:
    if not found:
        return NO_UNIT
    if found == "CAP":
        return AT_CAP if isinstance(effect, JobResume) else SPENT
    if found == "STOPPED":
        return STOPPED
    if hasattr(effect, "unit"):
        if found == "CANCELLED":
            return Problem(409, "Job was cancelled", code=RefusalCode.JOB_CANCELLED)
        what = f"Unit is {found}; only FAILED units are retried"
        return Problem(409, what, code=RefusalCode.UNIT_NOT_FAILED)
    return Problem(409, f"Job is {found}; it has ended", code=RefusalCode.JOB_ENDED)

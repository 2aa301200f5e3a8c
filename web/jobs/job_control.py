"""Changes to a job by its owner or an admin: the Ledger commits them, the Scheduler is informed."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from actors.ledger.effects import JobCancel, JobPause, JobResume, OfJob
from actors.ledger.messages import (
    Commit,
    Found,
    GuardFailed,
    GuardReason,
    InsufficientCredits,
    Posted,
    Replayed,
    RowState,
    UnitState,
)
from actors.notifier.messages import Notifier, ToOthers, announce
from actors.scheduler.messages import JobPaused, JobsChanged, Scheduler
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.job_status import NOT_STARTED
from sql.audit_log import Act
from web.gateway import Gateway
from web.http.operations import Call
from web.http.problem import Problem, unavailable
from web.money.ledger_client import commit, insufficient

CANCELLABLE: Final = NOT_STARTED
MAYBE_CANCELLABLE: Final = (*CANCELLABLE, "PAUSED")  # a paused job can be cancelled if it never ran
JOB_NOT_FOUND: Final = Problem(404, "Job not found", code=RefusalCode.JOB_NOT_FOUND)
UNIT_NOT_FOUND: Final = Problem(404, "Unit not found", code=RefusalCode.UNIT_NOT_FOUND)
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
_AGAIN: Final = unavailable("The job has changed; try again", code=RefusalCode.CHANGED_MEANWHILE)


async def commit_for_owner(call: Call[Any, Any], effect: OfJob) -> Problem | None:
    """Commit an effect on a job of the caller; return why it is refused, or None.

    Also return None if the effect was committed before. Raises AskFailed, Unavailable.
    """
    row = await call.gateway.tables.jobs.by_id(effect.job, call.caller)
    return JOB_NOT_FOUND if row is None else await commit_effects(call.gateway, effect)


async def commit_effects(
    gateway: Gateway, *effects: OfJob, act: Act | None = None
) -> Problem | None:
    """Commit effects on one job without checking the job's owner; return why the effects are
    refused, or None.

    ``act``: the audit record, if an admin makes the change.
    """
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


async def cancel_job(
    gateway: Gateway, job: UUID, owner: UUID | None, act: Act | None = None
) -> UUID | Problem:
    """Cancel a job that no node has begun; return its owner's id.

    ``owner`` None: an admin cancels any user's job.
    """
    row = await gateway.tables.jobs.past(job, owner)
    if row is None:
        return JOB_NOT_FOUND
    if row.status not in MAYBE_CANCELLABLE:
        return _not_cancellable(row.status)
    request = Commit(effects=(JobCancel(job, row.user_id),), act=act)
    outcome = await commit(gateway, request)
    if isinstance(outcome, GuardFailed):
        if outcome.found is GuardReason.ABSENT:
            return JOB_NOT_FOUND
        return _not_cancellable(outcome.found)  # the job began after its row was read
    if isinstance(outcome, Posted):
        registry = gateway.registry
        announce(outcome.units, registry.ref(Scheduler), registry.ref(Notifier))
    return row.user_id


def _not_cancellable(status: str) -> Problem:
    """Return the refusal for a job that has begun, or ended."""
    return Problem(
        400,
        f"Job is {status}; only {' and '.join(CANCELLABLE)} jobs can be cancelled",
        code=RefusalCode.JOB_NOT_CANCELLABLE,
    )


def _tell(gateway: Gateway, effects: Sequence[OfJob], units: tuple[UnitState, ...]) -> None:
    scheduler, notifier = gateway.registry.ref(Scheduler), gateway.registry.ref(Notifier)
    for effect in effects:
        if isinstance(effect, JobPause):
            scheduler.tell(JobPaused(effect.job))
            notifier.tell(ToOthers(JobPaused(effect.job)))
    announce(units, scheduler, notifier)
    scheduler.tell(JobsChanged(tuple({effect.job for effect in effects})))


def _refused(effect: OfJob, found: Found) -> Problem:
    if found is GuardReason.ABSENT:
        return UNIT_NOT_FOUND
    if found is GuardReason.AT_CAP:
        return AT_CAP if isinstance(effect, JobResume) else SPENT
    if found is GuardReason.STOPPED:
        return STOPPED
    if hasattr(effect, "unit"):
        if found is RowState.CANCELLED:
            return Problem(409, "Job was cancelled", code=RefusalCode.JOB_CANCELLED)
        what = f"Unit is {found}; only FAILED units are retried"
        return Problem(409, what, code=RefusalCode.UNIT_NOT_FAILED)
    return Problem(409, f"Job is {found}; it has ended", code=RefusalCode.JOB_ENDED)

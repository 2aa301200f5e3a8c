"""Control of jobs: pause, resume, stop, rename, change priority or cap."""

from uuid import UUID

import attrs

from actors.ledger.effects import JobChange, JobPause, JobResume, JobStop, OfJob
from rendertrust import money
from rendertrust.api.jobs import Job
from rendertrust.job_name import JobName, trimmed
from rendertrust.job_spec import Priority
from rendertrust.value_types import Amount
from sql.job_plan import PRIORITIES
from web.http.operations import Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.jobs.job_control import JOB_NOT_FOUND, commit_for_owner
from web.jobs.job_view import in_full
from web.openapi.examples import jobs as examples

operations = Operations(absent=JOB_NOT_FOUND)
REFUSALS = {409: "The job has ended"}
NOTHING = invalid([Fault("", "missing", "give name, priority or max_credits")])
UNSAID = ""  # marks an absent amount: an absent amount keeps the cap, null removes the cap


@attrs.frozen
class JobWish:
    """Changes of a job. A job that has ended can only be renamed.

    ``max_credits``: the job pauses before it would cost more; null removes the cap.
    """

    name: JobName | None = None
    priority: Priority | None = None
    max_credits: Amount | None = attrs.field(
        factory=lambda: UNSAID
    )  # a plain default would appear in the schema


@operations.post(
    "/api/v1/jobs/{job_id}/pause",
    scope=Scope.JOBS_WRITE,
    refusals=REFUSALS,
    example=examples.PAUSED_JOB,
)
async def pause(call: Call) -> Job | Problem:
    """Pause a job: no new units begin; running units are finished."""
    return await _done(call, JobPause(call.ids["job_id"], call.caller))


@operations.post(
    "/api/v1/jobs/{job_id}/resume",
    scope=Scope.JOBS_WRITE,
    refusals={**REFUSALS, 409: "The job has ended, or is at its max_credits: raise it to continue"},
    example=examples.MANY,
)
async def resume(call: Call) -> Job | Problem:
    """Resume a paused job; if the job is at its cap, raise ``max_credits`` first."""
    return await _done(call, JobResume(call.ids["job_id"], call.caller))


@operations.post(
    "/api/v1/jobs/{job_id}/stop",
    scope=Scope.JOBS_WRITE,
    refusals=REFUSALS,
    example=examples.STOPPED_JOB,
)
async def stop(call: Call) -> Job | Problem:
    """Stop a job: complete units are kept and stay charged; other holds are released.

    Delivered units that are being verified are charged if valid; until then the job is ``PAUSED``
    with ``paused`` = ``stopped``. ``loose_tiles`` gives the number and the cost of delivered tiles
    whose frames cannot be completed; these tiles can be downloaded.
    """
    return await _done(call, JobStop(call.ids["job_id"], call.caller))


@operations.patch(
    "/api/v1/jobs/{job_id}",
    scope=Scope.JOBS_WRITE,
    refusals={**REFUSALS, 409: "The job has ended, or has already committed more than max_credits"},
    request_example=examples.JOB_WISH,
    example=examples.MANY,
)
async def change(call: Call[JobWish]) -> Job | Problem:
    """Rename a job, or change priority or ``max_credits`` of an open job; null removes the cap.

    If the change of priority or cap is refused, the job is not renamed either.
    """
    wish, job = call.body, call.ids["job_id"]
    if wish.name is None and wish.priority is None and wish.max_credits == UNSAID:
        return NOTHING
    if wish.priority is not None or wish.max_credits != UNSAID:
        priority = None if wish.priority is None else PRIORITIES[wish.priority]
        cap = money.parse(wish.max_credits) if wish.max_credits else None
        effect = JobChange(job, call.caller, priority, cap, uncapped=wish.max_credits is None)
        refused = await commit_for_owner(call, effect)
        if refused is not None:
            return refused
    if wish.name is not None:
        await call.gateway.tables.jobs.rename(job, call.caller, trimmed(wish.name))
    return await _now(call, job)


async def _done(call: Call | Call[JobWish], effect: OfJob) -> Job | Problem:
    """Apply the effect and return the job."""
    refused = await commit_for_owner(call, effect)
    if refused is not None:
        return refused
    return await _now(call, effect.job)


async def _now(call: Call | Call[JobWish], job: UUID) -> Job | Problem:
    row = await call.gateway.tables.jobs.by_id(job, call.caller)
    return JOB_NOT_FOUND if row is None else await in_full(call.gateway, call.caller, row)

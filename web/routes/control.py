"""A job while it is open: paused, resumed, stopped, its priority and its cap changed."""

import attrs

from actors.ledger.messages import JobChange, JobPause, JobResume, JobStop, OfJob
from rendertrust import money
from web.http.amounts import Amount
from web.http.operations import Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.http.refusal_code import RefusalCode
from web.jobs.job_control import controlled
from web.jobs.submission import NOT_FOUND
from web.jobs.validation import PRIORITIES, Priority
from web.openapi.examples import jobs as examples
from web.routes.jobs import Job, in_full

operations = Operations()
REFUSALS = {404: "Job not found", 409: "The job has ended"}
NOTHING = invalid([Fault("", "missing", "name priority, max_credits, or both")])
UNSAID = ""  # no amount: what is left out stays, and what is null is taken away


@attrs.frozen
class JobWish:
    """``max_credits``: the job pauses before it would cost more; null takes the cap away."""

    priority: Priority | None = None
    max_credits: Amount | None = attrs.field(factory=lambda: UNSAID)  # a default would be shown


@operations.post(
    "/api/v1/jobs/{job_id}/pause",
    scope=Scope.JOBS_WRITE,
    answers={200: Job},
    refusals=REFUSALS,
    absent="Job not found",
    absent_code=RefusalCode.JOB_NOT_FOUND,
    rate="write",
    example=examples.PAUSED_JOB,
)
async def pause(call: Call) -> Job | Problem:
    """Begin nothing more of a job; what nodes have of it they finish."""
    return await _done(call, JobPause(call.ids["job_id"], call.caller))


@operations.post(
    "/api/v1/jobs/{job_id}/resume",
    scope=Scope.JOBS_WRITE,
    answers={200: Job},
    refusals={**REFUSALS, 409: "The job has ended, or is at its max_credits: raise it to go on"},
    absent="Job not found",
    absent_code=RefusalCode.JOB_NOT_FOUND,
    rate="write",
    example=examples.MANY,
)
async def resume(call: Call) -> Job | Problem:
    """Go on with a job that was paused; of one that is at its cap raise ``max_credits`` first."""
    return await _done(call, JobResume(call.ids["job_id"], call.caller))


@operations.post(
    "/api/v1/jobs/{job_id}/stop",
    scope=Scope.JOBS_WRITE,
    answers={200: Job},
    refusals=REFUSALS,
    absent="Job not found",
    absent_code=RefusalCode.JOB_NOT_FOUND,
    rate="write",
    example=examples.STOPPED_JOB,
)
async def stop(call: Call) -> Job | Problem:
    """End a job: units that are complete stay, and stay paid; what is held for others goes back.

    What was delivered and is being checked is paid if it is right: until then the job is
    ``PAUSED``, as it was ``stopped``. ``loose_tiles`` says what delivered tiles cost whose frames
    will not come to be; they can be downloaded.
    """
    return await _done(call, JobStop(call.ids["job_id"], call.caller))


@operations.patch(
    "/api/v1/jobs/{job_id}",
    scope=Scope.JOBS_WRITE,
    body=JobWish,
    answers={200: Job},
    refusals={**REFUSALS, 409: "The job has ended, or more than max_credits is spent already"},
    absent="Job not found",
    absent_code=RefusalCode.JOB_NOT_FOUND,
    rate="write",
    request_example=examples.JOB_WISH,
    example=examples.MANY,
)
async def change(call: Call[JobWish]) -> Job | Problem:
    """Another priority, or another ``max_credits``, of an open job; null: it has no cap."""
    wish = call.body
    if wish.priority is None and wish.max_credits == UNSAID:
        return NOTHING
    priority = None if wish.priority is None else PRIORITIES[wish.priority]
    cap = money.parse(wish.max_credits) if wish.max_credits else None
    uncapped = wish.max_credits is None
    return await _done(call, JobChange(call.ids["job_id"], call.caller, priority, cap, uncapped))


async def _done(call: Call | Call[JobWish], effect: OfJob) -> Job | Problem:
    """The job, once that is done to it."""
    refused = await controlled(call, effect)
    if refused is not None:
        return refused
    row = await call.gateway.jobs.by_id(effect.job, call.caller)
    return NOT_FOUND if row is None else await in_full(call, row)

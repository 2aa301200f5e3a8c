"""What nodes said of a job's units, and why those failed."""

from typing import Annotated

import attrs
from msgspec import Meta

from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.jobs.attempt_logs import Attempt, attempts_of
from web.jobs.submission import NOT_FOUND
from web.openapi.examples import jobs as examples
from web.routes.units import NUMBER_MAX

operations = Operations()


@attrs.frozen
class LogQuery:
    """``unit``: of that one alone."""

    unit: Annotated[int, Meta(ge=0, le=NUMBER_MAX)] | None = None


@attrs.frozen
class JobLog:
    """The last 20 attempts that failed and the last 20 that ended well, oldest first, then those
    that something is heard of.
    """

    attempts: list[Attempt]


@operations.get(
    "/api/v1/jobs/{job_id}/log",
    scope=Scope.JOBS_READ,
    query=LogQuery,
    answers={200: JobLog},
    refusals={404: "Job not found"},
    rate="read",
    absent="Job not found",
    absent_code=RefusalCode.JOB_NOT_FOUND,
    example=examples.JOB_LOG,
)
async def log(call: Call[None, LogQuery]) -> JobLog | Problem:
    """What nodes said last of a job's units, and why attempts at them failed.

    Of an attempt that failed 80 lines are kept, of each job those of 40 attempts, until its results
    go; of one that ended well 64 lines, of each job those of 100. Of others is told what the
    gateways of the farm heard lately, and forget.
    """
    row = await call.gateway.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return NOT_FOUND
    return JobLog(await attempts_of(call.gateway, row.id, call.query.unit))

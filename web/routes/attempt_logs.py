"""Log lines of attempts at a job's units, and why attempts failed."""

from typing import Annotated

import attrs
from msgspec import Meta

from rendertrust.api.events import JobLog
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.attempt_logs import attempts_of
from web.jobs.job_control import JOB_NOT_FOUND
from web.openapi.examples import jobs as examples
from web.routes.units import NUMBER_MAX

operations = Operations()


@attrs.frozen
class LogQuery:
    """Filter of the log. ``unit``: only this unit."""

    unit: Annotated[int, Meta(ge=0, le=NUMBER_MAX)] | None = None


@operations.get(
    "/api/v1/jobs/{job_id}/log",
    scope=Scope.JOBS_READ,
    absent=JOB_NOT_FOUND,
    example=examples.JOB_LOG,
)
async def log(call: Call[None, LogQuery]) -> JobLog | Problem:
    """Get the last log lines of a job's units, and why attempts failed.

    A failed attempt keeps 80 lines, for 40 attempts per job, as long as the results. A successful
    attempt keeps 64 lines, for 100 attempts per job. For running attempts, the answer has the lines
    that the farm's gateways received recently.
    """
    row = await call.gateway.tables.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return JOB_NOT_FOUND
    return JobLog(tuple(await attempts_of(call.gateway, row.id, call.query.unit)))

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

    The gateway stores the last 80 lines of a failed attempt and the last 64 of a successful one, as
    long as the results, for 40 failed and 100 successful attempts per job. The answer has the 20
    newest attempts of each kind. For running attempts, it has the lines that the farm's gateways
    received recently.
    """
    row = await call.gateway.tables.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return JOB_NOT_FOUND
    return JobLog(tuple(await attempts_of(call.gateway, row.id, call.query.unit)))

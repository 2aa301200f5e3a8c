"""Jobs of all users, for admins: find, retry, cancel."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust import money
from rendertrust.api.jobs import JobStatus, Placed
from rendertrust.value_types import Credits
from sql.jobs import JobViews, ListedJob
from web.http.operations import Answer, Audience, Call, Operations
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.jobs.job_control import JOB_NOT_FOUND, cancel_job
from web.jobs.job_filter import CHARACTERS_MAX, Misread, filter_of
from web.jobs.job_view import retried
from web.jobs.retry import retry_as_new_job
from web.openapi.examples import jobs as examples
from web.routes.admin import Because, Limit, act_on

operations = Operations(audience=Audience.ADMIN)
OFFSET_MAX = 9_900


@attrs.frozen
class JobQuery:
    """Filter of jobs. ``q`` is text such as ``status:failed node:studio user:ann since:2h``."""

    q: Annotated[str, Meta(max_length=CHARACTERS_MAX)] = ""
    limit: Limit = 50
    offset: Annotated[int, Meta(ge=0, le=OFFSET_MAX)] = 0


@attrs.frozen
class Listed:
    """A job in a list. ``retry_of`` is the job that this job retries, ``retried_by`` the job that
    retries this one.
    """

    id: UUID
    job_type: str
    status: JobStatus
    user_id: UUID
    email: str
    node_id: UUID | None
    node_name: str | None
    price: Credits
    charged: Credits
    retry_count: int
    retry_of: UUID | None
    retried_by: UUID | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None


@attrs.frozen
class ListedJobs:
    """A page of jobs, newest first; ``more``: older ones follow."""

    jobs: list[Listed]
    more: bool


@operations.get(
    "/api/v1/admin/jobs",
    example=examples.ADMINS_JOBS,
)
async def index(call: Call[None, JobQuery]) -> ListedJobs | Problem:
    """List the jobs of all users that match the filter, newest first."""
    query, gateway = call.query, call.gateway
    wish = filter_of(query.q, gateway.ports.clock.now())
    if isinstance(wish, Misread):
        return invalid([Fault("q", "value", wish.said)])
    views, wanted = JobViews(gateway.database), query.limit + 1
    rows = await views.page(None, wish, "-created", wanted, query.offset)
    return ListedJobs([shown(row) for row in rows[: query.limit]], len(rows) == wanted)


@operations.post(
    "/api/v1/admin/jobs/{job_id}/retry",
    request_example=examples.JOB_REASON,
    answers={200: Placed, 202: Placed},
    refusals={
        402: "The job's owner does not have enough credits",
        409: "The job is not FAILED or CANCELLED, or would cost more than before",
    },
    absent=JOB_NOT_FOUND,
    rate="dispatch",
    new_work=True,
    example=examples.PLACED,
)
async def retry(call: Call[Because]) -> Answer | Problem:
    """Retry a user's failed or cancelled job: a new job, charged to its owner if it succeeds.

    The price is held again, and is never above the price that the owner agreed to.
    """
    job = call.ids["job_id"]
    act = await act_on(call, "jobs.retry", f"job:{job}", call.body.reason)
    if isinstance(act, Problem):
        return act
    return retried(await retry_as_new_job(call.gateway, job, None, act))


@operations.post(
    "/api/v1/admin/jobs/{job_id}/cancel",
    request_example=examples.JOB_REASON,
    refusals={400: "The job is not QUEUED or DISPATCHED"},
    absent=JOB_NOT_FOUND,
    example=examples.STOPPED_BY_ADMIN,
)
async def cancel(call: Call[Because]) -> Placed | Problem:
    """Cancel a user's job that no node has begun; its hold is released."""
    job = call.ids["job_id"]
    act = await act_on(call, "jobs.cancel", f"job:{job}", call.body.reason)
    if isinstance(act, Problem):
        return act
    called_off = await cancel_job(call.gateway, job, None, act)
    return called_off if isinstance(called_off, Problem) else Placed(str(job), None, "CANCELLED")


def shown(row: ListedJob) -> Listed:
    return from_row(Listed, row, charged=money.render(row.paid))

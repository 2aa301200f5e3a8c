"""Archives: all complete results of a job in one zip."""

from typing import Final

from rendertrust.api.jobs import ResultUrl
from rendertrust.api.refusal_code import RefusalCode
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND
from web.jobs.job_view import URL_SECONDS
from web.objects.archives import address_of
from web.openapi.examples import jobs as examples

operations = Operations()
NOTHING: Final = Problem(404, "No unit of the job is complete", code=RefusalCode.NOTHING_COMPLETE)
ALONE: Final = Problem(
    409, "The job has one unit: download its result", code=RefusalCode.JOB_OF_ONE_UNIT
)


@operations.get(
    "/api/v1/jobs/{job_id}/archive",
    scope=Scope.JOBS_READ,
    refusals={
        404: "Job not found, or no unit of it is complete",
        409: ALONE.detail,
    },
    absent=JOB_NOT_FOUND,
    example=examples.ARCHIVE,
)
async def archive(call: Call) -> ResultUrl | Problem:
    """Get the download address of a zip with all results of a job of several units.

    The address is valid for an hour. The job may be at work, or have ended in any state. The zip
    has the frames that are complete when it is fetched and, in the folder `tiles/`, the tiles of
    incomplete frames, named like `0012-3.exr` by frame and tile. The zip is generated while it is
    sent; ``Range`` works.
    """
    row = await call.gateway.tables.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return JOB_NOT_FOUND
    if row.units == 1:
        return ALONE
    if not row.done:
        return NOTHING
    base = call.base or call.gateway.url()
    url = address_of(call.gateway, call.caller, row.id, base, URL_SECONDS)
    return ResultUrl(str(row.id), url, URL_SECONDS, None, None)

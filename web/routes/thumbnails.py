"""Thumbnails of a job's frames, as they arrive."""

from typing import Annotated, Final

import attrs
from aiohttp import web
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from rendertrust.frame_range import FRAME_MAX
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND

operations = Operations()
NONE_YET: Final = Problem(404, "The unit has no picture yet", code=RefusalCode.PICTURE_NOT_FOUND)
# The picture is a node's file: a browser may display it, and must never execute it.
HARMLESS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-cache",
}


@attrs.frozen
class PictureQuery:
    """Query. ``frame``: the frame; omitted, the newest."""

    frame: Annotated[int, Meta(ge=-FRAME_MAX, le=FRAME_MAX)] | None = None


@operations.get(
    "/api/v1/jobs/{job_id}/preview",
    scope=Scope.JOBS_READ,
    answers={200: bytes},
    media="image/jpeg",
    refusals={404: "Job not found, or no picture of it yet"},
    absent=JOB_NOT_FOUND,
)
async def preview(call: Call[None, PictureQuery]) -> web.Response | Problem:
    """Get a small picture of one frame, or of the newest.

    The event `unit.thumbnail` announces a picture as soon as its frame is rendered. The picture is
    shown as the node sent it, and is kept as long as the results.
    """
    gateway, job = call.gateway, call.ids["job_id"]
    found = await gateway.tables.thumbnails.of_job(job, call.caller, call.query.frame)
    if found is not None:
        return web.Response(body=found.picture, content_type="image/jpeg", headers=HARMLESS)
    known = await gateway.tables.jobs.by_id(job, call.caller)
    return JOB_NOT_FOUND if known is None else NONE_YET

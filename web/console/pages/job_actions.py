"""Actions on jobs of several frames: results, archive, video, retry, pause, resume, stop,
change.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ledger.effects import JobChange, JobPause, JobResume, JobStop, OfJob
from rendertrust import money
from rendertrust.frame_range import FRAME_MAX
from rendertrust.job_name import JobName, file_stem, trimmed
from sql.audit_log import Act
from sql.job_plan import PRIORITIES
from sql.jobs import PastJob
from web.console.page_responses import own_path
from web.console.registry import Pages
from web.console.view import ACCOUNT_GONE, ExternalRedirect, Picture, Redirect, View
from web.gateway import Gateway
from web.http.problem import Fault, Problem
from web.jobs.frame_again import render_again
from web.jobs.job_control import JOB_NOT_FOUND, SPENT, commit_effects
from web.jobs.job_view import URL_SECONDS
from web.jobs.retry import AffordableRetry, retry_failed_units, retry_units, underquoted_units
from web.objects.archives import address_of
from web.objects.download_names import result_address
from web.routes import videos
from web.routes.videos import NewVideo

pages = Pages()
NO_FILE: Final = Problem(404, "There is no such file yet")
TOO_LOW: Final = attrs.evolve(
    SPENT, errors=(Fault("max_credits", "value", "is below what the job has already committed"),)
)
AGAIN: Final = "Failed units are retried; their price is held again."
SOME_AGAIN: Final = (
    "Failed units are retried, except those that take far more than their quote: "
    "submit these again."
)
NUMBER_MAX: Final = 10**7
STOPPED: Final = (
    "The job is stopped; remaining holds are released. Units being verified are charged if valid."
)
Doing: TypeAlias = Callable[
    [Gateway, PastJob, Act | None], Awaitable[Problem | AffordableRetry | None]
]
Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
MaybeAmount = Annotated[
    str,
    Meta(
        pattern=r"^$|^(?=.*[1-9])[0-9]{1,14}(\.[0-9]{1,4})?$",
        description="an amount above 0 with at most 4 decimals, like 10.5, or empty for no cap",
    ),
]


@attrs.frozen
class FramePath:
    """Query of a frame's file. ``of`` is the attempt, so that each picture has its own address."""

    unit: Number
    of: Number = 0


@attrs.frozen
class ThumbnailQuery:
    """Query of a thumbnail.

    ``frame`` None: the newest thumbnail of the job. ``of`` distinguishes versions in browsers'
    caches.
    """

    frame: Annotated[int, Meta(ge=-FRAME_MAX, le=FRAME_MAX)] | None = None
    of: Annotated[int, Meta(ge=0)] = 0


@attrs.frozen
class RetryForm:
    unit: Number


@attrs.frozen
class VideoForm:
    container: Literal["MP4", "WEBM"] = "MP4"


@attrs.frozen
class JobNameForm:
    name: JobName


@attrs.frozen
class JobChangeForm:
    priority: Literal["low", "normal", "high"]
    max_credits: MaybeAmount = ""


@pages.page("/frames/{job}", "Frame", "", absent=NO_FILE)
async def frame(view: View[FramePath]) -> ExternalRedirect | Problem:
    """Redirect to the result of a unit, if the user may see it."""
    row = await view.gateway.tables.jobs.past(view.ids["job"], view.owner)
    if row is None:
        return NO_FILE
    stem = file_stem(row.name)
    found = await result_address(view.gateway, row, view.query.unit, stem, view.base)
    return NO_FILE if found is None else ExternalRedirect(found)


@pages.page("/previews/{job}", "Frame", "", absent=NO_FILE)
async def preview(view: View[ThumbnailQuery]) -> Picture | Problem:
    """Return the thumbnail of a frame, as its node sent it, if the user may see the job."""
    wish = view.query
    found = await view.gateway.tables.thumbnails.of_job(view.ids["job"], view.owner, wish.frame)
    return NO_FILE if found is None else Picture(found.picture, "image/jpeg")


@pages.page("/archives/{job}", "Frames", "", absent=NO_FILE)
async def archive(view: View) -> ExternalRedirect | Problem:
    """Redirect to a zip of the results of a job that are complete so far."""
    row = await view.gateway.tables.jobs.past(view.ids["job"], view.owner)
    if row is None or row.units == 1 or not row.done:
        return NO_FILE
    base = view.base or view.gateway.url()
    return ExternalRedirect(address_of(view.gateway, row.user_id, row.id, base, URL_SECONDS))


@pages.action("/jobs/{id}/video", absent=JOB_NOT_FOUND, rate="dispatch")
async def make_video(view: View[VideoForm]) -> Redirect | Problem:
    """Order a video of the frames of one's own job, and redirect to the new job."""
    wish = NewVideo(container=view.query.container)
    outcome = await videos.made(view.gateway, view.who.user, view.ids["id"], wish)
    if isinstance(outcome, Problem):
        return outcome
    return Redirect(f"/console/jobs/{outcome.value.job_id}", "This job makes the video.")


@pages.action("/jobs/{id}/again", absent=JOB_NOT_FOUND, rate="dispatch")
async def again(view: View[RetryForm]) -> Redirect | Problem:
    """Render a frame of one's own job again, and redirect to the new job."""
    outcome = await render_again(view.gateway, view.who.user, view.ids["id"], view.query.unit)
    if isinstance(outcome, Problem):
        return outcome
    return Redirect(f"/console/jobs/{outcome.value.job_id}", "This job renders the frame again.")


@pages.action("/jobs/{id}/pause", absent=JOB_NOT_FOUND)
async def pause(view: View) -> Redirect | Problem:
    """Pause the job."""
    return await _steer(
        view, "pause", JobPause, "The job is paused; nodes finish their running units."
    )


@pages.action("/jobs/{id}/resume", absent=JOB_NOT_FOUND)
async def resume(view: View) -> Redirect | Problem:
    """Resume the job."""
    return await _steer(view, "resume", JobResume, "The job continues.")


@pages.action("/jobs/{id}/rename", absent=JOB_NOT_FOUND, form_on="/jobs/{id}")
async def rename(view: View[JobNameForm]) -> Redirect | Problem:
    """Rename the job."""
    name = trimmed(view.query.name)

    async def act_on(gateway: Gateway, row: PastJob, act: Act | None) -> Problem | None:
        renamed = await gateway.tables.jobs.rename(row.id, row.user_id, name, act)
        return None if renamed else JOB_NOT_FOUND

    return await _done(view, "rename", act_on, f"The job is called {name}.")


@pages.action("/jobs/{id}/stop", absent=JOB_NOT_FOUND)
async def stop(view: View) -> Redirect | Problem:
    """Stop the job and keep complete frames."""
    return await _steer(view, "stop", JobStop, STOPPED)


@pages.action("/jobs/{id}/retry-unit", absent=JOB_NOT_FOUND)
async def retry_unit(view: View[RetryForm]) -> Redirect | Problem:
    """Retry a failed frame."""

    async def retry(gateway: Gateway, row: PastJob, act: Act | None) -> Problem | None:
        return await retry_units(gateway, row.id, row.user_id, (view.query.unit,), act)

    return await _done(view, "retry_unit", retry, "The unit is retried; its price is held again.")


@pages.action("/jobs/{id}/retry-failed", absent=JOB_NOT_FOUND, within=25.0)
async def retry_failed(view: View) -> Redirect | Problem:
    """Retry all failed frames, or as many as the credits suffice for."""
    dearer = await underquoted_units(view.gateway, view.ids["id"])
    return await _done(view, "retry_failed", retry_failed_units, SOME_AGAIN if dearer else AGAIN)


@pages.action("/jobs/{id}/change", absent=JOB_NOT_FOUND, form_on="/jobs/{id}")
async def change(view: View[JobChangeForm]) -> Redirect | Problem:
    """Change the job's priority or cap."""
    wish = view.query
    cap = money.parse(wish.max_credits) if wish.max_credits else None

    def effect(job: UUID, user: UUID) -> OfJob:
        return JobChange(job, user, PRIORITIES[wish.priority], cap, uncapped=cap is None)

    done = await _steer(view, "change", effect, "Saved.")
    return TOO_LOW if done is SPENT else done


async def _steer(
    view: View[Any], name: str, effect: Callable[[UUID, UUID], OfJob], said: str
) -> Redirect | Problem:
    """Apply the effect to the user's own job, or as an admin to any job."""

    async def act_on(gateway: Gateway, row: PastJob, act: Act | None) -> Problem | None:
        return await commit_effects(gateway, effect(row.id, row.user_id), act=act)

    return await _done(view, name, act_on, said)


async def _done(view: View[Any], name: str, do: Doing, said: str) -> Redirect | Problem:
    """Perform the action; an admin's action is recorded, even on their own job."""
    job = view.ids["id"]
    row = await view.gateway.tables.jobs.past(job, None if view.is_admin else view.who.user)
    if row is None:
        return JOB_NOT_FOUND
    act = None
    if view.is_admin:
        act = await view.doer.act(f"jobs.{name}", f"job:{job}", "by hand, in the console", {})
        if act is None:
            return ACCOUNT_GONE
    done = await do(view.gateway, row, act)
    if isinstance(done, Problem):
        return done
    words = done.words if done is not None and done.missing else said
    return Redirect(own_path(view.fields.get("back", f"/console/jobs/{job}")), words)

"""Methods of ``AsyncClient`` on jobs: uploads, jobs, units, events and webhooks."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rendertrust import api
from rendertrust.client import job_uploads, paths
from rendertrust.client.api_connection import PAGE_LIMIT_MAX, ClientState, window
from rendertrust.client.arguments import (
    Checks,
    Container,
    Id,
    change_body,
    given,
    uuid,
    video_body,
)
from rendertrust.client.errors import BadRequest, NotFound, StillRunning
from rendertrust.client.event_follower import EventFollower
from rendertrust.client.job_poller import JobPoller
from rendertrust.client.job_uploads import Bundle
from rendertrust.client.local_files import Progress, unheard
from rendertrust.client.uploads import Uploads
from rendertrust.job_spec import JobSpec, Priority
from rendertrust.job_types import RENDER

# Members of a ``JobSpec`` that a preflight uses.
_CHECKED = (
    *("job_type", "payload_ref", "manifest", "params", "frames", "pool", "needs", "or_newer"),
    "saved_by",
)

# Uploads


async def upload(
    client: ClientState, path: Path | str, *, progress: Progress = unheard
) -> api.Upload:
    """Upload a file, unless the gateway already has the same content from you.

    ``progress(done, total)`` counts bytes. Raises OSError if the file cannot be read,
    FileChanged if the file is modified during the upload, TransferFailed if the object store
    refuses the file.
    """
    return await Uploads(client.connection.login).send(Path(path), progress)


async def upload_all(
    client: ClientState,
    scene: str,
    files: Mapping[str, Path | str],
    *,
    progress: Progress = unheard,
) -> Bundle:
    """Upload a scene and its linked files; ``progress`` counts the bytes of all files together.

    ``files`` maps each path on the node (relative, with ``/``) to a local file; ``scene`` is
    one of these paths. Raises ValueError if a path leads out of the job's folder, and the
    exceptions of ``upload``.
    """
    places = {path: Path(place) for path, place in files.items()}
    return await job_uploads.send(Uploads(client.connection.login), scene, places, progress)


async def uploads(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.KeptUploads:
    """List your stored uploads, largest first, with your quota."""
    return await client.connection.get(api.KeptUploads, paths.UPLOADS, window(limit, offset))


def each_upload(client: ClientState) -> AsyncIterator[api.KeptUpload]:
    """Iterate over all your stored uploads, largest first."""
    return client.connection.each(api.KeptUploads, paths.UPLOADS, lambda page: page.uploads)


async def delete_upload(client: ClientState, upload_id: Id) -> None:
    """Delete an upload. Raises Conflict if an open, disputed or disputable job needs it."""
    await client.connection.send("DELETE", paths.element(paths.UPLOADS, upload_id))


# Jobs


async def preflight(
    client: ClientState, spec: JobSpec, *, again: bool = False, within: float | None = None
) -> api.Preflight:
    """Have a node check the scene of a job and estimate the time of its frames, for free.

    A scene is checked once; with ``again``, or if the job names frames outside those that were
    measured, a node checks the scene again. The method waits for the result. After ``within``
    seconds (0: at once) the method returns a preflight that is still ``PENDING``. Raises
    RateLimited if you have used up this hour's preflights.
    """
    body = {name: value for name, value in spec.body().items() if name in _CHECKED}
    if spec.job_type == RENDER:  # older gateways have preflights of scenes only
        del body["job_type"]
    first = body | given(again=again or None)
    found = await client.connection.post(api.Preflight, paths.PREFLIGHT, first)
    if found.status != "PENDING" or within == 0:
        return found
    try:
        await wait(client, found.job_id, within=within)
    except StillRunning:
        return found
    return await client.connection.post(api.Preflight, paths.PREFLIGHT, body)


async def quote(client: ClientState, spec: JobSpec) -> api.Quote:
    """Return the cost of this job, and the credits that ``dispatch`` would hold.

    Without a ``payload_ref`` the files are not checked. Raises Invalid if the job is invalid.
    If your credits do not suffice, ``enough`` in the quote is False.
    """
    return await client.connection.post(api.Quote, paths.QUOTE, spec.body())


async def dispatch(
    client: ClientState, spec: JobSpec, *, idempotency_key: str | None = None
) -> api.Placed:
    """Submit a job, once per ``idempotency_key``.

    Raises BadRequest if no node can do the job, Unavailable if all such nodes are full. With
    ``spec.queue``, a job of several units, or one with a later start, the gateway queues the
    job instead; but BadRequest comes if ``spec.needs`` asks for nodes that are alike and none
    is connected. Raises Invalid if the job is invalid, or if a preflight found an error,
    unless ``spec.as_is``. Raises InsufficientCredits if the price is more than you have,
    Conflict if the price is above ``spec.quoted``.
    """
    return await client.connection.post_once(
        api.Placed, paths.DISPATCH, spec.body(), idempotency_key
    )


async def jobs(
    client: ClientState,
    status: str | None = None,
    *,
    name: str | None = None,
    checks: Checks | None = None,
    limit: int = 50,
    offset: int = 0,
    after: str | None = None,
) -> api.JobList:
    """List your jobs, newest first, optionally only with one ``status``.

    ``name`` is a part of the jobs' names. The newest 10,000 jobs are searched for it. ``checks``:
    ``none`` leaves out the checks of scenes (preflights), ``only`` lists them alone.
    """
    return await client.connection.get(
        api.JobList,
        paths.JOBS,
        window(limit, offset, after, status=status, name=name, checks=checks),
    )


def each_job(
    client: ClientState,
    status: str | None = None,
    *,
    name: str | None = None,
    checks: Checks | None = None,
) -> AsyncIterator[api.Job]:
    """Iterate over your jobs, newest first; the arguments are those of ``jobs``."""
    return client.connection.each(
        api.JobList, paths.JOBS, lambda page: page.jobs, status=status, name=name, checks=checks
    )


async def job(client: ClientState, job_id: Id) -> api.Job:
    """Return a job. Raises NotFound if the job does not exist or is not yours."""
    return await client.connection.get(api.Job, paths.job(job_id))


def watch(
    client: ClientState, job_id: Id, *, within: float | None = None
) -> AsyncIterator[api.Job]:
    """Yield the job now and when it has changed, until the job has ended.

    Raises StillRunning after ``within`` seconds. Waits up to two minutes for a gateway that
    restarts.
    """
    job_id = uuid(job_id)
    look = partial(job, client, job_id)
    return JobPoller(job_id, look, client.connection.login.transport.sleep, within).changes()


async def wait(client: ClientState, job_id: Id, *, within: float | None = None) -> api.Job:
    """Return the job once the job has ended. Raises StillRunning after ``within`` seconds."""
    async for job in watch(client, job_id, within=within):
        if job.ended:
            return job
    raise AssertionError("a watch ends with the job")


async def cancel(client: ClientState, job_id: Id) -> api.Job:
    """Cancel a job. Raises BadRequest if a node has begun the job, or the job has ended."""
    try:
        return await client.connection.post(api.Job, paths.job(job_id, "cancel"))
    except BadRequest:
        # The reply to an earlier try may have been lost.
        found = await job(client, job_id)
        if found.status == "CANCELLED":
            return found
        raise


async def retry(client: ClientState, job_id: Id) -> api.Placed:
    """Submit a failed or cancelled job again, once, at the current price.

    Raises Conflict if the job has neither failed nor been cancelled, has several units, or its
    input has expired, InsufficientCredits if the price is more than you have.
    """
    return await client.connection.post(api.Placed, paths.job(job_id, "retry"))


async def pause(client: ClientState, job_id: Id) -> api.Job:
    """Start no further units of a job. Raises Conflict if the job has ended."""
    return await client.connection.post(api.Job, paths.job(job_id, "pause"))


async def resume(client: ClientState, job_id: Id) -> api.Job:
    """Resume a paused job. Raises Conflict if the job has ended or has reached its cap."""
    return await client.connection.post(api.Job, paths.job(job_id, "resume"))


async def stop(client: ClientState, job_id: Id) -> api.Job:
    """End a job. Complete units stay paid, and the holds for all other units are released.

    Results that are being checked are charged once verified. Until then, the job is ``PAUSED``
    and ``stopped``. Raises Conflict if the job has already ended.
    """
    return await client.connection.post(api.Job, paths.job(job_id, "stop"))


async def change(
    client: ClientState,
    job_id: Id,
    *,
    priority: Priority | None = None,
    max_credits: str | None = None,
    uncapped: bool = False,
) -> api.Job:
    """Change the priority or the cap of an open job; ``uncapped`` removes the cap.

    Raises ValueError if nothing is to change, Conflict if the job has ended or has already
    committed more than ``max_credits``.
    """
    body = change_body(priority, max_credits, uncapped=uncapped)
    return await client.connection.patch(api.Job, paths.job(job_id), body)


async def rename(client: ClientState, job_id: Id, name: str) -> api.Job:
    """Rename a job. Raises Invalid unless the name has 1 to 100 characters on one line."""
    return await client.connection.patch(api.Job, paths.job(job_id), {"name": name})


async def video(
    client: ClientState,
    job_id: Id,
    *,
    container: Container = "MP4",
    fps: float | str | None = None,
    idempotency_key: str | None = None,
) -> api.Placed:
    """Submit a job that makes a video of the frames of an ended job.

    ``fps`` (24, 23.976, ``"24000/1001"``) defaults to the scene's frame rate, or to 24 if the scene
    is not one of the uploads. Raises FrameRateError (a ValueError) if ``fps`` cannot be read,
    Conflict if the job has not ended or has no frames.
    """
    path, body = paths.job(job_id, "video"), video_body(container, fps)
    return await client.connection.post_once(api.Placed, path, body, idempotency_key)


# Units of a job


async def units(client: ClientState, job_id: Id, *, limit: int = 50, after: int = -1) -> api.Units:
    """List a job's units with a number above ``after``. Raises NotFound if there is no job."""
    query = {"limit": str(limit), "after": str(after)}
    return await client.connection.get(api.Units, paths.job(job_id, "units"), query)


async def each_unit(client: ClientState, job_id: Id) -> AsyncIterator[api.Unit]:
    """Iterate over all units of a job, by number."""
    after: int | None = -1
    while after is not None:
        page = await units(client, job_id, limit=PAGE_LIMIT_MAX, after=after)
        for unit in page.units:
            yield unit
        after = page.next


async def unit(client: ClientState, job_id: Id, number: int) -> api.Unit:
    """Return a unit. Raises NotFound if the job has no unit of that number."""
    page = await units(client, job_id, limit=1, after=number - 1)
    for unit in page.units:
        if unit.number == number:
            return unit
    raise NotFound(
        404, f"Job has no unit {number}; the job has {page.count} units, numbered from 0"
    )


async def retry_unit(client: ClientState, job_id: Id, number: int) -> api.Unit:
    """Render a failed unit again, or all failed tiles of a frame.

    The unit's price is held again. If the unit already waits or runs, nothing happens. Raises
    Conflict if the unit is complete or underquoted, the job was cancelled or stopped, or its
    input has expired, InsufficientCredits if the price is more than you have.
    """
    return await client.connection.post(api.Unit, paths.unit(job_id, number, "retry"))


# Events and logs


def events(
    client: ClientState, job_id: Id, *, after: int = 0, progress: bool = False
) -> AsyncIterator[api.JobEvent]:
    """Yield each event of a job with a number above ``after`` once, until the job has ended.

    Waits up to two minutes for a gateway that does not answer. ``progress`` adds events on the
    progress of units, which have no number. Raises NotFound if the job does not exist or is not
    yours, Conflict if ``after`` is beyond the newest event, for example after the restore of a
    backup.
    """
    path = paths.job(job_id, "events")
    return EventFollower(client.connection, path, progress, after).events()


async def event_page(
    client: ClientState, job_id: Id, *, after: int = 0, limit: int = 100
) -> api.EventPage:
    """List the events of a job so far, with a number above ``after``."""
    query = {"after": str(after), "limit": str(limit)}
    return await client.connection.get(api.EventPage, paths.job(job_id, "events"), query)


async def job_log(
    client: ClientState, job_id: Id, unit: int | None = None
) -> tuple[api.AttemptLog, ...]:
    """Return the last log lines of attempts at a job's units, or only at one ``unit``.

    The last 20 failed and the last 20 successful attempts come first, in the order of their
    ends, then running attempts. Logs are kept as long as results. Raises NotFound if the job
    does not exist.
    """
    query = {} if unit is None else {"unit": str(unit)}
    path = paths.job(job_id, "log")
    return (await client.connection.get(api.JobLog, path, query)).attempts


# Webhooks


async def hooks(client: ClientState) -> api.Hooks:
    """List your webhook endpoints, oldest first."""
    return await client.connection.get(api.Hooks, paths.HOOKS)


async def create_hook(
    client: ClientState, url: str, types: Sequence[str] = ("job.*",)
) -> api.HookWithSecret:
    """Send events of your jobs to ``url``. Only this reply shows the secret.

    ``types``: event types; ``job.*`` and ``unit.*`` stand for all events of jobs and of units.
    The receiver reads events with ``rendertrust.webhooks``. Raises Conflict if you have too
    many endpoints.
    """
    body = {"url": url, "types": list(types)}
    return await client.connection.post(api.HookWithSecret, paths.HOOKS, body, repeatable=False)


async def change_hook(
    client: ClientState,
    hook_id: Id,
    *,
    url: str | None = None,
    types: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> api.Hook:
    """Change an endpoint's address or event types, or switch the endpoint on or off."""
    body = given(url=url, types=None if types is None else list(types), enabled=enabled)
    return await client.connection.patch(api.Hook, paths.hook(hook_id), body)


async def rotate_hook(client: ClientState, hook_id: Id) -> api.HookWithSecret:
    """Replace an endpoint's secret. For a day, the old secret signs deliveries, too."""
    return await client.connection.post(
        api.HookWithSecret, paths.hook(hook_id, "rotate"), repeatable=False
    )


async def delete_hook(client: ClientState, hook_id: Id) -> None:
    """Delete an endpoint; its pending deliveries fail."""
    await client.connection.send("DELETE", paths.hook(hook_id), repeatable=False)


async def deliveries(
    client: ClientState, hook_id: Id, *, limit: int = 50, after: Id | None = None
) -> api.Deliveries:
    """List the deliveries to an endpoint, newest first."""
    query = {"limit": str(limit)} | ({} if after is None else {"after": str(after)})
    return await client.connection.get(api.Deliveries, paths.hook(hook_id, "deliveries"), query)


async def replay(client: ClientState, delivery_id: Id) -> api.Delivery:
    """Deliver an event again, under the same id."""
    return await client.connection.post(
        api.Delivery, paths.element(paths.DELIVERIES, delivery_id, "replay")
    )

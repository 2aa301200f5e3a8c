"""Videos of a job's frames, encoded by a node in its sandbox."""

import hashlib
from datetime import datetime
from typing import Annotated
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ports import ObjectMissing
from rendertrust.api.jobs import Placed
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.frame_range import parse
from rendertrust.job_name import name_of_part, padded
from rendertrust.job_spec import Container, JobSpec, Pool
from rendertrust.job_types import VIDEO
from rendertrust.manifest import (
    FILES_MAX,
    KEPT_BYTES_MAX,
    Manifest,
    ManifestEntry,
    ManifestError,
    read,
)
from sql.job_plan import Inputs, JobPlan, NewUnit
from sql.jobs import JobOrder, JobRecord, JobTerms, PagedUnit, PastJob
from sql.related_jobs import VideoDue
from web.gateway import Gateway
from web.http.idempotency import answered_before, key_of
from web.http.operations import TOKEN_REFUSED, Answer, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.jobs.job_control import JOB_NOT_FOUND
from web.jobs.job_view import placed
from web.jobs.submission import submit_job
from web.objects.archives import ZIP, is_chunk, result_of, suffix_of_singles
from web.objects.manifests import keep
from web.openapi.examples import jobs as examples

operations = Operations()
UNITS_MAX = 10_000
SCENE = "scene.blend"
FPS_OF_NO_SCENE = 24  # that of a new scene of Blender
BASE_ALONE = invalid([Fault("fps_base", "value", "needs fps: the rate is fps / fps_base")])
TOO_EARLY = Problem(
    409, "The job has not ended; request its video when it has", code=RefusalCode.JOB_NOT_ENDED
)
TOO_MANY = Problem(
    409,
    f"A video consists of at most {FILES_MAX} files; render in chunks of frames",
    code=RefusalCode.TOO_MANY_FILES,
)
NO_FRAMES = Problem(
    409, "The job has no complete frame that is still stored", code=RefusalCode.NOTHING_COMPLETE
)


@attrs.frozen
class NewVideo:
    """A video to make. ``fps`` / ``fps_base`` is the frame rate: 24, or 24000 / 1001. Without
    ``fps``, the video has the scene's frame rate; 24 if the scene is not one of the uploads.
    """

    container: Container = "MP4"
    fps: Annotated[int, Meta(ge=1, le=32_767)] | None = None
    fps_base: Annotated[float, Meta(ge=0.1, le=100_000)] | None = None
    queue: bool = True


@operations.post(
    "/api/v1/jobs/{job_id}/video",
    scope=Scope.JOBS_WRITE,
    answers={200: Placed, 202: Placed},
    refusals={
        400: "No healthy nodes with matching capability",
        402: "Insufficient credits",
        409: "The job has not ended, or no frame of it is complete",
    },
    absent=JOB_NOT_FOUND,
    rate="dispatch",
    new_work=True,
    idempotency=True,
    request_example=examples.NEW_VIDEO,
    example=examples.PLACED,
)
async def video(call: Call[NewVideo]) -> Answer | Problem:
    """Make a video of the frames of an ended job.

    This is a new job of type ``video``, at the price of this type. If the ended job did not
    complete, the video has its complete frames.
    """
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    return await made(call.gateway, call.caller, call.ids["job_id"], call.body, key)


async def made(
    gateway: Gateway,
    user: UUID,
    job: UUID,
    wish: NewVideo,
    key: tuple[str, bytes] | None = None,
    *,
    video: UUID | None = None,
) -> Answer | Problem:
    """Order the video for ``user``, who owns the job. Raises AskFailed, Unavailable.

    ``video``: the id of the new job, if the job itself asked for its video, which then costs no
    more than when the job was submitted; None: a new id is drawn.
    """
    terms = await gateway.tables.jobs.terms(JobOrder(user, VIDEO, key and key[0]))
    if key is not None and terms.before is not None:
        return answered_before(terms.before, key)
    if not terms.active:
        return TOKEN_REFUSED
    row = await gateway.tables.jobs.by_id(job, user)
    past = await gateway.tables.jobs.past(job, user)
    if row is None or past is None:
        return JOB_NOT_FOUND
    if row.completed_at is None:
        return TOO_EARLY
    if video is not None:
        terms = await _as_quoted(gateway, terms, row.created_at)
    plan = await _plan(gateway, past, wish, terms.in_pool(past.plan.spec.pool).price)
    if isinstance(plan, Problem):
        return plan
    return placed(*await submit_job(gateway, user, plan, terms.price_number, key, job=video))


async def ordered(gateway: Gateway, due: VideoDue) -> str | None:
    """Order the video that a completed job asks for; return why it is refused, or None.

    The video's id is derived from the job's, so that several gateways order it only once. Raises
    AskFailed, ObjectsUnavailable, Unavailable.
    """
    job = await gateway.tables.jobs.by_id(due.id, due.user_id)
    if job is not None:
        price = await price_of_one(gateway, due.user_id, job.plan.spec.pool, job.created_at)
        if passes_cap(job, price):
            return "the job would cost more than its cap"
    wish = NewVideo(container=due.container)
    outcome = await made(gateway, due.user_id, due.id, wish, video=video_id(due.id))
    return outcome.detail if isinstance(outcome, Problem) else None


def passes_cap(job: JobRecord, price: int) -> bool:
    """Return True if the job would cost more than its cap with a video of this price."""
    return price > 0 and job.cap is not None and job.charged + price > job.cap


def video_id(job: UUID) -> UUID:
    """Return the id of the video that a job asks for."""
    return UUID(bytes=hashlib.sha256(b"video\n" + job.bytes).digest()[:16], version=4)


async def price_of_one(
    gateway: Gateway, user: UUID, pool: Pool, quoted_at: datetime | None = None
) -> int:
    """Return the price of a video of a job in this pool, in 1/10,000 credit.

    ``quoted_at``: when the job that asks for the video was submitted.
    """
    terms = await gateway.tables.jobs.terms(JobOrder(user, VIDEO, None))
    if quoted_at is not None:
        terms = await _as_quoted(gateway, terms, quoted_at)
    return terms.in_pool(pool).price


async def _as_quoted(gateway: Gateway, terms: JobTerms, at: datetime) -> JobTerms:
    """Return the terms with the price of a video at a time, if that was lower than now."""
    then = await gateway.tables.prices.at(VIDEO, at)
    if then is None or then.units is None or then.units >= terms.price:
        return terms
    return attrs.evolve(terms, price=then.units, price_number=then.number)


async def _plan(gateway: Gateway, past: PastJob, wish: NewVideo, price: int) -> JobPlan | Problem:
    """Return the plan of the video, with the list of its files: scene and complete frames."""
    rows = await gateway.tables.jobs.unit_page(past.id, -1, UNITS_MAX)
    done = [unit for unit in rows if unit.tile is None and unit.state == "COMPLETED"]
    try:
        frames = await _frames(gateway, past.user_id, done)
        scene = await _scene(gateway, past)
    except (ObjectMissing, ManifestError):
        return NO_FRAMES
    if not frames:
        return NO_FRAMES
    if wish.fps_base is not None and wish.fps is None:
        return BASE_ALONE
    files = (*frames, *([] if scene is None else [scene]))
    if len(files) > FILES_MAX:
        return TOO_MANY
    kept = await keep(gateway, past.user_id, Manifest(files[-1].path, files))
    await _keep_scene(gateway, past.user_id, kept.key, scene)
    fps = FPS_OF_NO_SCENE if scene is None and wish.fps is None else wish.fps
    told = {"fps": fps, "fps_base": wish.fps_base}
    rate = {name: value for name, value in told.items() if value is not None}
    spec = JobSpec(
        VIDEO,
        past.plan.spec.payload_ref,
        {"container": wish.container, **rate},
        queue=wish.queue,
        pool=past.plan.spec.pool,
        name=name_of_part(past.name, "film"),
    )
    # ``frames_of`` keeps the job's results until the video is made.
    inputs = Inputs(files=kept, frames_of=past.id)
    return JobPlan(spec, inputs, units=(NewUnit(price),))


async def _keep_scene(
    gateway: Gateway, user: UUID, manifest: str, scene: ManifestEntry | None
) -> None:
    """Keep the scene until the video is made; the frames are kept as results of the rendering
    job.
    """
    upload = None if scene is None else await gateway.tables.uploads.by_key(user, scene.place)
    if upload is not None:
        await gateway.tables.retention.list_manifest(manifest, [upload.id])


async def _frames(gateway: Gateway, user: UUID, units: list[PagedUnit]) -> list[ManifestEntry]:
    """Return the results, named by frame number so that a node can sort them; chunks are zips."""
    bucket = gateway.settings.objects.bucket
    kept = [(unit, key) for unit in units if (key := result_of(unit, user, bucket)) is not None]
    named = [(unit, key) for unit, key in kept if unit.result_sha256 is not None]
    if not named:
        return []
    suffix = await suffix_of_singles(gateway.ports.objects, named)
    return [_entry(unit, key, ZIP if is_chunk(unit) else suffix) for unit, key in named]


def _entry(unit: PagedUnit, key: str, suffix: str) -> ManifestEntry:
    assert unit.result_sha256 is not None
    assert unit.result_size is not None
    first = unit.number if unit.frames is None else parse(unit.frames)[0]
    folder = "chunks" if suffix == ZIP else "frames"
    path = f"{folder}/{padded(first)}{suffix}"
    return ManifestEntry(path, unit.result_sha256.hex(), unit.result_size, key)


async def _scene(gateway: Gateway, past: PastJob) -> ManifestEntry | None:
    """Return the job's scene, which has the frame rate and the view transform; None if it was not
    uploaded. Raises ObjectMissing if the list of the job's files is no longer stored.
    """
    file, listed = past.plan.inputs.file, past.plan.inputs.files
    if file is not None and file.path.endswith(".blend"):
        return ManifestEntry(SCENE, file.sha256, file.size, file.key)
    if listed is None:
        return None
    content = await gateway.ports.objects.get(listed.key, at_most=KEPT_BYTES_MAX)
    manifest = read(content, "key")
    return attrs.evolve(manifest.by_path[manifest.scene], path=SCENE)

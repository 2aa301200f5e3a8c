"""Compare page: the same frame of two jobs of one scene, side by side or with a wipe."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.frame_range import FRAME_MAX, parse
from rendertrust.job_types import RENDER
from sql.jobs import ConsoleJob, JobViews
from sql.related_jobs import SameScene
from web.console.film_strip import StripWindow, strip_of
from web.console.job_frames import address_of, frames_of, is_displayed, numbers_of
from web.console.registry import Pages
from web.console.view import Shown, View
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND

pages = Pages()
LOOKED_MOST: Final = 10  # jobs in which a frame is looked for
_PARAMS: Final = (("samples", "samples"), ("format", ""))  # parameters in a job's description


@attrs.frozen
class CompareQuery:
    """``other``: the job to compare with; without it, the newest one with the frame.

    ``frame``: the number of the frame; without it, the first frame that both have.
    """

    other: Annotated[str, Meta(max_length=36)] = ""
    frame: Annotated[int, Meta(ge=-FRAME_MAX, le=FRAME_MAX)] | None = None


@attrs.frozen
class ComparedPicture:
    """The picture of a frame of a job; ``source`` is '' if there is none that browsers display.

    ``is_small``: it is the thumbnail that the node sent.
    """

    job: ConsoleJob
    source: str = ""
    is_small: bool = False


@pages.page(
    "/jobs/{id}/compare",
    "Compare",
    "compare.html",
    absent=JOB_NOT_FOUND,
    beginning="jobs_beginning",
)
async def compare(view: View[CompareQuery]) -> Shown | Problem:
    """Return the pictures of the frame in both jobs, and the jobs and frames to choose from."""
    views = JobViews(view.gateway.database)
    row = await views.job(view.owner, view.ids["id"])
    if row is None:
        return JOB_NOT_FOUND
    others = await view.gateway.tables.related_jobs.same_scene(row.id)
    chosen = await chosen_of(view, views, row, [each.id for each in others])
    other = None if chosen is None else await views.job(view.owner, chosen)
    frames = await _frames_of_both(views, row, other)
    frame = view.query.frame if view.query.frame is not None else next(iter(frames), None)
    both = [] if other is None else [await picture_of(view, each, frame) for each in (other, row)]
    place = frames.index(frame) if frame in frames else None
    return {
        "title": "Compare",
        "job": row,
        "choices": [(each, described(each)) for each in others],
        "chosen": chosen,
        "other": other,
        "number": frame,
        "both": both,
        "previous": frames[place - 1] if place else None,
        "next": frames[place + 1] if place is not None and place + 1 < len(frames) else None,
        "is_missing": view.query.frame is not None and bool(frames) and place is None,
    }


async def chosen_of(
    view: View[CompareQuery], views: JobViews, row: ConsoleJob, others: Sequence[UUID]
) -> UUID | None:
    """Return the job that is compared; None: there is none.

    It is the named one, by its id or the beginning of it; or the newest one with the frame, among
    the ``LOOKED_MOST`` newest; or the newest one.
    """
    named, frame = view.query.other.lower(), view.query.frame
    wanted = [each for each in others if named and str(each).startswith(named)]
    if wanted or frame is None:
        return next(iter(wanted or others), None)
    for each in others[:LOOKED_MOST]:
        if frame in await _frames_of_both(views, row, await views.job(view.owner, each)):
            return each
    return next(iter(others), None)


def described(job: SameScene) -> str:
    """Return a job's name and parameters in words, to tell the jobs of a scene apart."""
    params = job.params or {}
    words = [f"{params['width']} by {params['height']}"] if "width" in params else []
    words += [f"{params[name]} {word}".strip() for name, word in _PARAMS if name in params]
    words += [f"in {job.units} parts"] if job.units > 1 else []
    return ", ".join([job.name, *words, str(job.id)[:8]])


async def _frames_of_both(
    views: JobViews, row: ConsoleJob, other: ConsoleJob | None
) -> Sequence[int]:
    """Return the frames that both jobs have; none if a scene says which frame is rendered."""
    if other is None:
        return ()
    mine, theirs = await _numbers(views, row), await _numbers(views, other)
    return sorted(mine & theirs)


async def _numbers(views: JobViews, row: ConsoleJob) -> set[int]:
    parts = await views.parts(row.id)
    if parts:
        return {number for part in parts for number in parse(part.frames)}
    return {row.plan.params["frame"]} if "frame" in row.plan.params else set()


async def picture_of(
    view: View[CompareQuery], row: ConsoleJob, frame: int | None
) -> ComparedPicture:
    """Return the picture of a frame of a job."""
    views, thumbnails = JobViews(view.gateway.database), view.gateway.tables.thumbnails
    parts = await views.parts(row.id)
    if row.units == 1:
        frames = len(parse(parts[0].frames)) if parts else 1
        if row.result_ref is not None and is_displayed(row.job_type, row.plan.params, frames):
            return ComparedPicture(row, f"/console/pictures/{row.id}")
        shown = await thumbnails.shown(row.id)
        small = address_of(row.id, shown[-1].frame, shown[-1].made_at) if shown else ""
        return ComparedPicture(row, small, is_small=True)
    at = next((at for at, part in enumerate(parts) if frame in parse(part.frames)), None)
    if at is None or row.job_type != RENDER:
        return ComparedPicture(row)
    rows = await views.frames(row.id, None, 1, at)
    shown = await thumbnails.shown(row.id, numbers_of(rows))
    units = frames_of(row, rows, shown)
    found = strip_of(row.id, units, shown, StripWindow(at, 1), frame).shown
    if found is None or found.number != frame:
        return ComparedPicture(row)
    return ComparedPicture(row, found.full or found.small, is_small=not found.full)

"""Job page: timeline, frames, log lines, bill, and why the job waits or failed."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import attrs
from msgspec import Meta

from actors.kernel import AskFailed
from actors.notifier.messages import Notifier, Progress, ProgressOf, ProgressOfUnits
from rendertrust.frame_range import FRAME_MAX, parse
from rendertrust.job_status import ENDED
from rendertrust.job_types import RENDER
from sql.jobs import ConsoleJob, ConsolePart, FrameCounts, JobViews
from sql.related_jobs import TRIED_FOR
from web.console.animation_rest import rest_of
from web.console.bill import bill_of
from web.console.curl import curl_of
from web.console.film_strip import FilmStrip, strip_of, window_at
from web.console.job_again import address_again
from web.console.job_frames import SHOWN, frames_of, numbers_of, small_of
from web.console.job_timeline import AttemptRow, TimelineFacts, spans_of, steps_of, tries_of
from web.console.job_words import badge_of
from web.console.pages.disputes import window_of
from web.console.pages.share import SHARES, is_sharing, shares_of
from web.console.registry import Pages
from web.console.tables import Column, order_by, table
from web.console.view import OVERSEERS, Shown, View
from web.http.problem import Problem
from web.jobs.attempt_logs import tail_of
from web.jobs.check_progress import checking_of
from web.jobs.dead_letters import CLASSES
from web.jobs.job_control import JOB_NOT_FOUND, MAYBE_CANCELLABLE
from web.jobs.job_view import eta_of
from web.jobs.job_view import progress_of as part_of
from web.jobs.orphan_tiles import orphan_tiles_of
from web.jobs.retry import RETRYABLE
from web.jobs.wait_reasons import waiting_words
from web.routes import ledger, receipts, videos

pages = Pages()
ASK_SECONDS: Final = 0.5
# Advice on a failed job, by the cause.
ADVICE: Final = {
    "scene": "Something in the scene or its parameters is wrong: fix it and submit it again.",
    "node": "The nodes that tried it are at fault: retry it.",
    "network": "Nodes were repeatedly lost while they worked on it: retry it.",
    "gateway": "No node took it in time: retry it when there are suitable nodes.",
    "verifier": "The node's result was invalid: retry it.",
}
SHAREABLE: Final = ("COMPLETED", RENDER)  # status and type of jobs whose pictures can be shared
# Why a job is done later than the page has said.
LATER: Final = {
    "fewer_nodes": "fewer nodes work on it now",
    "more_work": "frames are rendered again",
    "slower": "frames take longer than before",
    "no_node": "no node worked on it for a while",
}
WORDS: Final = {-1: "low", 0: "normal", 1: "high"}
MONEY: Final = (
    Column("What", "what"),
    Column("Amount", "amount", "number"),
    Column("When", "at", "time"),
    Column("Entry"),
)
ATTEMPTS: Final = (
    Column("Attempt", "place", "figure"),
    Column("Node", "node"),
    Column("Assigned", "given_at", "time"),
    Column("Outcome", "state"),
)
pages.call("/proofs/{entry_id}", ledger.operations, ledger.proof)
pages.call("/receipts/{job_id}/{number}", receipts.operations, receipts.of_unit)


@attrs.frozen
class JobPageQuery:
    """Query of the page. The page lists frames in ``state``, from the one at ``offset`` on, counted
    from 0.

    ``frame`` is shown large, and listed; without it, the newest picture is shown. ``sort`` names a
    column of the table.
    """

    state: Literal["", "failed"] = ""
    offset: Annotated[int, Meta(ge=0, le=10**7)] = 0
    frame: Annotated[int, Meta(ge=-FRAME_MAX, le=FRAME_MAX)] | None = None
    sort: Annotated[str, order_by(money=MONEY, attempts=ATTEMPTS, shares=SHARES)] = ""


@pages.page(
    "/jobs/{id}",
    "Job",
    "job.html",
    live=(
        *("state", "video", "stage", "strip", "about", "picture", "which", "frames"),
        *("steer", "sum", "bill", "timeline", "log", "attempts"),
    ),
    topics=("jobs",),
    own=True,
    every=2.0,
    rest=0.4,
    absent=JOB_NOT_FOUND,
    beginning="jobs_beginning",
)
async def job(view: View[JobPageQuery]) -> Shown | Problem:
    """Return everything about a job."""
    views = JobViews(view.gateway.database)
    row = await views.job(view.owner, view.ids["id"])
    if row is None:
        return JOB_NOT_FOUND
    parts = await views.parts(row.id)
    holds, entries = await views.holds(row.id), await views.entries(row.id)
    units, attempts = await views.units(row.id), await views.attempts(row.id)
    charges, chain = await views.charges(row.id), bool(view.gateway.settings.chain.url)
    known = TimelineFacts(row, units, attempts, holds, charges, anchoring=chain)
    tries, bill, sort = tries_of(attempts, units), bill_of(holds, entries), view.query.sort
    lines = await tail_of(view.gateway, row.id)
    failed = next((unit for unit in units if unit.error_class is not None), None)
    return {
        "title": row.name,
        "job": row,
        "units": units,
        "attempts": table(listed_of(tries), ATTEMPTS, sort, "place", "attempts"),
        "tries": max(row.attempts, len(tries)),
        "has_all_attempts": row.attempts <= len(tries),
        "steps": steps_of(known),
        "spans": spans_of(known),
        "sold": view.gateway.console.prices.of_credits,
        "bill": bill,
        "money": table(bill.lines, MONEY, sort, "at", "money"),
        "lines": lines,
        "pieces": await views.pieces(row.id, {line.unit for line in lines}),
        "why": await waiting_words(view.gateway, row),
        "blame": CLASSES.get(failed.error_class, "") if failed else "",
        "advice": ADVICE.get(failed.error_class or "", "") if failed else "",
        "cut_into": cut_into(row, parts),
        "eta": await eta_of(view.gateway, row.user_id, row, view.now),
        "later": LATER,
        **request_of(view, row),
        **await state_of(view, views, row),
        **await repeats_of(view, row),
        **await video_shown(view, row),
        **await sharing_of(view, row),
        **await tiles_and_disputes(view, row),
        **await frames_shown(view, views, row, parts),
    }


def request_of(view: View[JobPageQuery], row: ConsoleJob) -> Shown:
    """Return the job as it was submitted, and what the user may do with it."""
    base = view.base or view.gateway.settings.server.public_url or view.gateway.url()
    return {
        "curl": curl_of(base, row),
        "params": row.plan.params,
        "grid": row.plan.grid,
        "pool": row.plan.spec.pool,
        "priority": WORDS[row.priority],
        "is_own": row.user_id == view.who.user,
        "may_retry": row.status in RETRYABLE and row.retried_by is None and row.units == 1,
        "may_cancel": row.status in MAYBE_CANCELLABLE,
        "may_steer": row.status not in ENDED,
        "everybody": view.who.role in OVERSEERS,
    }


async def repeats_of(view: View[JobPageQuery], row: ConsoleJob) -> Shown:
    """Return the jobs that repeat this one or a frame of it, and the address to submit it again."""
    related = view.gateway.tables.related_jobs
    has_frames = row.job_type == RENDER and row.done > 0
    return {
        "again": address_again(row),
        "agains": await related.again(row.id),
        "compares": has_frames and bool(await related.same_scene(row.id)),
    }


async def state_of(view: View[JobPageQuery], views: JobViews, row: ConsoleJob) -> Shown:
    """Return the job's state in words, and the jobs that belong to it or to which it belongs."""
    progress = await progress_of(view, row)
    relatives = await views.relatives(row.id)
    return {
        "progress": progress,
        "badge": badge_of(
            row.status,
            row.job_type,
            progress=await part_of(view.gateway, row),
            paused=row.paused,
            is_verifying=row.is_verifying,
        ),
        **{role: relatives.get(role) for role in ("parent", "preflight", "original")},
    }


async def sharing_of(view: View[JobPageQuery], row: ConsoleJob) -> Shown:
    """Return whether the job's pictures may be shared, and the user's links to them."""
    kind = (row.status, row.job_type)
    return {
        "may_share": is_sharing(view.gateway) and kind == SHAREABLE,
        "shares": await shares_of(view, view.query.sort, row.id),
    }


async def tiles_and_disputes(view: View[JobPageQuery], row: ConsoleJob) -> Shown:
    """Return the job's orphan tiles, the rest of its animation, and the units that are or can be
    disputed.
    """
    return {
        "rest": await rest_of(view.gateway, row),
        "loose": await orphan_tiles_of(view.gateway, row),
        "disputes": await view.gateway.tables.disputes.of_job(row.id),
        "disputable_since": window_of(view.gateway, view.now),
    }


async def video_shown(view: View[JobPageQuery], row: ConsoleJob) -> Shown:
    """Return the newest video of the job's frames, the price of another one, and that of the video
    that the job orders by itself, and whether its cap forbids that or it is still tried.

    A video that failed is not shown once there is another one. The price is 0 if no video can be
    made.
    """
    found = (
        await view.gateway.tables.related_jobs.videos(row.id, row.user_id) if row.units > 1 else ()
    )
    living = [each for each in found if each.status not in ("FAILED", "CANCELLED")]
    may_make = row.units > 1 and row.status in ENDED and row.job_type == RENDER
    price, ordered, spec = 0, 0, row.plan.spec
    if may_make:
        about = view.gateway, row.user_id, spec.pool
        price = await videos.price_of_one(*about)
        ordered = await videos.price_of_one(*about, row.created_at) if spec.video else price
    video = next(iter(living or found), None)
    ended = row.completed_at
    return {
        "video": video,
        "video_price": price,
        "video_ordered": ordered,
        "is_video_past_cap": videos.passes_cap(row, ordered),
        "is_video_due": ended is not None and view.now - ended < TRIED_FOR,
    }


async def frames_shown(
    view: View[JobPageQuery], views: JobViews, row: ConsoleJob, parts: Sequence[ConsolePart]
) -> Shown:
    """Return the film strip, and a page of the list of frames.

    A job of one unit has neither; ``small`` is the address of its thumbnail.
    """
    thumbnails = view.gateway.tables.thumbnails
    if row.units == 1:
        shown = await thumbnails.shown(row.id)
        small = small_of(row.id, shown[-1] if shown else None)
        checking = await checking_of(view.gateway, row.id, (0,) if row.status == "RUNNING" else ())
        alone = {"small": small, "checking": checking, "strip": FilmStrip(), "is_chosen": False}
        return {"frames": [], "counts": FrameCounts(), "offset": 0, **alone}
    told = await progress_of_units(view, row)
    chosen = index_of_frame(view.query.frame, parts)
    strip = await strip_shown(view, views, row, parts, told)
    counts, query = await views.frame_counts(row.id), view.query
    offset = query.offset or (0 if query.state or chosen is None else chosen // SHOWN * SHOWN)
    rows = await views.frames(row.id, query.state.upper() or None, SHOWN, offset)
    shown = await thumbnails.shown(row.id, numbers_of(rows))
    total = counts.failed if query.state else counts.total
    delivered = {each.number for each in rows if each.state == "VERIFYING"}
    if strip.shown is not None and strip.shown.state == "VERIFYING":
        delivered.add(strip.shown.unit.number)
    return {
        "small": "",
        "strip": strip,
        "is_chosen": chosen is not None,
        "checking": await checking_of(view.gateway, row.id, sorted(delivered)),
        "frames": frames_of(row, rows, shown, told),
        "counts": counts,
        "total": total,
        "offset": offset,
        "before": max(0, offset - SHOWN) if offset else None,
        "after": offset + SHOWN if offset + SHOWN < total else None,
        "last": (total - 1) // SHOWN * SHOWN,
    }


async def strip_shown(
    view: View[JobPageQuery],
    views: JobViews,
    row: ConsoleJob,
    parts: Sequence[ConsolePart],
    told: Sequence[Progress],
) -> FilmStrip:
    """Return the strip with the frame that the query names on the stage, or with the newest one."""
    frame = view.query.frame
    place = index_of_frame(frame, parts)
    if place is None:
        frame = await views.newest(row.id)
        place = index_of_frame(frame, parts)
    window = window_at(parts, place or 0)
    rows = await views.frames(row.id, None, window.limit, window.start)
    shown = await view.gateway.tables.thumbnails.shown(row.id, numbers_of(rows))
    return strip_of(row.id, frames_of(row, rows, shown, told), shown, window, frame)


def cut_into(row: ConsoleJob, parts: Sequence[ConsolePart]) -> str:
    """Return the word for the job's units. The first unit decides, as no chunk has more frames than
    the first one.
    """
    if row.plan.grid is not None:
        return "tiles and frames"
    if not parts:
        return "parts"
    return "chunks" if len(parse(parts[0].frames)) > 1 else "frames"


def listed_of(tries: Sequence[AttemptRow]) -> Sequence[AttemptRow]:
    """Return the attempts of units of which one attempt is worth a look."""
    units = {each.place[0] for each in tries if is_notable(each)}
    return [each for each in tries if each.place[0] in units]


def is_notable(attempt: AttemptRow) -> bool:
    """Return True if an attempt is not the unit's first, or failed, or was refunded."""
    return attempt.place[1] > 1 or attempt.error is not None or attempt.verdict == "refunded"


def index_of_frame(frame: int | None, parts: Sequence[ConsolePart]) -> int | None:
    """Return the index of the unit that has this frame."""
    if frame is None:
        return None
    return next((at for at, part in enumerate(parts) if frame in parse(part.frames)), None)


async def progress_of(view: View[JobPageQuery], row: ConsoleJob) -> Progress | None:
    """Return the progress of a job of one unit, as its node last reported it."""
    if row.status != "RUNNING" or row.units > 1:
        return None
    try:
        notifier = view.gateway.registry.ref(Notifier)
        return await notifier.ask(ProgressOf(row.id), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return None


async def progress_of_units(view: View[JobPageQuery], row: ConsoleJob) -> tuple[Progress, ...]:
    """Return the progress of the job's running units."""
    try:
        notifier = view.gateway.registry.ref(Notifier)
        return await notifier.ask(ProgressOfUnits(row.id), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return ()

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
from web.console.bill import bill_of
from web.console.curl import curl_of
from web.console.job_frames import SHOWN, frames_of, numbers_of, small_of
from web.console.job_timeline import TimelineFacts, steps_of, tries_of
from web.console.pages.disputes import window_of
from web.console.registry import Pages
from web.console.tables import Column, order_by, table
from web.console.value_markup import address
from web.console.view import OVERSEERS, Redirect, Shown, View
from web.http.problem import Problem
from web.jobs.attempt_logs import tail_of
from web.jobs.check_progress import checking_of
from web.jobs.dead_letters import CLASSES
from web.jobs.eta import seconds_left
from web.jobs.job_control import CANCELLABLE, JOB_NOT_FOUND
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

    ``frame`` opens the page that has this frame. ``sort`` names a column of the table.
    """

    state: Literal["", "failed"] = ""
    offset: Annotated[int, Meta(ge=0, le=10**7)] = 0
    frame: Annotated[int, Meta(ge=-FRAME_MAX, le=FRAME_MAX)] | None = None
    sort: Annotated[str, order_by(money=MONEY, attempts=ATTEMPTS)] = ""


@pages.page(
    "/jobs/{id}",
    "Job",
    "job.html",
    live=("state", "which", "frames", "steer", "timeline", "picture", "log", "money", "attempts"),
    topics=("jobs",),
    own=True,
    every=2.0,
    rest=0.4,
    absent=JOB_NOT_FOUND,
)
async def job(view: View[JobPageQuery]) -> Shown | Problem | Redirect:
    """Return everything about a job."""
    views = JobViews(view.gateway.database)
    row = await views.job(view.owner, view.ids["id"])
    if row is None:
        return JOB_NOT_FOUND
    parts = await views.parts(row.id)
    place = index_of_frame(view.query.frame, parts)
    if place is not None:
        return Redirect(page_at(view, place, parts))
    holds, entries = await views.holds(row.id), await views.entries(row.id)
    units, attempts = await views.units(row.id), await views.attempts(row.id)
    charges, chain = await views.charges(row.id), bool(view.gateway.settings.chain.url)
    known = TimelineFacts(row, units, attempts, holds, charges, anchoring=chain)
    base = view.base or view.gateway.settings.server.public_url or view.gateway.url()
    tries, bill, sort = tries_of(attempts, units), bill_of(holds, entries), view.query.sort
    lines = await tail_of(view.gateway, row.id)
    failed = next((unit for unit in units if unit.error_class is not None), None)
    return {
        "title": f"Job {str(row.id)[:8]}",
        "job": row,
        "units": units,
        "attempts": table(tries, ATTEMPTS, sort, "place", "attempts"),
        "tries": max(row.attempts, len(tries)),
        "steps": steps_of(known),
        "bill": bill,
        "money": table(bill.lines, MONEY, sort, "at", "money"),
        "progress": await progress_of(view, row),
        "lines": lines,
        "pieces": await views.pieces(row.id, {line.unit for line in lines}),
        "why": await waiting_words(view.gateway, row),
        "blame": CLASSES.get(failed.error_class, "") if failed else "",
        "advice": ADVICE.get(failed.error_class or "", "") if failed else "",
        "cut_into": cut_into(row, parts),
        "curl": curl_of(base, row),
        "params": row.plan.params,
        "grid": row.plan.grid,
        "pool": row.plan.spec.pool,
        "is_own": row.user_id == view.who.user,
        "may_retry": row.status in RETRYABLE and row.retried_by is None and row.units == 1,
        "may_cancel": row.status in CANCELLABLE,
        "may_steer": row.status not in ENDED,
        "priority": WORDS[row.priority],
        "eta": await eta_of(view, row),
        "everybody": view.who.role in OVERSEERS,
        "film_price": await film_price_of(view, row),
        **await tiles_and_disputes(view, row),
        **await frames_shown(view, views, row),
    }


async def tiles_and_disputes(view: View[JobPageQuery], row: ConsoleJob) -> Shown:
    """Return the job's orphan tiles, and the units that are or can be disputed."""
    return {
        "loose": await orphan_tiles_of(view.gateway, row),
        "disputes": await view.gateway.tables.disputes.of_job(row.id),
        "disputable_since": window_of(view.gateway, view.now),
    }


async def frames_shown(view: View[JobPageQuery], views: JobViews, row: ConsoleJob) -> Shown:
    """Return a page of frames.

    A job of one unit has no list of frames; ``small`` is the address of its thumbnail.
    """
    thumbnails = view.gateway.tables.thumbnails
    if row.units == 1:
        shown = await thumbnails.shown(row.id)
        small = small_of(row.id, shown[-1] if shown else None)
        checking = await checking_of(view.gateway, row.id, (0,) if row.status == "RUNNING" else ())
        alone = {"small": small, "checking": checking}
        return {"frames": [], "counts": FrameCounts(), **alone}
    counts, query = await views.frame_counts(row.id), view.query
    rows = await views.frames(row.id, query.state.upper() or None, SHOWN, query.offset)
    shown = await thumbnails.shown(row.id, numbers_of(rows))
    total = counts.failed if query.state else counts.total
    delivered = [each.number for each in rows if each.state == "VERIFYING"]
    return {
        "small": "",
        "checking": await checking_of(view.gateway, row.id, delivered),
        "frames": frames_of(row, rows, shown, await progress_of_units(view, row)),
        "counts": counts,
        "total": total,
        "before": max(0, query.offset - SHOWN) if query.offset else None,
        "after": query.offset + SHOWN if query.offset + SHOWN < total else None,
        "last": (total - 1) // SHOWN * SHOWN,
    }


def cut_into(row: ConsoleJob, parts: Sequence[ConsolePart]) -> str:
    """Return the word for the job's units. The first unit decides, as no chunk has more frames than
    the first one.
    """
    if row.plan.grid is not None:
        return "tiles and frames"
    if not parts:
        return "parts"
    return "chunks" if len(parse(parts[0].frames)) > 1 else "frames"


def index_of_frame(frame: int | None, parts: Sequence[ConsolePart]) -> int | None:
    """Return the index of the unit that has this frame."""
    if frame is None:
        return None
    return next((at for at, part in enumerate(parts) if frame in parse(part.frames)), None)


def page_at(view: View[JobPageQuery], place: int, parts: Sequence[ConsolePart]) -> str:
    """Return the address of the page that has the frame at this index."""
    params = {"offset": place // SHOWN * SHOWN or None, "state": None, "frame": None}
    return f"{address(view.path, view.params, **params)}#frame-{parts[place].number}"


async def film_price_of(view: View[JobPageQuery], row: ConsoleJob) -> int:
    """Return the price of a video of the job's frames; 0 if no video can be made."""
    if row.units == 1 or row.status not in ENDED or row.job_type != RENDER:
        return 0
    return await videos.price_of_one(view.gateway, row.user_id, row.plan.spec.pool)


async def eta_of(view: View[JobPageQuery], row: ConsoleJob) -> float | None:
    """Return the API's estimate of the remaining seconds, rounded to 10 or, below 60, to 5."""
    if row.status != "RUNNING" or row.units == 1:
        return None
    pace = await view.gateway.tables.jobs.pace(row.id, view.now)
    left = seconds_left(pace.done, pace.mean, pace.at_work, pace.waiting)
    if left is None:
        return None
    return float(round(left / 10) * 10) if left > 60 else float(round(left / 5) * 5 or 5)


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

"""One job: its way, its picture, what was said of it, what it cost, and why it waits or failed."""

from typing import Annotated, Final

import attrs
from msgspec import Meta

from actors.kernel import AskFailed
from actors.notifier.messages import Notifier, Progress, ProgressOf, ProgressOfUnits
from sql.job_desk import DeskJob, JobDesk
from sql.work import GRID
from web.console.attempts import tries_of
from web.console.curl import curl_of, shown_params
from web.console.frames import SHOWN, frames_of, numbers_of, small_of
from web.console.money_lines import bill_of
from web.console.registry import Pages
from web.console.tables import Column, table
from web.console.timeline import Known, steps_of
from web.console.view import OVERSEERS, Shown, View
from web.http.problem import Problem
from web.jobs.attempt_logs import tail_of
from web.jobs.checking import checking_of
from web.jobs.dead_letters import CLASSES
from web.jobs.eta import seconds_left
from web.jobs.loose import loose_of
from web.jobs.orders import CANCELLABLE, RETRYABLE
from web.jobs.placing import POOL
from web.jobs.waiting import why
from web.routes import ledger, receipts, videos

pages = Pages()
ASK_SECONDS: Final = 0.5
ABSENT: Final = "Job not found"
NO_JOB: Final = Problem(404, ABSENT)
# What a creator can do about a failure, by whose fault it was.
ADVICE: Final = {
    "scene": "Something in the scene or its parameters is wrong: mend it, and submit it anew.",
    "node": "The nodes that tried it are to blame: try it again.",
    "network": "Nodes were lost again and again while they worked on it: try it again.",
    "gateway": "No node took it in time: try it again when there are nodes that do such jobs.",
    "verifier": "What the node delivered did not hold: try it again.",
}
ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED")
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
    Column("Given", "given_at", "time"),
    Column("Became", "state"),
)
pages.call("/proofs/{entry_id}", ledger.operations, ledger.proof)
pages.call("/receipts/{job_id}/{number}", receipts.operations, receipts.of_unit)


@attrs.frozen
class Query:
    """``after``: the number of the last frame of the page before; ``sort`` names its table."""

    after: Annotated[int, Meta(ge=-1, le=10**7)] = -1
    sort: Annotated[str, Meta(max_length=40)] = ""


@pages.page(
    "/jobs/{id}",
    "Job",
    "job.html",
    query=Query,
    live=("state", "frames", "steer", "timeline", "picture", "log", "money", "attempts"),
    topics=("jobs",),
    own=True,
    every=2.0,
    rest=0.4,
    absent=ABSENT,
)
async def job(view: View[Query]) -> Shown | Problem:
    """All that is known of it."""
    desk = JobDesk(view.gateway.database)
    row = await desk.job(view.owner, view.ids["id"])
    if row is None:
        return NO_JOB
    holds, entries = await desk.holds(row.id), await desk.entries(row.id)
    units, attempts = await desk.units(row.id), await desk.attempts(row.id)
    charges, chain = await desk.charges(row.id), bool(view.gateway.settings.chain.url)
    known = Known(row, units, attempts, holds, charges, anchoring=chain)
    base = view.base or view.gateway.settings.server.public_url or view.gateway.sales.url()
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
        "refunded": charges.refunded,
        "money": table(bill.lines, MONEY, sort, "at", "money"),
        "progress": await progress_of(view, row),
        "lines": lines,
        "pieces": await desk.pieces(row.id, {line.unit for line in lines}),
        "why": await why(view.gateway, row),
        "blame": CLASSES.get(failed.error_class, "") if failed else "",
        "advice": ADVICE.get(failed.error_class or "", "") if failed else "",
        "curl": curl_of(base, row, await desk.parts(row.id)),
        "params": shown_params(row),
        "grid": row.params.get(GRID),
        "pool": row.params.get(POOL),
        "is_own": row.user_id == view.who.user,
        "may_retry": row.status in RETRYABLE and row.retried_by is None and row.units == 1,
        "may_cancel": row.status in CANCELLABLE,
        "may_steer": row.status not in ENDED,
        "priority": WORDS[row.priority],
        "eta": await eta_of(view, row),
        "everybody": view.who.role in OVERSEERS,
        "film_price": await film_price_of(view, row),
        "loose": await loose_of(view.gateway, row),
        **await frames_shown(view, desk, row),
    }


async def frames_shown(view: View[Query], desk: JobDesk, row: DeskJob) -> Shown:
    """A page of its frames; of a job of one unit none, but ``small``: how that looks by now."""
    thumbnails = view.gateway.thumbnails
    if row.units == 1:
        shown = await thumbnails.shown(row.id)
        small = small_of(row.id, shown[-1] if shown else None)
        checking = await checking_of(view.gateway, row.id, (0,) if row.status == "RUNNING" else ())
        alone = {"first": True, "after": None, "small": small, "checking": checking}
        return {"frames": [], **alone}
    after = view.query.after
    rows = await desk.frames(row.id, after, SHOWN + 1)
    shown = await thumbnails.shown(row.id, numbers_of(rows[:SHOWN]))
    delivered = [each.number for each in rows[:SHOWN] if each.state == "VERIFYING"]
    return {
        "small": "",
        "checking": await checking_of(view.gateway, row.id, delivered),
        "frames": frames_of(row, rows[:SHOWN], shown, await progress_of_units(view, row)),
        "first": after <= 0,
        "after": rows[SHOWN - 1].number if len(rows) > SHOWN else None,
    }


async def film_price_of(view: View[Query], row: DeskJob) -> int:
    """What a video of its frames costs, where one can be made."""
    if row.units == 1 or row.status not in ENDED or row.job_type != "render":
        return 0
    return await videos.price_of_one(view.gateway, row.user_id, row.params)


async def eta_of(view: View[Query], row: DeskJob) -> float | None:
    """Seconds that are left, roughly: as the API says it."""
    if row.status != "RUNNING" or row.units == 1:
        return None
    pace = await view.gateway.jobs.pace(row.id, view.now)
    left = seconds_left(pace.done, pace.mean, pace.at_work, pace.waiting)
    if left is None:
        return None
    return float(round(left / 10) * 10) if left > 60 else float(round(left / 5) * 5 or 5)


async def progress_of(view: View[Query], row: DeskJob) -> Progress | None:
    """How far a job of one unit is, as its node said last."""
    if row.status != "RUNNING" or row.units > 1:
        return None
    try:
        notifier = view.gateway.registry.ref(Notifier)
        return await notifier.ask(ProgressOf(row.id), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return None


async def progress_of_units(view: View[Query], row: DeskJob) -> tuple[Progress, ...]:
    """How far those of its units are that run."""
    try:
        notifier = view.gateway.registry.ref(Notifier)
        return await notifier.ask(ProgressOfUnits(row.id), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return ()

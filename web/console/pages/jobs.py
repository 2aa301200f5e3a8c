"""Jobs page: filter by tabs and text, retry or cancel several at once.

Checks of scenes, and films, are not rows of the list: a job's row has links to them.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from actors.kernel import AskFailed
from rendertrust import money
from rendertrust.job_types import INFERENCE, PREFLIGHT, VIDEO, preflight_of
from rendertrust.job_words import part_rendered
from sql.job_filters import SORTED_MOST, JobFilter
from sql.jobs import JobViews, ListedJob
from web.console.job_frames import address_of
from web.console.job_words import JobBadge, badge_of
from web.console.registry import RENDERING, Nav, Pages
from web.console.tables import Column, order_by, sort_of
from web.console.view import ACCOUNT_GONE, Redirect, Shown, View
from web.http.converter import uuid_of
from web.http.problem import Problem
from web.jobs.dead_letters import said
from web.jobs.job_control import JOB_NOT_FOUND, cancel_job
from web.jobs.job_filter import GROUPS, WHAT, WORDS, Misread, filter_of, with_status
from web.jobs.job_view import BEGUN, told_of
from web.jobs.retry import RetryOutcome, retry_job

pages = Pages()
ROWS: Final = 50
AT_ONCE: Final = 100
USUAL: Final = "-created"
NOTHING: Final = Problem(422, "No job was selected")
TABS: Final = (
    ("All", "", ()),
    ("Waiting", "queued", ("QUEUED",)),
    ("Running", "active", GROUPS["active"]),
    ("Paused", "paused", ("PAUSED",)),
    ("Completed", "completed", ("COMPLETED",)),
    ("Failed", "failed", ("FAILED",)),
    ("Cancelled", "cancelled", ("CANCELLED",)),
)
# Types of jobs that belong to another job, which has links to them.
PARTS: Final = (PREFLIGHT, preflight_of(INFERENCE), VIDEO)
ASK_SECONDS: Final = 0.5
OWN: Final = (
    Column("Job", "name"),
    Column("Status", "status"),
    Column("Node", "node"),
    Column("Price", "price", "number"),
    Column("Took", "took", "number"),
    Column("Submitted", "created", "time"),
)
ALL: Final = (*OWN[:2], Column("User", "user"), *OWN[2:])


@attrs.frozen
class JobsQuery:
    q: str = (
        ""  # the filter's parser checks the length, so that its message is shown beside the field
    )
    sort: Annotated[str, order_by(ALL)] = USUAL
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@pages.page(
    "/jobs",
    "Jobs",
    "jobs.html",
    nav=Nav("Jobs", "j", 10, "jobs", RENDERING),
    live=("tabs", "rows"),
    topics=("jobs",),
    every=5.0,
    rest=0.5,
)
async def jobs(view: View[JobsQuery]) -> Shown:
    """Return a page of matching jobs, and their number per state."""
    query, views, everybody = view.query, JobViews(view.gateway.database), view.owner is None
    columns = ALL if everybody else OWN
    sort = sort_of(query.sort, columns, USUAL)
    wish = filter_of(query.q, view.now, of_everybody=everybody)
    misread = wish.said if isinstance(wish, Misread) else ""
    meant = JobFilter() if isinstance(wish, Misread) else wish
    if meant.types is None and meant.id is None:
        meant = attrs.evolve(meant, but_types=PARTS)
    rows = [] if misread else await views.page(view.owner, meant, sort.text, ROWS + 1, query.offset)
    counts = await views.counts(view.owner, meant)
    return {
        "columns": columns,
        "sort": sort,
        "everybody": everybody,
        "tabs": tabs_of(view, meant, counts),
        "capped": sum(counts.values()) >= SORTED_MOST,
        "misread": misread,
        "rows": await shown(view, rows[:ROWS]),
        "parts_filter": f"type:{','.join(PARTS)}" if meant.but_types else "",
        "before": max(0, query.offset - ROWS) if query.offset else None,
        "after": query.offset + ROWS if len(rows) > ROWS else None,
        "first": query.offset + 1,
        "words": words_of(await views.words(view.owner), everybody=everybody),
        "url": view.url,
        "sold": view.gateway.console.prices.of_credits,
    }


@attrs.frozen
class ListRow:
    """A row of the list. ``progress``: from 0 to 1, of a job at work, if known.

    ``small``: the address of the newest picture, or ''. ``steer``: what its button does, 'pause',
    'resume' or ''.
    """

    job: ListedJob
    badge: JobBadge
    progress: float | None
    small: str
    steer: str


async def shown(view: View[JobsQuery], jobs: Sequence[ListedJob]) -> Sequence[ListRow]:
    """Return the rows of the list."""
    begun = tuple(job.id for job in jobs if job.status in BEGUN and not job.is_verifying)
    told = await told_of(view.gateway, begun)
    return [row_of(job, part_of(job, told)) for job in jobs]


def part_of(job: ListedJob, told: Mapping[UUID, float]) -> float | None:
    """Return the part of a job at work that is rendered, if known and not all. ``told``: the
    progress of its units.
    """
    if job.status not in BEGUN or job.is_verifying:
        return None
    if job.units == 1:
        return told.get(job.id)
    return part_rendered(job.units, job.done, told.get(job.id, 0.0))


def row_of(job: ListedJob, progress: float | None) -> ListRow:
    """Return a row of the list."""
    badge = badge_of(
        job.status,
        job.job_type,
        progress=progress,
        paused=job.paused,
        is_verifying=job.is_verifying,
    )
    small = ""
    if job.thumbnail_frame is not None and job.thumbnail_at is not None:
        small = address_of(job.id, job.thumbnail_frame, job.thumbnail_at)
    return ListRow(job, badge, progress, small, steer_of(job))


def steer_of(job: ListedJob) -> str:
    """Return what the button of a job does. A job of one unit can be paused until it begins."""
    if job.completed_at is not None or job.paused == "stopped":
        return ""
    if job.paused is not None:
        return "resume" if job.paused == "owner" else ""
    return "pause" if job.units > 1 or job.status == "QUEUED" else ""


def tabs_of(
    view: View[JobsQuery], wish: JobFilter, counts: Mapping[str, int]
) -> Sequence[tuple[str, str, int, bool]]:
    """Return the tabs: label, filter, number, selected. A tab replaces the status in the filter."""
    here = frozenset(wish.statuses or ())
    return [
        (
            label,
            with_status(view.query.q, word),
            sum(counts[each] for each in statuses or counts),
            here == frozenset(statuses),
        )
        for label, word, statuses in TABS
    ]


def words_of(known: Mapping[str, Sequence[str]], *, everybody: bool) -> Mapping[str, Any]:
    """Return the suggestions for the filter's field."""
    statuses = [tab[1] for tab in TABS[1:]]
    words = [word for word in WORDS if everybody or word != "user"]
    return {
        "words": [[f"{word}:", WHAT[word]] for word in words],
        "values": {
            "status": [*statuses, "open", "ended"],
            "type": list(known["types"]),
            "node": list(known["nodes"]),
            "since": ["1h", "1d", "7d", "30d"],
            "until": ["1h", "1d", "7d", "30d"],
        },
    }


@pages.action("/jobs/retry", within=25.0)
async def retry_some(view: View) -> Redirect | Problem:
    """Retry the selected jobs: as new jobs, or the failed units of jobs of several units."""
    return await _each(view, "retry")


@pages.action("/jobs/cancel", within=15.0)
async def cancel_some(view: View) -> Redirect | Problem:
    """Cancel the selected jobs."""
    return await _each(view, "cancel")


@pages.action("/jobs/{id}/retry", absent=JOB_NOT_FOUND)
async def retry_one(view: View) -> Redirect | Problem:
    """Retry one job and redirect to the job that retries it."""
    outcome = await _retry(view, view.ids["id"])
    if isinstance(outcome, RetryOutcome):
        return Redirect(f"/console/jobs/{outcome.job}", _done(view.ids["id"], outcome))
    return outcome if isinstance(outcome, Problem) else Problem(409, said(outcome).capitalize())


def _done(job: UUID, outcome: RetryOutcome) -> str:
    if outcome.job == job:
        return "Failed units are retried." + in_part([outcome.missing] if outcome.missing else [])
    return "This job retries it." if outcome.is_new else "The job was already retried."


@pages.action("/jobs/{id}/cancel", absent=JOB_NOT_FOUND)
async def cancel_one(view: View) -> Redirect | Problem:
    """Cancel a job that no node has begun."""
    outcome = await _cancel(view, view.ids["id"])
    if isinstance(outcome, Problem):
        return outcome
    return Redirect(
        f"/console/jobs/{view.ids['id']}", "The job is cancelled; its hold is released."
    )


async def _each(view: View, verb: str) -> Redirect | Problem:
    """Apply the action to each selected job, and report the result."""
    wanted = [uuid_of(text) for text in view.fields.getall("job", [])][:AT_ONCE]
    chosen = list(dict.fromkeys(job for job in wanted if job is not None))
    if not chosen:
        return NOTHING
    missing, refused = list[int](), dict[str, int]()
    for job in chosen:
        why = await _why_not(view, verb, job)
        if isinstance(why, int):
            missing.append(why)
        else:
            refused[why] = refused.get(why, 0) + 1
    words = told(verb, len(missing), refused) + in_part([units for units in missing if units])
    return Redirect(view.fields.get("back", "/console/jobs"), words)


async def _why_not(view: View, verb: str, job: UUID) -> str | int:
    """Retry or cancel the job.

    Return why this was refused, or how much (in 1/10,000 credit) was missing to retry all units.
    """
    try:
        outcome = await (_retry(view, job) if verb == "retry" else _cancel(view, job))
    except AskFailed:
        return "the gateway is busy; try again"
    if isinstance(outcome, RetryOutcome | UUID):
        return outcome.missing if isinstance(outcome, RetryOutcome) else 0
    return said(outcome)


def in_part(missing: Sequence[int]) -> str:
    """Return a note about jobs of which not all failed units are retried."""
    if not missing:
        return ""
    which = "it" if len(missing) == 1 else f"{len(missing)} of them"
    return (
        f" Not all failed units of {which} are retried: that needs"
        f" {money.credit_count(sum(missing))} more."
    )


def told(verb: str, done: int, refused: Mapping[str, int]) -> str:
    """Return a sentence: how many jobs were retried or cancelled, how many were not, and why."""
    became = "retried" if verb == "retry" else "cancelled"
    if not refused:
        return f"{done} {'job is' if done == 1 else 'jobs are'} {became}."
    left = sum(refused.values())
    if done + left == 1:
        return f"The job cannot be {became}, because {_within(*refused)}."
    why = [f"{number} because {_within(reason)}" for reason, number in refused.items()]
    kept = (
        why[0].removeprefix(f"{left} ") if len(why) == 1 else f"{', '.join(why[:-1])} and {why[-1]}"
    )
    words = f"{done or 'None'} of {done + left} jobs {'is' if done < 2 else 'are'} {became}"
    return f"{words}; {left} cannot be{':' if len(why) > 1 else ','} {kept}."


def _within(reason: str) -> str:
    """Return a reason as the rest of a sentence."""
    return (reason[:1].lower() + reason[1:]).replace("; ", ", ").rstrip(".")


async def _retry(view: View, job: UUID) -> Any:
    if not view.is_admin:
        return await retry_job(view.gateway, job, view.who.user, None, partly=True)
    act = await _act(view, "jobs.retry", job)
    return (
        ACCOUNT_GONE if act is None else await retry_job(view.gateway, job, None, act, partly=True)
    )


async def _cancel(view: View, job: UUID) -> UUID | Problem:
    if not view.is_admin:
        return await cancel_job(view.gateway, job, view.who.user)
    act = await _act(view, "jobs.cancel", job)
    return ACCOUNT_GONE if act is None else await cancel_job(view.gateway, job, None, act)


async def _act(view: View, name: str, job: UUID) -> Any:
    reason = view.fields.get("reason", "").strip()[:500] or "by hand, in the console"
    return await view.doer.act(name, f"job:{job}", reason, {})

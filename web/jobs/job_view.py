"""Jobs, submissions and retries as the API shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.ledger.messages import InsufficientCredits, KeyConflict, Posted, Replayed
from actors.notifier.messages import Notifier, ProgressOfJobs
from actors.scheduler.messages import (
    AllNodesFull,
    Dispatch,
    DispatchOutcome,
    NoCapableNode,
    TooManyOpen,
)
from rendertrust import money
from rendertrust.api.jobs import Job, Placed
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.blender_version import list_text, parse, text_of
from rendertrust.job_spec import JobSpec
from rendertrust.job_words import part_rendered
from rendertrust.preflight.frame_work import SECOND
from sql.job_plan import PRIORITIES, JobPlan
from sql.jobs import JobRecord, OwnerJobRow
from web.gateway import Gateway
from web.http.idempotency import OTHER_REQUEST, replay
from web.http.operations import Answer
from web.http.problem import Problem, unavailable
from web.http.responses import from_row
from web.jobs.estimates import estimate_of_job
from web.jobs.eta import ShownEta, pace_of_one
from web.jobs.orphan_tiles import orphan_tiles_shown
from web.jobs.preflights import known_preflight
from web.jobs.retry import RetryAnswer
from web.money.ledger_client import insufficient

PROGRESS_SECONDS: Final = 0.5
GIB: Final = 2**30
BEGUN: Final = ("RUNNING", "PAUSED")  # statuses of open jobs whose units may be at work
URL_SECONDS: Final = 3600  # how long the address of a result is valid
OPEN_RETRY_SECONDS: Final = 10  # a job may end at any time, so asking more often does not help
NO_NODE: Final = Problem(400, "No healthy nodes with matching capability", code=RefusalCode.NO_NODE)
CHANGED: Final = unavailable(
    "The job was changed at the same time; try again", code=RefusalCode.CHANGED_MEANWHILE
)
_OF_SPEC = attrs.fields_dict(JobSpec).keys() & attrs.fields_dict(Job).keys() - {
    "name",
    "priority",
    "max_credits",
}
_WORDS = {number: word for word, number in PRIORITIES.items()}


def placed(order: Dispatch, outcome: DispatchOutcome) -> Answer | Problem:
    """Return the outcome of a submission as the API shows it."""
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        return replay(outcome.answer)
    if isinstance(outcome, Posted) and outcome.units:
        unit = outcome.units[0]
        status = 200 if unit.node is not None else 202
        return Answer(status, _placed(order.insert.job, unit.node, unit.job_status))
    if isinstance(outcome, NoCapableNode):
        return no_node(order.insert.plan, outcome)
    if isinstance(outcome, AllNodesFull):
        return unavailable(
            "All nodes are full or not accepting work; try again",
            outcome.retry_after,
            code=RefusalCode.NODES_FULL,
        )
    if isinstance(outcome, TooManyOpen):
        return too_many_open(outcome)
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    if isinstance(outcome, InsufficientCredits):
        return insufficient(outcome)
    return CHANGED


def no_node(plan: JobPlan, outcome: NoCapableNode) -> Problem:
    """Return the refusal of a job that no node can do; it names the versions of Blender or the
    graphics memory that exist if only these are missing.
    """
    if outcome.card_bytes is not None:
        return Problem(400, _no_card(outcome.card_bytes), code=RefusalCode.NO_NODE)
    needed = plan.needs.blender
    if needed is None or not outcome.blenders:
        return NO_NODE
    text = f"No connected node has Blender {needed}; the nodes have {list_text(outcome.blenders)}. "
    newer = [one for one in outcome.blenders if one > parse(needed)]
    if newer:
        text += "To render in a newer version, submit with or_newer (--or-newer)"
    else:
        newest = text_of(outcome.blenders[-1])
        text += f"To render in an older version, name it: needs.blender (--needs blender={newest})"
    return Problem(400, text, code=RefusalCode.NO_BLENDER_VERSION)


def _no_card(largest: int) -> str:
    """Return why a job that asks for a graphics card is refused."""
    if not largest:
        why = "No connected node has a graphics card for you. Leave out needs.device and needs.vram"
    else:
        why = (
            "No connected node has so much graphics memory: the most that one gives a frame is"
            f" {largest / GIB:.1f} GiB. Ask for less (needs.vram)"
        )
    return f"{why}, or submit with queue (--queue) to wait for such a node"


def _placed(job: UUID, node: UUID | None, status: str) -> Placed:
    return Placed(str(job), None if node is None else str(node), status)


def retried(outcome: RetryAnswer) -> Answer | Problem:
    """Return the outcome of a retry as the API shows it."""
    if isinstance(outcome, Problem):
        return outcome
    if isinstance(outcome, tuple):
        return placed(*outcome)
    status = 202 if outcome.status == "QUEUED" else 200
    return Answer(status, _placed(outcome.job, outcome.node, outcome.status))


def too_many_open(outcome: TooManyOpen) -> Problem:
    """Return the refusal for a user who has reached a limit for open jobs."""
    has = {
        "jobs": f"You have {outcome.most} open jobs",
        "free jobs": f"You have {outcome.most} open jobs that cost nothing",
        "kinds": f"Your open jobs require {outcome.most} different kinds of nodes",
    }
    text = f"{has[outcome.of]}, the maximum for one user; wait until one ends, or cancel one"
    return Problem(
        429,
        text,
        headers={"Retry-After": str(OPEN_RETRY_SECONDS)},
        code=RefusalCode.TOO_MANY_OPEN_JOBS,
    )


async def shown(gateway: Gateway, row: OwnerJobRow) -> Job:
    """Return the job as the API lists it."""
    spec, pricing = row.plan.spec, row.plan.pricing
    return from_row(
        Job,
        row,
        **{name: getattr(spec, name) for name in _OF_SPEC},
        charged=money.render(row.paid),
        progress=await progress_of(gateway, row),
        verifying=row.is_verifying,
        priority=_WORDS[row.priority],
        max_credits=None if row.cap is None else money.render(row.cap),
        eta_seconds=None,
        reference_seconds=None
        if pricing is None or pricing.looked is None
        else round(pricing.work / SECOND, 1),
    )


async def in_full(gateway: Gateway, owner: UUID, row: OwnerJobRow) -> Job:
    """Return the owner's job, including the members that lists omit."""
    loose = await orphan_tiles_shown(gateway, row)
    now = gateway.ports.clock.now()
    eta = await eta_of(gateway, owner, row, now)
    back = await gateway.tables.jobs.refunded_units(row.id)
    found = await shown(gateway, row)
    return attrs.evolve(
        found,
        eta_seconds=None if eta is None else round((eta.at - now).total_seconds(), 1),
        eta_reason=None if eta is None else eta.reason,
        loose_tiles=loose,
        given_back=back,
    )


async def eta_of(gateway: Gateway, owner: UUID, row: JobRecord, now: datetime) -> ShownEta | None:
    """Return when the owner's job will be done, as its page says now; None if that is not known."""
    if row.status in ("PAUSED", "QUEUED"):
        gateway.etas.pause(row.id)
    if row.status != "RUNNING":
        return None
    pace = await gateway.tables.jobs.pace(row.id, now)
    if row.units == 1:
        known = await known_preflight(gateway, owner, row.plan)
        estimate = None if known is None else estimate_of_job(known, row.plan.spec, slots=1)
        if estimate is None:
            return None
        told = await told_of(gateway, (row.id,))
        pace = pace_of_one(pace, estimate.likely, told.get(row.id))
    return gateway.etas.next(row.id, pace, now)


async def progress_of(gateway: Gateway, row: JobRecord) -> float | None:
    """Return the progress, 0 to 1, as its node last reported it, if known.

    For a job of several units, the progress is the part of it that is rendered.
    """
    if row.status == "COMPLETED":
        return 1.0
    is_one = row.units == 1
    if row.status not in BEGUN:
        return None if is_one else round(row.done / row.units, 4)
    told = await told_of(gateway, (row.id,))
    if is_one:
        return told.get(row.id)
    return round(part_rendered(row.units, row.done, told.get(row.id, 0.0)), 4)


async def told_of(gateway: Gateway, jobs: tuple[UUID, ...]) -> Mapping[UUID, float]:
    """Return the sums of the progress of jobs' units, as far as their nodes reported any."""
    if not jobs:
        return {}
    try:
        notifier = gateway.registry.ref(Notifier)
        return await notifier.ask(ProgressOfJobs(jobs), within=PROGRESS_SECONDS)
    except (AskFailed, LookupError):
        return {}

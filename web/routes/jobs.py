"""Jobs: submit, list, show, cancel, retry, and download the result."""

from typing import Any, Literal
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.ledger.messages import InsufficientCredits, KeyConflict, Posted, Replayed
from actors.notifier.messages import Notifier, ProgressOf
from actors.ports import place_of
from actors.scheduler.messages import (
    AllNodesFull,
    Dispatch,
    DispatchOutcome,
    NoCapableNode,
    TooManyOpen,
)
from rendertrust import money
from rendertrust.api.jobs import Job, JobList, Placed, ResultUrl
from rendertrust.job_spec import JobSpec
from rendertrust.preflight.frame_work import SECOND
from sql.job_plan import PRIORITIES
from sql.jobs import JobOrder, OwnerJobRow
from web.http.idempotency import OTHER_REQUEST, answered_before, key_of, replay
from web.http.operations import Answer, Call, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Problem, unavailable
from web.http.refusal_code import RefusalCode
from web.http.responses import from_row
from web.jobs.eta import seconds_left
from web.jobs.orphan_tiles import orphan_tiles_shown
from web.jobs.preflights import refusal
from web.jobs.pricing import unmeasured
from web.jobs.submission import NOT_FOUND, RetryAnswer, cancel_job, retry_as_new_job, submit_job
from web.jobs.validation import NewJob, PricedJob, offer_of
from web.money.ledger_client import insufficient
from web.objects.archives import address_of
from web.openapi.examples import jobs as examples

operations = Operations(absent=NOT_FOUND)
PROGRESS_SECONDS = 0.5
URL_SECONDS = 3600
OPEN_RETRY_SECONDS = 10  # a job may end at any time, so asking more often does not help
NO_NODE = Problem(400, "No healthy nodes with matching capability", code=RefusalCode.NO_NODE)
CHANGED = unavailable(
    "The job was changed at the same time; try again", code=RefusalCode.CHANGED_MEANWHILE
)

Status = Literal["QUEUED", "DISPATCHED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]


@attrs.frozen
class Page(Cursor):
    status: Status | None = None


_OF_SPEC = attrs.fields_dict(JobSpec).keys() & attrs.fields_dict(Job).keys() - {
    "priority",
    "max_credits",
}
_WORDS = {number: word for word, number in PRIORITIES.items()}


@operations.post(
    "/api/v1/jobs/dispatch",
    scope=Scope.JOBS_WRITE,
    answers={200: Placed, 202: Placed},
    refusals={
        400: "No healthy nodes with matching capability",
        402: "Insufficient credits",
        409: "The job costs more than was quoted, or a preflight must measure its scene first",
    },
    rate="dispatch",
    new_work=True,
    idempotency=True,
    request_example=examples.NEW_JOB,
    example=examples.PLACED,
)
async def dispatch(call: Call[NewJob]) -> Answer | Problem:
    """Submit a job: its price is held, and a node is assigned at once.

    The price is the sum over all frames (`POST /jobs/quote`), or the table's price for a job
    without frames. The whole price is held; the holds of units that fail or are stopped are
    released. If a preflight found errors in the scene (`POST /jobs/preflight`), the answer is 422
    and nothing is held; with `as_is` the scene is rendered anyway.
    """
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    terms = await call.gateway.tables.jobs.terms(
        JobOrder(call.caller, call.body.job_type, key and key[0])
    )
    if key is not None and terms.before is not None:
        return answered_before(terms.before, key)
    offer = await offer_of(call, call.body, terms.in_pool(call.body.pool))
    if isinstance(offer, Problem):
        return offer
    if (found := await _refusal(call, offer)) is not None:
        return found
    return placed(*await submit_job(call.gateway, call.caller, offer.plan, terms.price_number, key))


async def _refusal(call: Call[NewJob], offer: PricedJob) -> Problem | None:
    """Return why nothing is held: findings in the scene, or the price."""
    price, quoted = offer.plan.price, offer.plan.spec.quoted
    found = await refusal(call.gateway, call.caller, offer.plan)
    if found is not None:
        return found
    if quoted is not None and price > money.parse(quoted, zero=True):
        said = f"It costs {money.render(price)} now, but {quoted} was quoted"
        return Problem(
            409, f"{said}; nothing is held. {offer.tariff.how}", code=RefusalCode.PRICE_CHANGED
        )
    return unmeasured(call.gateway, offer.tariff)


@operations.get(
    "/api/v1/jobs",
    scope=Scope.JOBS_READ,
    example=examples.JOBS,
)
async def index(call: Call[None, Page]) -> JobList | Problem:
    """List your jobs, newest first."""
    page = call.query
    rows = await call.gateway.tables.jobs.page(call.caller, page.status, span_of(page))
    if rows is None:
        return NOT_THERE
    count = await call.gateway.tables.jobs.count(call.caller, page.status)
    jobs = [await shown(call, row) for row in rows[: page.limit]]
    return JobList(tuple(jobs), count, next_of(rows, page.limit))


@operations.get(
    "/api/v1/jobs/{job_id}",
    scope=Scope.JOBS_READ,
    example=examples.JOB,
)
async def show(call: Call) -> Job | Problem:
    """Get one of your jobs."""
    row = await call.gateway.tables.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return NOT_FOUND
    return await in_full(call, row)


@operations.post(
    "/api/v1/jobs/{job_id}/cancel",
    scope=Scope.JOBS_WRITE,
    refusals={400: "The job is not QUEUED or DISPATCHED"},
    example=examples.CANCELLED_JOB,
)
async def cancel(call: Call) -> Job | Problem:
    """Cancel a job that no node has begun; its hold is released."""
    job = call.ids["job_id"]
    called_off = await cancel_job(call.gateway, job, call.caller)
    if isinstance(called_off, Problem):
        return called_off
    row = await call.gateway.tables.jobs.by_id(job, call.caller)
    return NOT_FOUND if row is None else await shown(call, row)


@operations.post(
    "/api/v1/jobs/{job_id}/retry",
    scope=Scope.JOBS_WRITE,
    answers={200: Placed, 202: Placed},
    refusals={
        402: "Insufficient credits",
        409: "The job is not FAILED or CANCELLED, or has several units",
    },
    rate="dispatch",
    new_work=True,
    example=examples.PLACED,
)
async def retry(call: Call) -> Answer | Problem:
    """Retry a failed or cancelled job: a new job with the same work at the present price.

    Repeating the request returns the same new job; its ``retry_of`` names the old one.
    """
    return retried(await retry_as_new_job(call.gateway, call.ids["job_id"], call.caller))


@operations.get(
    "/api/v1/jobs/{job_id}/result",
    scope=Scope.JOBS_READ,
    refusals={
        404: "Job not found, not COMPLETED, or without a result",
        410: "The result has expired",
    },
    example=examples.RESULT,
)
async def result(call: Call) -> ResultUrl | Problem:
    """Get the download address of the result; valid for an hour.

    For a job of several units the result is a zip of all frames, generated while it is sent;
    ``Range`` works. The frames of a job that did not complete are available at its units.
    """
    row = await call.gateway.tables.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return NOT_FOUND
    if row.status != "COMPLETED":
        where = "; complete frames are available at its units" if row.done else ""
        return Problem(
            404,
            f"Job is {row.status}; only COMPLETED jobs have a result{where}",
            code=RefusalCode.JOB_NOT_COMPLETED,
        )
    if row.units > 1:
        base = call.base or call.gateway.url()
        url = address_of(call.gateway, call.caller, row.id, base, URL_SECONDS)
        return ResultUrl(str(row.id), url, URL_SECONDS, None, None)
    place = None if row.result_ref is None else place_of(row.result_ref)
    ours = call.gateway.settings.objects.bucket
    if place is None or (place.bucket == ours and not own_result(call.caller, place.key)):
        return Problem(404, "Job has no result to download", code=RefusalCode.RESULT_NOT_FOUND)
    facts = await call.gateway.tables.jobs.result(row.id)
    if facts.expired:
        return Problem(
            410, "The result has expired; submit the job again", code=RefusalCode.RESULT_EXPIRED
        )
    bucket = None if place.bucket == ours else place.bucket
    url = await call.gateway.ports.objects.presign_get(
        place.key, within=URL_SECONDS, bucket=bucket, base=call.base
    )
    sha256 = None if facts.sha256 is None else facts.sha256.hex()
    return ResultUrl(str(row.id), url, URL_SECONDS, facts.size, sha256)


def placed(order: Dispatch, outcome: DispatchOutcome) -> Answer | Problem:
    """Return the outcome of a submission as the API shows it."""
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        return replay(outcome.answer)
    if isinstance(outcome, Posted) and outcome.units:
        unit = outcome.units[0]
        status = 200 if unit.node is not None else 202
        return Answer(status, _placed(order.insert.job, unit.node, unit.job_status))
    if isinstance(outcome, NoCapableNode):
        return NO_NODE
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


def _placed(job: UUID, node: UUID | None, status: str) -> Placed:
    return Placed(str(job), None if node is None else str(node), status)


def retried(outcome: RetryAnswer) -> Answer | Problem:
    if isinstance(outcome, Problem):
        return outcome
    if isinstance(outcome, tuple):
        return placed(*outcome)
    status = 202 if outcome.status == "QUEUED" else 200
    return Answer(status, _placed(outcome.job, outcome.node, outcome.status))


def too_many_open(outcome: TooManyOpen) -> Problem:
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


def own_result(user: UUID, key: str) -> bool:
    """Return True if we derived this key for this user.

    In its own bucket, the gateway gives a user URLs only for such keys, whatever reference a node
    sent.
    """
    return key.startswith(f"results/{user}/")


async def shown(call: Call[Any, Any], row: OwnerJobRow) -> Job:
    spec, pricing = row.plan.spec, row.plan.pricing
    return from_row(
        Job,
        row,
        **{name: getattr(spec, name) for name in _OF_SPEC},
        charged=money.render(row.charged - row.refunded),
        progress=await _progress(call, row),
        priority=_WORDS[row.priority],
        max_credits=None if row.cap is None else money.render(row.cap),
        eta_seconds=None,
        reference_seconds=None if pricing is None else round(pricing.work / SECOND, 1),
    )


async def in_full(call: Call[Any, Any], row: OwnerJobRow) -> Job:
    """Return the job, including the members that lists omit."""
    loose = await orphan_tiles_shown(call.gateway, row)
    seconds = await _eta(call, row)
    back = await call.gateway.tables.jobs.given_back(row.id)
    found = await shown(call, row)
    return attrs.evolve(found, eta_seconds=seconds, loose_tiles=loose, given_back=back)


async def _eta(call: Call[Any, Any], row: OwnerJobRow) -> float | None:
    if row.units == 1 or row.status != "RUNNING":
        return None
    pace = await call.gateway.tables.jobs.pace(row.id, call.gateway.ports.clock.now())
    left = seconds_left(pace.done, pace.mean, pace.at_work, pace.waiting)
    return None if left is None else round(left, 1)


async def _progress(call: Call[Any, Any], row: OwnerJobRow) -> float | None:
    """Return the progress, 0 to 1, as its node last reported it, if known.

    For a job of several units, the progress is the fraction of units that are complete.
    """
    if row.status == "COMPLETED":
        return 1.0
    if row.units > 1:
        return round(row.done / row.units, 4)
    if row.status != "RUNNING":
        return None
    notifier = call.gateway.registry.ref(Notifier)
    try:
        newest = await notifier.ask(ProgressOf(row.id), within=PROGRESS_SECONDS)
    except AskFailed:
        return None
    return None if newest is None else newest.value

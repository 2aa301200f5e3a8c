"""Jobs: submitted, listed, shown, cancelled, fetched."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import attrs
from msgspec import Meta

from actors.kernel import AskFailed
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    InsufficientCredits,
    JobCancel,
    KeyConflict,
    Posted,
    Replayed,
)
from actors.notifier.messages import Notifier, ProgressOf, UnitsMoved
from actors.scheduler.messages import (
    AllNodesFull,
    Dispatch,
    DispatchOutcome,
    NoCapableNode,
    Scheduler,
    TooManyOpen,
    UnitsChanged,
)
from rendertrust import money
from sql.jobs import JobRow, Order
from web import examples
from web.amounts import Credits
from web.books import commit, insufficient, present
from web.idempotency import OTHER_REQUEST, answered_before, key_of, replay
from web.operations import TOKEN_REFUSED, Answer, Call, Operations, Scope
from web.pages import NOT_THERE, Cursor, next_of, span_of
from web.parameters import parameters_of
from web.payload import input_of, place_of
from web.problem import Fault, Problem, invalid, unavailable

operations = Operations()
DISPATCH_SECONDS = 2.0
PROGRESS_SECONDS = 0.5
URL_SECONDS = 3600
OPEN_RETRY_SECONDS = 10  # a job may end at any time; to ask more often helps nobody
CANCELLABLE = ("QUEUED", "DISPATCHED")
NOT_FOUND = Problem(404, "Job not found")
NO_NODE = Problem(400, "No healthy nodes with matching capability")
CHANGED = unavailable("The job changed meanwhile; try again")

# One word: a name that stands in lists, labels and paths as it is.
JobType = Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
Status = Literal["QUEUED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
Known = Annotated[str, Meta(extra_json_schema={"enum": list(get_args(Status))})]


@attrs.frozen
class NewJob:
    """``queue``: wait when no node can do it, instead of being refused."""

    job_type: JobType
    payload_ref: Annotated[str, Meta(min_length=1, max_length=500)]
    params: dict[str, Any] = attrs.field(factory=dict[str, Any])
    queue: bool = False


@attrs.frozen
class Placed:
    job_id: UUID
    node_id: UUID | None
    status: Known


@attrs.frozen
class Page(Cursor):
    status: Status | None = None


@attrs.frozen
class Job:
    """``price`` was held when it was submitted; ``charged`` is what was settled of it."""

    id: UUID
    node_id: UUID | None
    job_type: str
    payload_ref: str
    status: Known
    result_ref: str | None
    error_message: str | None
    retry_count: int
    queued_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    price: Credits
    charged: Credits
    progress: float | None


_KEPT = [f.name for f in attrs.fields(Job) if f.name not in ("price", "charged", "progress")]


@attrs.frozen
class JobList:
    """``count`` is how many match; ``next`` is the ``after`` of the next page."""

    jobs: list[Job]
    count: int
    next: UUID | None


@attrs.frozen
class Result:
    job_id: UUID
    download_url: str = attrs.field(repr=False)
    expires_in: int


@operations.post(
    "/api/v1/jobs/dispatch",
    scope=Scope.JOBS_WRITE,
    body=NewJob,
    answers={200: Placed, 202: Placed},
    refusals={400: "No healthy nodes with matching capability", 402: "Insufficient credits"},
    rate="dispatch",
    new_work=True,
    idempotency=True,
    request_example=examples.NEW_JOB,
    example=examples.PLACED,
)
async def dispatch(call: Call[NewJob]) -> Answer | Problem:
    """Submit a job: its price is held, and a node is told at once."""
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    order = Order(call.caller, call.body.job_type, key and key[0])
    terms = await call.gateway.jobs.terms(order)
    if key is not None and terms.before is not None:
        return answered_before(terms.before, key)
    params = await _params(call)
    if isinstance(params, Problem):
        return params
    if not terms.active:
        return TOKEN_REFUSED
    wanted = Dispatch(
        job=call.gateway.random.uuid(),
        user=call.caller,
        job_type=call.body.job_type,
        payload_ref=call.body.payload_ref,
        params=dict(params),
        price=terms.price,
        price_number=terms.price_number,
        queue=call.body.queue,
        idempotency=key,
    )
    scheduler = call.gateway.registry.ref(Scheduler)
    outcome = await scheduler.ask(wanted, within=DISPATCH_SECONDS)
    return placed(wanted, present(outcome))


@operations.get(
    "/api/v1/jobs",
    scope=Scope.JOBS_READ,
    rate="read",
    query=Page,
    answers={200: JobList},
    example=examples.JOBS,
)
async def index(call: Call[None, Page]) -> JobList | Problem:
    """One's own jobs, newest first."""
    page = call.query
    rows = await call.gateway.jobs.page(call.caller, page.status, span_of(page))
    if rows is None:
        return NOT_THERE
    count = await call.gateway.jobs.count(call.caller, page.status)
    jobs = [await shown(call, row) for row in rows[: page.limit]]
    return JobList(jobs, count, next_of(rows, page.limit))


@operations.get(
    "/api/v1/jobs/{job_id}",
    scope=Scope.JOBS_READ,
    answers={200: Job},
    refusals={404: "Job not found"},
    rate="read",
    absent="Job not found",
    example=examples.JOB,
)
async def show(call: Call) -> Job | Problem:
    """A job of one's own."""
    row = await call.gateway.jobs.by_id(call.ids["job_id"], call.caller)
    return NOT_FOUND if row is None else await shown(call, row)


@operations.post(
    "/api/v1/jobs/{job_id}/cancel",
    scope=Scope.JOBS_WRITE,
    answers={200: Job},
    refusals={400: "The job is not QUEUED or DISPATCHED", 404: "Job not found"},
    absent="Job not found",
    rate="write",
    example=examples.CANCELLED_JOB,
)
async def cancel(call: Call) -> Job | Problem:
    """Cancel a job that no node has begun; what was held for it is given back."""
    job = call.ids["job_id"]
    row = await call.gateway.jobs.by_id(job, call.caller)
    if row is None:
        return NOT_FOUND
    if row.status not in CANCELLABLE:
        return not_cancellable(row.status)
    outcome = await commit(call.gateway, Commit(effects=(JobCancel(job, call.caller),)))
    if isinstance(outcome, GuardFailed):
        return not_cancellable(outcome.found)  # it has begun since we looked
    if isinstance(outcome, Posted):
        call.gateway.registry.ref(Scheduler).tell(UnitsChanged(outcome.units))
        call.gateway.registry.ref(Notifier).tell(UnitsMoved(outcome.units))
    row = await call.gateway.jobs.by_id(job, call.caller)
    return NOT_FOUND if row is None else await shown(call, row)


@operations.get(
    "/api/v1/jobs/{job_id}/result",
    scope=Scope.JOBS_READ,
    answers={200: Result},
    refusals={404: "Job not found, not COMPLETED, or without a result"},
    rate="read",
    absent="Job not found",
    example=examples.RESULT,
)
async def result(call: Call) -> Result | Problem:
    """Where the finished work can be downloaded, for an hour."""
    row = await call.gateway.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return NOT_FOUND
    if row.status != "COMPLETED":
        return Problem(404, f"Job is {row.status}; only COMPLETED jobs have a result")
    place = None if row.result_ref is None else place_of(row.result_ref)
    ours = call.gateway.settings.objects.bucket
    if place is None or (place.bucket == ours and not own_result(call.caller, place.key)):
        return Problem(404, "Job has no result to download")
    bucket = None if place.bucket == ours else place.bucket
    url = await call.gateway.objects.presign_get(
        place.key, within=URL_SECONDS, bucket=bucket, base=call.base
    )
    return Result(row.id, url, URL_SECONDS)


def placed(order: Dispatch, outcome: DispatchOutcome) -> Answer | Problem:
    """What became of a submission, as the API says it."""
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        return replay(outcome.answer)
    if isinstance(outcome, Posted) and outcome.units:
        unit = outcome.units[0]
        status = 200 if unit.node is not None else 202
        return Answer(status, Placed(order.job, unit.node, unit.job_status))
    if isinstance(outcome, NoCapableNode):
        return NO_NODE
    if isinstance(outcome, AllNodesFull):
        return unavailable(
            "All nodes are full, or want no work just now; try again", outcome.retry_after
        )
    if isinstance(outcome, TooManyOpen):
        return too_many_open(outcome.most)
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    if isinstance(outcome, InsufficientCredits):
        return insufficient(outcome)
    return CHANGED


def too_many_open(most: int) -> Problem:
    text = f"You have {most} open jobs, as many as one user may; wait for one to end, or cancel one"
    return Problem(429, text, headers={"Retry-After": str(OPEN_RETRY_SECONDS)})


def not_cancellable(status: str) -> Problem:
    return Problem(400, f"Job is {status}; only {' and '.join(CANCELLABLE)} jobs can be cancelled")


def own_result(user: UUID, key: str) -> bool:
    """Only keys that we derived for this user are ever opened, whatever a node wrote."""
    return key.startswith(f"results/{user}/")


async def shown(call: Call[Any, Any], row: JobRow) -> Job:
    """The row as the API shows it."""
    kept: dict[str, Any] = {name: getattr(row, name) for name in _KEPT}
    return Job(
        **kept,
        price=money.render(row.price),
        charged=money.render(row.charged),
        progress=await _progress(call, row),
    )


async def _progress(call: Call[Any, Any], row: JobRow) -> float | None:
    """How far it is, 0 to 1, as its node said last; a hint that may be missing."""
    if row.status == "COMPLETED":
        return 1.0
    if row.status != "RUNNING":
        return None
    notifier = call.gateway.registry.ref(Notifier)
    try:
        newest = await notifier.ask(ProgressOf(row.id), within=PROGRESS_SECONDS)
    except AskFailed:
        return None
    return None if newest is None else newest.value


async def _params(call: Call[NewJob]) -> Mapping[str, Any] | Problem:
    """The creator's parameters and the input, or all that is wrong with either."""
    params = parameters_of(call.body.job_type, call.body.params)
    found = await input_of(call, call.body.payload_ref)
    faults = [*(params if isinstance(params, list) else [])]
    faults += [found] if isinstance(found, Fault) else []
    if isinstance(params, list) or isinstance(found, Fault):
        return invalid(faults)
    return {**params, **found}

"""Jobs: submit, list, show, cancel, retry, and download the result."""

from typing import Annotated, Literal

import attrs
from msgspec import Meta

from actors.ports import place_of
from rendertrust import money
from rendertrust.api.jobs import Job, JobList, Placed, ResultUrl
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.job_name import NAME_MAX
from rendertrust.job_status import JobStatus
from sql.job_filters import OwnJobFilter
from sql.jobs import JobOrder
from sql.units import is_result_of
from web.http.idempotency import answered_before, key_of
from web.http.operations import Answer, Call, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND, cancel_job
from web.jobs.job_view import URL_SECONDS, in_full, placed, retried, shown
from web.jobs.preflights import refusal
from web.jobs.pricing import unmeasured
from web.jobs.retry import retry_as_new_job
from web.jobs.submission import submit_job
from web.jobs.validation import NewJob, PricedJob, offer_of
from web.objects.archives import address_of
from web.openapi.examples import jobs as examples

operations = Operations(absent=JOB_NOT_FOUND)


@attrs.frozen
class Page(Cursor):
    """``name``: a part of the job's name, in any case. ``checks``: ``none`` leaves out
    preflights (jobs of the type ``preflight`` or ``preflight:…``), ``only`` lists them alone.
    """

    status: JobStatus | None = None
    name: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)] | None = None
    checks: Literal["none", "only"] | None = None


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
    """Submit a job: its price is held, and a node is assigned at once (200) or later (202).

    The price is the sum over all frames (`POST /jobs/quote`), or the table's price for a job that
    names neither frames nor parameters. The whole price is held; the holds of units that fail or
    are stopped are released. A job that names frames or parameters is refused while a connected
    verifier could measure its scene and has not done so (409).
    If a preflight found errors in the scene (`POST /jobs/preflight`), the answer is 422 and nothing
    is held; with `as_is` the scene is rendered anyway.
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
    """Return why the job is refused: findings in its scene, or its price. None if it is not."""
    price, quoted = offer.plan.price, offer.plan.spec.quoted
    found = await refusal(call.gateway, call.caller, offer.plan)
    if found is not None:
        return found
    if quoted is not None and price > money.parse(quoted, zero=True):
        now, then = money.format_amount(price), money.format_amount(quoted)
        said = f"It costs {now} now, but {then} was quoted"
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
    """List your jobs, newest first.

    With `name`, the newest 10,000 jobs are searched. `checks=none` leaves out preflights (jobs of
    the type `preflight` or `preflight:…`), and `checks=only` lists them alone.
    """
    page = call.query
    checks = None if page.checks is None else page.checks == "only"
    wanted = OwnJobFilter(page.status, page.name, checks)
    rows = await call.gateway.tables.jobs.page(call.caller, span_of(page), wanted)
    if rows is None:
        return NOT_THERE
    count = await call.gateway.tables.jobs.count(call.caller, wanted)
    jobs = [await shown(call.gateway, row) for row in rows[: page.limit]]
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
        return JOB_NOT_FOUND
    return await in_full(call.gateway, call.caller, row)


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
    return JOB_NOT_FOUND if row is None else await shown(call.gateway, row)


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
        return JOB_NOT_FOUND
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
    if place is None or (place.bucket == ours and not is_result_of(call.caller, place.key)):
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

"""Quotes: the price of a job before anything is held."""

from rendertrust import money
from rendertrust.api.units import Quote
from rendertrust.job_spec import JobSpec
from sql.jobs import JobOrder
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.orphan_tiles import WORDS
from web.jobs.validation import offer_of
from web.openapi.examples import jobs as examples
from web.routes.preflights import preflight_of

operations = Operations()


@operations.post(
    "/api/v1/jobs/quote",
    scope=Scope.JOBS_READ,
    rate="read",
    request_example=examples.JOB_IDEA,
    example=examples.QUOTE,
)
async def quote(call: Call[JobSpec]) -> Quote | Problem:
    """Get the price of a job, validated like a submission; no job is created and nothing is held.

    The price is the present one, and is fixed when the job is submitted. A job that is submitted
    with `quoted` is refused if its price is higher. The known result of `POST /jobs/preflight` is
    included; no node is asked.
    """
    body, gateway = call.body, call.gateway
    terms = await gateway.tables.jobs.terms(JobOrder(call.caller, body.job_type, None))
    offer = await offer_of(call, body, terms.in_pool(body.pool))
    if isinstance(offer, Problem):
        return offer
    plan, tariff, frames = offer.plan, offer.tariff, offer.frames
    balance = await gateway.tables.credits.balance(call.caller)
    available = balance.balance - balance.held
    least, most = tariff.ends(frames)
    return Quote(
        units=len(plan.units),
        frames=len(frames),
        frame_price=money.render(most),
        frame_price_least=money.render(least),
        price=money.render(plan.price),
        held=money.render(plan.price),
        available=money.render(available),
        enough=available >= plan.price,
        max_credits=None if plan.cap is None else money.render(plan.cap),
        priced_by="table" if tariff.work is None else "work",
        priced_how=tariff.how if body.tiles is None else f"{tariff.how} {WORDS}",
        reference_seconds=tariff.seconds(frames),
        measurable=tariff.measurable,
        preflight=await preflight_of(call, plan),
    )

"""Quotes: the price of a job before anything is held."""

from decimal import Decimal
from typing import Final

import attrs

from rendertrust import money
from rendertrust.api.units import Money, Quote
from rendertrust.job_spec import JobSpec
from rendertrust.money import CreditPrice
from sql.jobs import JobOrder
from web.gateway import Gateway
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.orphan_tiles import WORDS
from web.jobs.pricing import is_measurable
from web.jobs.validation import offer_of
from web.money.credit_price import credit_price
from web.openapi.examples import jobs as examples
from web.routes.preflights import preflight_shown
from web.routes.videos import price_of_one

operations = Operations()
FINER: Final = 10_000


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
    plan, tariff, frames, known = offer.plan, offer.tariff, offer.frames, offer.preflight
    balance = await gateway.tables.credits.balance(call.caller)
    available = balance.balance - balance.held
    least, most = tariff.ends(frames)
    film = 0 if body.video is None else await price_of_one(gateway, call.caller, body.pool)
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
        priced_by=tariff.priced_by,
        priced_how=tariff.how if body.tiles is None else f"{tariff.how} {WORDS}",
        reference_seconds=tariff.seconds(frames),
        measurable=await is_measurable(gateway, call.caller, plan, tariff, known),
        preflight=None if known is None else await preflight_shown(call, plan, known),
        measured=tariff.looked is not None,
        video_price=None if body.video is None else money.render(film),
        credits=money.render(plan.price + film),
        money=await _money_of(gateway, plan.price + film),
        basis=tariff.basis,
    )


async def _money_of(gateway: Gateway, units: int) -> Money | None:
    """Return what some credits cost in the cheapest package; None if nothing is sold in the
    currency of ``pricing.currency``.
    """
    sold = await credit_price(gateway)
    if sold is None:
        return None
    return Money(f"{cost_of(units, sold):f}", sold.currency, sold.text(units))


def cost_of(units: int, sold: CreditPrice) -> Decimal:
    """Return what some credits cost, rounded to the currency's smallest unit.

    What costs less than that unit has four more decimals instead.
    """
    if not sold.is_below_smallest(units):
        return money.in_currency(sold.of(units), sold.currency)
    finer = attrs.evolve(sold, amount=sold.amount * FINER)
    return money.in_currency(max(finer.of(units), 1), sold.currency) / FINER

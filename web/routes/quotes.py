"""Quotes: the price of a job before anything is held."""

from typing import Literal

import attrs

from rendertrust import money
from rendertrust.api.text_formats import Credits
from sql.jobs import JobOrder
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.orphan_tiles import WORDS
from web.jobs.validation import JobIdea, in_pool, offer_of
from web.openapi.examples import jobs as examples
from web.routes.preflights import Preflight, preflight_of

operations = Operations()


@attrs.frozen
class Quote:
    """A quote. ``held``: what would be held at once, which is all of ``price``.

    ``frame_price`` is the price of the most expensive frame, however it is cut, and
    ``frame_price_least`` of the cheapest; for a job without frames it is the job's, and ``frames``
    is 0.

    ``priced_by``: ``table``, a fixed price per frame; or ``work``, the work of each frame as
    measured on a gateway node, in total ``reference_seconds``. ``priced_how`` explains this in
    words. ``measurable``: such a node is online, and `POST /jobs/preflight` has it measure the
    scene.

    ``enough``: ``available`` is at least ``held``. ``preflight``: a node's findings and its time
    estimate; null if none has checked the scene.
    """

    units: int
    frames: int
    frame_price: Credits
    frame_price_least: Credits
    price: Credits
    held: Credits
    available: Credits
    enough: bool
    max_credits: Credits | None
    priced_by: Literal["table", "work"]
    priced_how: str
    reference_seconds: float | None
    measurable: bool
    preflight: Preflight | None


@operations.post(
    "/api/v1/jobs/quote",
    scope=Scope.JOBS_READ,
    body=JobIdea,
    answers={200: Quote},
    rate="read",
    request_example=examples.JOB_IDEA,
    example=examples.QUOTE,
)
async def quote(call: Call[JobIdea]) -> Quote | Problem:
    """Get the price of a submission, validated as one; no job is created and nothing is held.

    The price is the present one and is fixed at submission; `quoted` refuses a higher one. The
    known result of `POST /jobs/preflight` is included; no node is asked.
    """
    body, gateway = call.body, call.gateway
    terms = await gateway.tables.jobs.terms(JobOrder(call.caller, body.job_type, None))
    terms = in_pool(terms, body.pool)
    offer = await offer_of(call, body, terms)
    if isinstance(offer, Problem):
        return offer
    wanted, tariff, frames = offer.wanted, offer.tariff, offer.frames
    balance = await gateway.tables.credits.balance(call.caller)
    available = balance.balance - balance.held
    least, most = tariff.ends(frames)
    return Quote(
        units=len(wanted.pieces) or 1,
        frames=len(frames),
        frame_price=money.render(most),
        frame_price_least=money.render(least),
        price=money.render(offer.price),
        held=money.render(offer.price),
        available=money.render(available),
        enough=available >= offer.price,
        max_credits=None if wanted.cap is None else money.render(wanted.cap),
        priced_by="table" if tariff.work is None else "work",
        priced_how=tariff.how if body.tiles is None else f"{tariff.how} {WORDS}",
        reference_seconds=tariff.seconds(frames),
        measurable=tariff.measurable,
        preflight=await preflight_of(call, body, wanted.params),
    )

"""What a job would cost, before anything is held for it."""

from typing import Literal

import attrs

from rendertrust import money
from sql.jobs import JobOrder
from web.http.amounts import Credits
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.orphan_tiles import WORDS
from web.jobs.validation import JobIdea, in_pool, offer_of
from web.openapi.examples import jobs as examples
from web.routes.preflights import Preflight, preflight_of

operations = Operations()


@attrs.frozen
class Quote:
    """``held``: what would be set aside at once, which is all of ``price``.

    ``frame_price`` is that of the dearest frame, however it is cut, and ``frame_price_least`` that
    of the cheapest; or of a job without frames; ``frames`` is then 0.

    ``priced_by``: what the ``table`` says for each frame; or the ``work`` that each is, as a node
    of the gateway's own measured it: ``reference_seconds`` for all of them. ``priced_how`` says so
    in words, and why it is not by the other. ``measurable``: such a node is there, and `POST
    /jobs/preflight` has it measure the scene.

    ``enough``: ``available`` is not less than ``held``. ``preflight``: what a node found in the
    scene, and how long its frames will take; None where none has looked.
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
    """What a submission would cost and hold, checked as one; no job is made, and nothing held.

    The price is that of now; it is fixed when the job is submitted: with `quoted` at this one or a
    lower one, or not at all. What `POST /jobs/preflight`
    found in the scene is told, too; nobody is asked to look.
    """
    body, gateway = call.body, call.gateway
    terms = await gateway.jobs.terms(JobOrder(call.caller, body.job_type, None))
    terms = in_pool(terms, body.pool)
    offer = await offer_of(call, body, terms)
    if isinstance(offer, Problem):
        return offer
    wanted, tariff, frames = offer.wanted, offer.tariff, offer.frames
    balance = await gateway.credits.balance(call.caller)
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

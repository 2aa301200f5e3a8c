"""What a job would cost, before anything is held for it."""

import attrs

from rendertrust import money
from rendertrust.frame_range import parse
from sql.jobs import Order
from web.http.amounts import Credits
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.submissions import JobIdea, in_pool, wanted_of
from web.openapi.examples import jobs as examples
from web.routes.preflights import Preflight, preflight_of

operations = Operations()


@attrs.frozen
class Quote:
    """``held``: what would be set aside at once, which is all of ``price``.

    ``frame_price`` is that of each frame, however it is cut, or of a job without frames; ``frames``
    is then 0. ``enough``: ``available`` is not less than ``held``. ``preflight``: what a node found
    in the scene, and how long its frames will take; None where none has looked.
    """

    units: int
    frames: int
    frame_price: Credits
    price: Credits
    held: Credits
    available: Credits
    enough: bool
    max_credits: Credits | None
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

    The price is that of now; it is fixed when the job is submitted. What `POST /jobs/preflight`
    found in the scene is told, too; nobody is asked to look.
    """
    body, gateway = call.body, call.gateway
    terms = await gateway.jobs.terms(Order(call.caller, body.job_type, None))
    terms = in_pool(terms, body.pool)
    wanted = await wanted_of(call, body, terms)
    if isinstance(wanted, Problem):
        return wanted
    balance = await gateway.credits.balance(call.caller)
    available = balance.balance - balance.held
    price = sum(piece.price for piece in wanted.pieces) if wanted.pieces else terms.price
    return Quote(
        units=len(wanted.pieces) or 1,
        frames=0 if body.frames is None else len(parse(body.frames)),
        frame_price=money.render(terms.price),
        price=money.render(price),
        held=money.render(price),
        available=money.render(available),
        enough=available >= price,
        max_credits=None if wanted.cap is None else money.render(wanted.cap),
        preflight=await preflight_of(call, body, wanted.params),
    )

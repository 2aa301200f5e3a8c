"""Validation of jobs, the same for submissions and for quotes."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import attrs
from msgspec import Meta

from rendertrust import money
from sql.jobs import JobTerms
from web.http.converter import Amount, Quoted
from web.http.operations import TOKEN_REFUSED, Call
from web.http.problem import Fault, Problem, invalid
from web.jobs.parameters import parameters_of
from web.jobs.payload import input_of
from web.jobs.placement import MINE, NodeNeeds, Pool, noted
from web.jobs.preflights import with_needs_of_scene
from web.jobs.pricing import Tariff, tariff_of
from web.jobs.submission import JobRequest
from web.jobs.unit_plan import CHUNK_MAX, Frames, Tiles, UnitPlan, UnitSplit, plan_of
from web.jobs.unit_plan import Order as CutOrder

# One word, as it is used in lists, labels and paths.
JobType = Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
Reference = Annotated[str, Meta(min_length=1, max_length=500)]
Priority = Literal["low", "normal", "high"]
PRICE_MOST: Final = 10**18  # units of money: what one job can hold
PRIORITIES: Final = {"low": -1, "normal": 0, "high": 1}


@attrs.frozen(kw_only=True)
class Submission:
    """The description of a job, without its payload."""

    job_type: JobType
    params: dict[str, Any] = attrs.field(factory=dict[str, Any])
    queue: bool = False
    manifest: Reference | None = None
    frames: Frames | None = None
    chunk: Annotated[int, Meta(ge=1, le=CHUNK_MAX)] = 1
    tiles: Tiles | None = None
    order: CutOrder = "sequential"
    priority: Priority = "normal"
    max_credits: Amount | None = None
    pool: Pool = "any"
    needs: NodeNeeds | None = None
    as_is: bool = False
    quoted: Quoted | None = None


@attrs.frozen(kw_only=True)
class NewJob(Submission):
    """``queue``: wait if no node can do it, instead of a refusal.

    ``manifest``: for a job of several files, the upload that lists them (``docs/RENDERING.md``).

    With ``frames`` the job has a unit for each frame, or for each ``chunk`` of frames; with
    ``tiles`` each frame is rendered in parts, which a last unit puts together. ``max_credits``: the
    job pauses before it would cost more.

    ``pool`` says who may see the work: your own nodes and your organisations' (``mine``, which
    costs nothing), those of operators whom you trust too (``trusted``), or all of them.

    ``as_is``: render the scene even if a node found problems in it that should be fixed first.

    ``quoted``: the price that you were quoted; 409, and nothing is held, if it is higher by now.
    """

    payload_ref: Reference


@attrs.frozen(kw_only=True)
class JobIdea(Submission):
    """A job to quote. Without ``payload_ref`` no file is examined."""

    payload_ref: Reference | None = None


Asked: TypeAlias = NewJob | JobIdea


@attrs.frozen
class PricedJob:
    """A job that can be submitted, and its price: ``price`` for all of it, in units of money."""

    wanted: JobRequest
    tariff: Tariff
    frames: tuple[int, ...]

    @property
    def price(self) -> int:
        pieces = self.wanted.pieces
        return sum(piece.price for piece in pieces) if pieces else self.tariff.price


def in_pool(terms: JobTerms, pool: Pool) -> JobTerms:
    """Return the terms in the pool: on the owner's nodes it costs nothing."""
    return attrs.evolve(terms, price=0) if pool == MINE else terms


async def offer_of(call: Call[Any], asked: Asked, terms: JobTerms) -> PricedJob | Problem:
    """Return the job to submit at these terms, or all that is wrong with it."""
    params = await _params(call, asked)
    if isinstance(params, list):
        return invalid(params)
    params = await with_needs_of_scene(call.gateway, call.caller, asked.job_type, params)
    if not terms.active:
        return TOKEN_REFUSED
    tariff = await tariff_of(
        *(call.gateway, call.caller, asked.job_type, params, terms.price),
        frames=asked.frames is not None,
        upload=asked.payload_ref is not None,
    )
    if isinstance(tariff, Problem):
        return tariff
    cut = UnitSplit(asked.frames, asked.chunk, asked.tiles, asked.order)
    plan = plan_of(cut, params, tariff.cost)
    if isinstance(plan, list):
        return invalid(plan)
    wanted = _wanted(asked, plan, tariff)
    offer = PricedJob(wanted, tariff, plan.frames)
    faults = _unpayable(offer)
    return invalid(faults) if faults else offer


def _wanted(asked: Asked, plan: UnitPlan, tariff: Tariff) -> JobRequest:
    return JobRequest(
        job_type=asked.job_type,
        payload_ref=asked.payload_ref or "",
        params={**plan.params, **tariff.noted(plan.frames)},
        queue=asked.queue,
        pieces=plan.pieces,
        priority=PRIORITIES[asked.priority],
        cap=None if asked.max_credits is None else money.parse(asked.max_credits),
    )


def _unpayable(offer: PricedJob) -> list[Fault]:
    """Return why it could not be begun, or never be paid."""
    wanted = offer.wanted
    first = wanted.pieces[0].price if wanted.pieces else offer.price
    if wanted.cap is not None and wanted.cap < first:
        return [Fault("max_credits", "value", f"one unit costs {money.render(first)}")]
    if offer.price > PRICE_MOST:
        return [Fault("frames", "value", f"cost over {money.render(PRICE_MOST)}; ask for fewer")]
    return []


async def _params(call: Call[Any], asked: Asked) -> Mapping[str, Any] | list[Fault]:
    """Return the creator's parameters and the input, or all that is wrong with either."""
    params = parameters_of(asked.job_type, asked.params)
    found = await _input(call, asked)
    faults = [*(params if isinstance(params, list) else [])]
    faults += [found] if isinstance(found, Fault) else []
    if isinstance(params, list) or isinstance(found, Fault):
        return faults
    return {**params, **found, **noted(asked.pool, asked.needs)}


async def _input(call: Call[Any], asked: Asked) -> dict[str, Any] | Fault:
    if asked.payload_ref is not None:
        is_order = isinstance(asked, NewJob)
        return await input_of(
            call, asked.payload_ref, asked.manifest, asked.job_type, is_order=is_order
        )
    if asked.manifest is not None:
        return Fault("manifest", "value", "goes with payload_ref; name it")
    return {}

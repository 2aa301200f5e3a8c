"""Validation of jobs, the same for submissions and for quotes."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import attrs

from rendertrust import money
from rendertrust.job_spec import JobSpec, Pool, Priority, Reference
from rendertrust.value_types import Doc
from sql.jobs import JobTerms
from web.http.operations import TOKEN_REFUSED, Call
from web.http.problem import Fault, Problem, invalid
from web.jobs.parameters import parameters_of
from web.jobs.payload import input_of
from web.jobs.placement import MINE, noted
from web.jobs.preflights import with_needs_of_scene
from web.jobs.pricing import Tariff, tariff_of
from web.jobs.submission import JobRequest
from web.jobs.unit_plan import UnitPlan, plan_of

PRICE_MOST: Final = 10**18  # units of money: what one job can hold
PRIORITIES: Final[Mapping[Priority, int]] = {"low": -1, "normal": 0, "high": 1}


@attrs.frozen
class NewJob(JobSpec):
    """A job to submit. With ``frames`` it has a unit for each frame, or for each ``chunk`` of them;
    with ``tiles`` each frame is rendered in parts, which a last unit puts together.
    """

    payload_ref: Annotated[Reference, Doc("The ``payload_ref`` of an upload.")] = attrs.field(
        kw_only=True
    )


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


async def offer_of(call: Call[Any], asked: JobSpec, terms: JobTerms) -> PricedJob | Problem:
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
    plan = plan_of(asked, params, tariff.cost)
    if isinstance(plan, list):
        return invalid(plan)
    wanted = _wanted(asked, plan, tariff)
    offer = PricedJob(wanted, tariff, plan.frames)
    faults = _unpayable(offer)
    return invalid(faults) if faults else offer


def _wanted(asked: JobSpec, plan: UnitPlan, tariff: Tariff) -> JobRequest:
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


async def _params(call: Call[Any], asked: JobSpec) -> Mapping[str, Any] | list[Fault]:
    """Return the creator's parameters and the input, or all that is wrong with either."""
    params = parameters_of(asked.job_type, asked.params)
    found = await _input(call, asked)
    faults = [*(params if isinstance(params, list) else [])]
    faults += [found] if isinstance(found, Fault) else []
    if isinstance(params, list) or isinstance(found, Fault):
        return faults
    return {**params, **found, **noted(asked.pool, asked.needs)}


async def _input(call: Call[Any], asked: JobSpec) -> dict[str, Any] | Fault:
    if asked.payload_ref is not None:
        is_order = isinstance(asked, NewJob)
        return await input_of(
            call, asked.payload_ref, asked.manifest, asked.job_type, is_order=is_order
        )
    if asked.manifest is not None:
        return Fault("manifest", "value", "goes with payload_ref; name it")
    return {}

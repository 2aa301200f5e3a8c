"""A frame of an ended job that is rendered again, as a new job that names the first one.

The new job has the terms of the first one. Work that was measured, or follows from the frame's
size, has its present price; other frames cost what they cost in the first job.
"""

import hashlib
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.effects import JobInsert
from actors.scheduler.messages import Dispatch
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.frame_range import parse
from rendertrust.job_name import name_of_part
from rendertrust.job_status import ENDED
from rendertrust.job_types import RENDER
from rendertrust.preflight.frame_work import SECOND
from rendertrust.preflight.frame_work import price_of as price_of_work
from sql.job_plan import JobPlan, NewUnit
from sql.jobs import JobOrder, JobTerms, PagedUnit, PastJob
from web.gateway import Gateway
from web.http.operations import Answer
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND, UNIT_NOT_FOUND
from web.jobs.job_view import placed
from web.jobs.retry import EXPIRED, INACTIVE
from web.jobs.submission import ask_scheduler
from web.jobs.unit_plan import UnitPlan, split_into_units

NOT_COMPLETE: Final = Problem(
    409,
    "Only a complete frame of a render that has ended is rendered again",
    code=RefusalCode.JOB_NOT_COMPLETED,
)


async def render_again(gateway: Gateway, user: UUID, job: UUID, number: int) -> Answer | Problem:
    """Render the frame of a unit of the user's job again. Raises AskFailed, Unavailable.

    The new job's id is derived from the number of such jobs, so that two requests at once make one
    job.
    """
    jobs = gateway.tables.jobs
    row = await jobs.past(job, user)
    if row is None:
        return JOB_NOT_FOUND
    page = await jobs.unit_page(job, number - 1, 1)
    unit = next((each for each in page if each.number == number), None)
    if unit is None or unit.tile is not None:
        return UNIT_NOT_FOUND
    is_render = row.plan.job_type == RENDER
    if not is_render or row.status not in ENDED or unit.state != "COMPLETED":
        return NOT_COMPLETE
    terms = (await jobs.terms(JobOrder(user, RENDER, None))).in_pool(row.plan.spec.pool)
    if not terms.active:
        return INACTIVE
    if not await gateway.tables.retention.renew(row.id, user, gateway.ports.clock.now()):
        return EXPIRED
    cost = await gateway.tables.related_jobs.held_for(job, number)
    plan = plan_again(row, unit, cost, terms)
    new = again_id(job, number, await gateway.tables.related_jobs.again_count(job))
    dispatch = Dispatch(JobInsert(new, user, plan, terms.price_number))
    return placed(dispatch, await ask_scheduler(gateway, dispatch))


def plan_again(row: PastJob, unit: PagedUnit, cost: int, terms: JobTerms) -> JobPlan:
    """Return the plan of a job of this unit alone. ``cost``: its price when the first job was
    submitted, whether or not it was charged.

    Work keeps its price in proportion to the price table. A frame without it costs the same again,
    or nothing where jobs are free now.
    """
    count = 1 if unit.frames is None else len(parse(unit.frames))
    pricing, price = row.plan.pricing, cost if terms.price else 0
    if pricing is not None and pricing.price:
        work = cost * pricing.pays_for * SECOND // pricing.price
        price = price_of_work(work, terms.price, pricing.pays_for)
        pricing = attrs.evolve(pricing, work=work, price=terms.price)
    spec = attrs.evolve(
        row.plan.spec,
        frames=unit.frames,
        chunk=max(1, count),
        queue=True,
        order="sequential",
        priority="normal",
        max_credits=None,
        start_after=None,
        quoted=None,
        video=None,
        name=name_of_part(row.name, f"frame {unit.frames}") if unit.frames else row.name,
    )
    units: tuple[NewUnit, ...] = (NewUnit(price, frames=unit.frames),)
    if spec.tiles is not None:
        split = split_into_units(spec, price)
        assert isinstance(split, UnitPlan), "the first job was cut in the same way"
        units = split.units
    return attrs.evolve(row.plan, spec=spec, units=units, pricing=pricing, again_of=row.id)


def again_id(job: UUID, number: int, before: int) -> UUID:
    """Return the id of the job that renders a unit again after ``before`` such jobs."""
    text = f"again\n{number}\n{before}\n".encode()
    return UUID(bytes=hashlib.sha256(text + job.bytes).digest()[:16], version=4)

"""Short constructors of job specifications and plans."""

from collections.abc import Sequence
from typing import Any

from rendertrust.job_spec import JobSpec, NodeNeeds, Order
from sql.job_plan import NO_INPUTS, NO_NEEDS, Inputs, JobPlan, NewUnit, Pricing


def in_frames(
    frames: str | None = None,
    chunk: int = 1,
    tiles: str | None = None,
    order: Order = "sequential",
    **params: Any,
) -> JobSpec:
    """Return the specification of a render job for these frames."""
    return JobSpec("render", params=params, frames=frames, chunk=chunk, tiles=tiles, order=order)


def planned(
    job_type: str = "echo",
    payload_ref: str = "s3://elsewhere/scene",
    params: dict[str, Any] | None = None,
    *,
    price: int = 0,
    units: Sequence[NewUnit] = (),
    inputs: Inputs = NO_INPUTS,
    needs: NodeNeeds = NO_NEEDS,
    pricing: Pricing | None = None,
    **spec: Any,
) -> JobPlan:
    """Return the plan of a job with these units, or with a single unit at a price."""
    of = JobSpec(job_type, payload_ref, params or {}, **spec)
    return JobPlan(of, inputs, needs, pricing, tuple(units) or (NewUnit(price),))

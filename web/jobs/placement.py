"""Placement of a job: its needs of a node, and what its pool means for its price."""

import attrs

from rendertrust.job_spec import Pool
from sql.job_plan import JobPlan
from sql.units import MINE


def for_scene(plan: JobPlan, *, opengl: bool, device_dependent: bool) -> JobPlan:
    """Return the plan with the needs of the job's scene, as pre-flight found them.

    Scenes that CPUs and GPUs render differently go to CPUs, unless the job says otherwise.
    """
    needs = plan.needs
    if opengl:
        needs = attrs.evolve(needs, opengl=True)
    if device_dependent and needs.device_class is None and needs.device is None:
        needs = attrs.evolve(needs, device="cpu")
    return attrs.evolve(plan, needs=needs)


def price_in(pool: Pool, price: int) -> int:
    """Return a frame's price: nothing on the owner's nodes."""
    return 0 if pool == MINE else price

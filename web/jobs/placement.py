"""Placement of a job: its pool, its needs of a node, and what that means for its price."""

from collections.abc import Mapping
from typing import Any, Final

from rendertrust.job_spec import NodeNeeds, Pool
from sql.units import ANY
from sql.units import MINE as MINE  # noqa: PLC0414 - part of what this module offers
from sql.units import POOL as POOL  # noqa: PLC0414
from sql.units import PRICED as PRICED  # noqa: PLC0414

FRAMES_OF: Final = "_frames_of"  # in a job's parameters: the job whose results it uses
NEEDS: Final = "_needs"  # in a job's parameters, read by the Scheduler


def noted(pool: Pool, needs: NodeNeeds | None) -> dict[str, Any]:
    """Return them as job parameters; defaults are left out."""
    found: dict[str, Any] = {} if pool == ANY else {POOL: pool}
    asked = {} if needs is None else needs.members()
    return {**found, NEEDS: asked} if asked else found


def for_scene(
    params: Mapping[str, Any], *, opengl: bool, device_dependent: bool
) -> Mapping[str, Any]:
    """Return the parameters with the needs of the job's scene, as pre-flight found them.

    Scenes that CPUs and GPUs render differently go to CPUs, unless the job says otherwise.
    """
    needs: dict[str, Any] = dict(params.get(NEEDS, {}))
    if opengl:
        needs["opengl"] = True
    if device_dependent and "device_class" not in needs:
        needs.setdefault("device", "cpu")
    return {**params, NEEDS: needs} if needs else params


def price_of(price: int, params: Mapping[str, Any]) -> int:
    """Return a frame's price: nothing on the owner's nodes."""
    return 0 if params.get(POOL) == MINE else price

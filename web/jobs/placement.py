"""Placement of a job: its pool, its needs of a node, and what that means for its price."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import attrs
from msgspec import Meta

from sql.units import ANY
from sql.units import MINE as MINE  # noqa: PLC0414 - part of what this module offers
from sql.units import POOL as POOL  # noqa: PLC0414
from sql.units import PRICED as PRICED  # noqa: PLC0414

FRAMES_OF: Final = "_frames_of"  # in a job's parameters: the job whose results it uses
NEEDS: Final = "_needs"  # in a job's parameters, read by the Scheduler

Pool = Literal["mine", "trusted", "any"]
Version = Annotated[str, Meta(pattern=r"^[2-9]\.[0-9]{1,2}$", description="of Blender, like 5.2")]


@attrs.frozen
class NodeNeeds:
    """Requirements of a node; what is left out does not matter. ``memory``: bytes.

    ``blender``: this version or a newer one. ``device_class``: exactly this one (device,
    instruction set, build of Blender, as nodes report it). ``alike``: all units on nodes of one
    class, which is chosen when the job is submitted. ``opengl``: the engine draws with it (EEVEE,
    Workbench); known for scenes that passed pre-flight.
    """

    device: Literal["cpu", "gpu"] | None = None
    blender: Version | None = None
    memory: Annotated[int, Meta(ge=1, le=1 << 50)] | None = None
    device_class: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    alike: bool | None = None
    opengl: bool | None = None


def noted(pool: Pool, needs: NodeNeeds | None) -> dict[str, Any]:
    """Return them as job parameters; defaults are left out."""
    found: dict[str, Any] = {} if pool == ANY else {POOL: pool}
    asked = {} if needs is None else attrs.asdict(needs)
    asked = {name: value for name, value in asked.items() if value is not None}
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

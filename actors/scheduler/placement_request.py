"""What a unit asks of a node, as far as the choice depends on it."""

from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from sql.scheduler_rows import ANY as ANY  # noqa: PLC0414 - part of what this module offers
from sql.scheduler_rows import MINE as MINE  # noqa: PLC0414
from sql.scheduler_rows import POOL as POOL  # noqa: PLC0414
from sql.scheduler_rows import TRUSTED as TRUSTED  # noqa: PLC0414

CPU: Final = "cpu"
GPU: Final = "gpu"
NEEDS: Final = "_needs"  # in a job's parameters, written by us
GIB: Final = 1 << 30
Within: TypeAlias = tuple[int, datetime, int, bool, int]  # as ``policy.within`` orders a user's own


@attrs.frozen(order=True)
class Requirements:
    """``device``: cpu or gpu; ``blender``: at least (major, minor); ``memory``: bytes at least.

    ``device_class``: exactly this device, instruction set and build of Blender. ``opengl``: the
    scene's engine draws with it (EEVEE, Workbench).
    """

    device: str = ""
    blender: tuple[int, int] = (0, 0)
    memory: int = 0
    device_class: str = ""
    opengl: bool = False


NOTHING: Final = Requirements()


@attrs.frozen
class RequestKind:
    """What is alike for many units: they wait in one line. ``many``: it is one of several of its
    job, and a client of the reference cannot tell those apart. ``asked``: what its job asked for,
    where nodes found that it needs more.
    """

    job_type: str
    pool: str = ANY
    many: bool = False
    needs: Requirements = NOTHING
    asked: Requirements | None = None

    @property
    def as_asked(self) -> "RequestKind":
        """The same work without what nodes found that it needs besides."""
        return self if self.asked is None else attrs.evolve(self, needs=self.asked, asked=None)


@attrs.frozen
class PlacementRequest:
    """``inputs`` names what is to be fetched first: a node that has it begins sooner. ``turn`` is
    the unit's among its user's own. ``is_final``: it is tried no more after this.
    """

    kind: RequestKind
    user: UUID | None = None
    inputs: str = ""
    turn: Within | None = None
    is_final: bool = False


def kind_of(
    job_type: str, params: dict[str, Any], *, many: bool, memory: int = 0, opengl: bool = False
) -> RequestKind:
    """Of a unit of a job with these parameters; ``memory``, ``opengl``: what nodes lacked."""
    pool: Any = params.get(POOL, ANY)
    asked = requirements_of(params)
    needs = raised(asked, memory, opengl=opengl)
    return RequestKind(job_type, pool, many, needs, None if needs == asked else asked)


def version_of(text: str) -> tuple[int, int]:
    """``5.2.0 LTS`` is (5, 2); (0, 0) where it is no version."""
    major, _, rest = text.strip().partition(".")
    minor = rest.split(".")[0].split(" ")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        return (0, 0)
    return int(major[:4]), int(minor[:4])


def requirements_of(params: dict[str, Any]) -> Requirements:
    """What was written down with the job. Memory counts in steps of two, from 1 GiB: so there are
    few kinds of needs, however many are asked for.
    """
    said: Any = params.get(NEEDS)
    if not isinstance(said, dict):
        return NOTHING
    memory = int(said.get("memory") or 0)
    steps = 0 if memory <= 0 else max(GIB, 1 << (memory - 1).bit_length())
    version = version_of(said.get("blender") or "")
    names = said.get("device") or "", said.get("device_class") or ""
    return Requirements(names[0], version, steps, names[1], opengl=bool(said.get("opengl")))


def raised(needs: Requirements, memory: int, *, opengl: bool) -> Requirements:
    """With what nodes found besides: ``memory`` bytes at least, and OpenGL. Memory counts in steps
    of an eighth at most, upwards: a node that has what was too little never has enough.
    """
    if not memory and not opengl:
        return needs
    step = max(GIB >> 2, 1 << max(memory.bit_length() - 4, 0))
    most = max(needs.memory, -(-memory // step) * step)
    return attrs.evolve(needs, memory=most, opengl=needs.opengl or opengl)


def wants_alike(params: dict[str, Any]) -> bool:
    """Whether all units are to be done by nodes of one class, and it is not known yet of which."""
    said: Any = params.get(NEEDS)
    return isinstance(said, dict) and bool(said.get("alike")) and not said.get("device_class")

"""Requests for a node: what a unit requires of one, whose it is, and what it has as input."""

from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from rendertrust.job_spec import NodeNeeds
from sql.job_plan import JobPlan
from sql.units import ANY as ANY  # noqa: PLC0414 - part of what this module offers
from sql.units import MINE as MINE  # noqa: PLC0414
from sql.units import TRUSTED as TRUSTED  # noqa: PLC0414

CPU: Final = "cpu"
GPU: Final = "gpu"
GIB: Final = 1 << 30
Within: TypeAlias = tuple[int, datetime, int, bool, int]  # as ``policy.within`` orders a user's own


@attrs.frozen(order=True)
class Requirements:
    """Requirements of a unit.

    ``device``: cpu or gpu; ``blender``: at least (major, minor); ``memory``: in bytes, at least.
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
    """A kind of units, which wait in one line.

    ``many``: its jobs have several units, which a client of the reference API cannot tell apart.
    ``asked``: what the job asked for, if nodes found that the unit needs more.
    """

    job_type: str
    pool: str = ANY
    many: bool = False
    needs: Requirements = NOTHING
    asked: Requirements | None = None

    @property
    def as_asked(self) -> "RequestKind":
        """The same kind without what nodes found that it needs besides."""
        return self if self.asked is None else attrs.evolve(self, needs=self.asked, asked=None)


@attrs.frozen
class PlacementRequest:
    """A unit's request for a node.

    ``inputs`` names its input: a node that has it in its cache begins sooner. ``turn`` is the
    unit's place among its user's units. ``is_final``: this is the unit's last try.
    """

    kind: RequestKind
    user: UUID | None = None
    inputs: str = ""
    turn: Within | None = None
    is_final: bool = False


def kind_of(plan: JobPlan, *, many: bool, memory: int = 0, opengl: bool = False) -> RequestKind:
    """Return the kind of a unit; ``memory`` and ``opengl``: what nodes lacked for it."""
    asked = requirements_of(plan.needs)
    needs = raised(asked, memory, opengl=opengl)
    asked_besides = None if needs == asked else asked
    return RequestKind(plan.job_type, plan.spec.pool, many, needs, asked_besides)


def version_of(text: str) -> tuple[int, int]:
    """Parse a version: ``5.2.0 LTS`` is (5, 2), and (0, 0) a text without a version."""
    major, _, rest = text.strip().partition(".")
    minor = rest.split(".")[0].split(" ")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        return (0, 0)
    return int(major[:4]), int(minor[:4])


def requirements_of(needs: NodeNeeds) -> Requirements:
    """Return the requirements of a job's units.

    Memory is rounded up to a power of two, from 1 GiB, so that there are few kinds of units.
    """
    memory = needs.memory or 0
    steps = 0 if memory <= 0 else max(GIB, 1 << (memory - 1).bit_length())
    version = version_of(needs.blender or "")
    names = needs.device or "", needs.device_class or ""
    return Requirements(names[0], version, steps, names[1], opengl=bool(needs.opengl))


def raised(needs: Requirements, memory: int, *, opengl: bool) -> Requirements:
    """Return the requirements with what nodes found besides: memory in bytes, and OpenGL.

    Memory is rounded up by an eighth at most: a node that had too little never has enough.
    """
    if not memory and not opengl:
        return needs
    step = max(GIB >> 2, 1 << max(memory.bit_length() - 4, 0))
    most = max(needs.memory, -(-memory // step) * step)
    return attrs.evolve(needs, memory=most, opengl=needs.opengl or opengl)


def wants_alike(needs: NodeNeeds) -> bool:
    """Return whether all units need nodes of one class that is not chosen yet."""
    return bool(needs.alike) and not needs.device_class

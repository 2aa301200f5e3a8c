"""What a unit asks of a node, as far as the choice depends on it."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from actors.scheduler.resources import NOTHING, Requirements, raised, requirements_of
from sql.scheduler_rows import ANY as ANY  # noqa: PLC0414 - part of what this module offers
from sql.scheduler_rows import MINE as MINE  # noqa: PLC0414
from sql.scheduler_rows import POOL as POOL  # noqa: PLC0414
from sql.scheduler_rows import TRUSTED as TRUSTED  # noqa: PLC0414

Within: TypeAlias = tuple[int, datetime, int, bool, int]  # as ``policy.within`` orders a user's own


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

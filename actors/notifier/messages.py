"""What the Notifier is told and asked. All of it is hints: the truth is in the database."""

from collections.abc import Hashable
from typing import ClassVar
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow
from actors.ledger.messages import UnitState


class Notifier:
    """Marker: the address of the notifier actor."""


@attrs.frozen
class UnitsMoved(Message[Notifier, None]):
    """From the Scheduler, NodeSessions and the Lifeline: units changed their state."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    units: tuple[UnitState, ...]


@attrs.frozen
class Progress(Message[Notifier, None]):
    """From a NodeSession: how far a unit is (0 to 1). Only the newest matters."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    job: UUID
    unit: int
    attempt: int
    value: float
    detail: str = ""

    def coalesce_key(self) -> Hashable:
        return (self.job, self.unit)


@attrs.frozen
class ProgressOf(Message[Notifier, "Progress | None"]):
    """From the web: the newest progress of a job, if any was reported since the start."""

    job: UUID

"""Rows of nodes, jobs and units, as the Scheduler and the Lifeline read them."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import attrs


@attrs.frozen
class NodeRow:
    id: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float
    verified: bool


@attrs.frozen
class OpenUnit:
    """A unit that has not ended, with what its job says about it."""

    job: UUID
    unit: int
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    state: str  # QUEUED, DISPATCHED or RUNNING
    attempt: int
    node: UUID | None  # None while QUEUED
    avoid: frozenset[UUID]
    failures: int
    not_before: datetime | None
    assigned_at: datetime | None
    lease_until: datetime | None
    queued_at: datetime


LeaseId: TypeAlias = tuple[UUID, int, int, UUID]  # job, unit, attempt, node


@attrs.frozen
class Lease:
    """Until when a unit may stay with its node without a sign of life."""

    job: UUID
    unit: int
    attempt: int
    node: UUID
    until: datetime

    @property
    def id(self) -> LeaseId:
        return self.job, self.unit, self.attempt, self.node

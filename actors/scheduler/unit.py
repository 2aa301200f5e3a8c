"""A unit of work that has not ended, as the Scheduler knows it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from actors.scheduler.messages import Assignment, Dispatch
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.policy import PENDING, Age, age
from sql.work import OpenUnit


@attrs.define(eq=False)
class Placing:
    """A commit that assigns the unit is under way; after ``expires`` it counts as lost.

    Without a node it is one that only queues a new job.
    """

    node: Node | None
    attempt: int
    expires: float  # seconds of the monotonic clock


@attrs.define(eq=False)
class Unit:
    """``queued_at`` is its place in the queue; ``ticket`` its entry there, or among the strays,

    0 when it has none. ``told``: a session of its node heard of this attempt.
    """

    job: UUID
    number: int
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any] = attrs.field(repr=False)
    queued_at: datetime
    state: str = PENDING
    attempt: int = 0
    node: Node | None = None
    avoid: frozenset[UUID] = frozenset()
    failures: int = 0
    not_before: datetime | None = None
    assigned_at: datetime | None = None
    told: bool = False
    placing: Placing | None = None
    ticket: int = 0

    @property
    def key(self) -> UnitKey:
        return (self.job, self.number)

    @property
    def age(self) -> Age:
        return age(self.state, self.attempt)

    @property
    def waits(self) -> bool:
        """Whether it is to be placed."""
        return self.state == "QUEUED" and self.placing is None

    @property
    def is_stray(self) -> bool:
        """Whether its node never heard of it, and nobody is there who could be told."""
        return (
            self.state == "DISPATCHED"
            and not self.told
            and self.placing is None
            and self.node is not None
            and self.node.session is None
        )

    def assignment(self) -> Assignment:
        """What its node is told."""
        return Assignment(
            job=self.job,
            unit=self.number,
            attempt=self.attempt,
            job_type=self.job_type,
            payload_ref=self.payload_ref,
            params=self.params,
            user=self.user,
            state=self.state,
            assigned_at=self.assigned_at,
            failures=self.failures,
            avoid=self.avoid,
        )


def of_dispatch(order: Dispatch, now: datetime) -> Unit:
    """The one unit of a job that is about to be booked."""
    return Unit(
        job=order.job,
        number=0,
        user=order.user,
        job_type=order.job_type,
        payload_ref=order.payload_ref,
        params=order.params,
        queued_at=now,
    )


def of_row(row: OpenUnit) -> Unit:
    """A unit as it stands in the books; its node is noted by whoever keeps the nodes."""
    return Unit(
        job=row.job,
        number=row.unit,
        user=row.user,
        job_type=row.job_type,
        payload_ref=row.payload_ref,
        params=row.params,
        queued_at=row.queued_at,
        state=row.state,
        attempt=row.attempt,
        avoid=row.avoid,
        failures=row.failures,
        not_before=row.not_before,
        assigned_at=row.assigned_at,
    )

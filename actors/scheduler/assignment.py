"""One unit that a node is to work on, as its session is told of it."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import attrs

from sql.retry_policy import tries
from sql.scheduler_rows import PartResult

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class Assignment:
    """One unit that a node is to work on. ``avoid`` are the nodes that failed it before.

    ``params`` are narrowed to it; ``parts`` are the results of units that it is made of. ``pool``:
    whose work it is, seen by the node: its own people's, of somebody whom its owner trusts, or any.
    """

    job: UUID
    unit: int
    attempt: int
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    user: UUID
    state: str = "DISPATCHED"
    assigned_at: datetime | None = None
    given_at: float | None = None  # by this machine's steady clock, where this gateway assigned it
    failures: int = 0
    avoid: frozenset[UUID] = frozenset()
    parts: tuple[PartResult, ...] = ()
    pool: str = "any"
    price: int = 0  # in units of money
    paused: bool = False  # by the job's owner: it is not to begin
    faults: int = 0  # failures that were no node's
    unsent: int = 0  # of the attempts before this one, how many no node ever had
    priority: int = 0
    queued_at: datetime = EVER  # its job; with ``place`` within that: when its turn is
    place: int = 0

    @property
    def tries(self) -> int:
        """How often a node was to work on it, this time included."""
        return tries(self.attempt, self.unsent)

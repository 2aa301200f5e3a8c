"""How patient the Scheduler is, and how much it takes."""

from typing import Final
from uuid import UUID

import attrs

from actors.scheduler.straggler_policy import StragglerPolicy

USUAL: Final = StragglerPolicy()


@attrs.frozen
class SchedulerSettings:
    """Seconds, and how many jobs of one user may be open, as far as this gateway knows: in all, of
    those that cost nothing, and of how many different kinds (what they ask of a node) they may be.

    ``ours`` are the nodes that the gateway's owner runs himself.
    """

    open_jobs: int = 1_000_000
    open_free_jobs: int = 1_000_000
    open_kinds: int = 1_000_000
    poll_seconds: float = 5.0
    soon_seconds: float = 0.1  # from a hint to the reading that it asks for
    refill_seconds: float = 0.02  # from the last known units of a job to the reading of more
    relief_seconds: float = 0.5  # from one look at who has nothing to do to the next
    retry_seconds: float = 1.0  # while the database is away
    node_polls: int = 12  # times poll_seconds: how often the nodes are read
    patience: StragglerPolicy = USUAL
    ours: frozenset[UUID] = frozenset()
    standings_seconds: float = 0.5  # a node that is revoked elsewhere is closed within a second

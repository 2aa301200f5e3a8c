"""Settings of the scheduler: intervals, limits for one user, and when a unit straggles."""

from typing import Final
from uuid import UUID

import attrs


@attrs.frozen
class StragglerPolicy:
    """When a unit straggles: at work for ``times`` as long as half of the others were.

    It must be at work for ``seconds`` at least, and ``done`` of the others must be complete.
    ``times`` 0: never.
    """

    times: float = 2.0
    seconds: float = 10.0
    done: int = 3


USUAL: Final = StragglerPolicy()


@attrs.frozen
class SchedulerSettings:
    """Intervals in seconds, and how many jobs of one user may be open at this gateway.

    ``open_free_jobs`` limits those that cost nothing, ``open_kinds`` the different kinds (what jobs
    ask of a node). ``ours`` are the nodes that the gateway's owner runs.
    """

    open_jobs: int = 1_000_000
    open_free_jobs: int = 1_000_000
    open_kinds: int = 1_000_000
    poll_seconds: float = 5.0
    soon_seconds: float = 0.1  # from a hint to the read that it asks for
    refill_seconds: float = 0.02  # until more units of a job are read
    balance_seconds: float = 0.5  # between two attempts to balance the load
    retry_seconds: float = 1.0  # while the database is away
    node_polls: int = 12  # times poll_seconds: how often the nodes are read
    stragglers: StragglerPolicy = USUAL
    ours: frozenset[UUID] = frozenset()
    standings_seconds: float = 0.5  # a node that is revoked elsewhere is closed within a second

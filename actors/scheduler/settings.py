"""Settings of the Scheduler."""

from uuid import UUID

import attrs

from config.settings import DEFAULTS, Limits, Scheduling


@attrs.frozen
class SchedulerSettings:
    """Intervals in seconds; ``ours`` are the nodes that the gateway's owner runs.

    Of ``limits`` these count: how many jobs, free jobs and kinds of jobs of one user may be open at
    this gateway. A kind is what a job asks of a node.
    """

    limits: Limits = DEFAULTS.limits
    scheduling: Scheduling = DEFAULTS.scheduling
    ours: frozenset[UUID] = frozenset()
    poll_seconds: float = 5.0
    soon_seconds: float = 0.1  # from a hint to the read that it asks for
    refill_seconds: float = 0.02  # until more units of a job are read
    balance_seconds: float = 0.5  # between two attempts to balance the load
    retry_seconds: float = 1.0  # while the database is away
    node_polls: int = 12  # times poll_seconds: how often the nodes are read
    standings_seconds: float = 0.5  # a node that is revoked elsewhere is closed within a second

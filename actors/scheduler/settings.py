"""Settings of the Scheduler."""

from uuid import UUID

import attrs

from config.settings import DEFAULTS, Limits, Scheduling


@attrs.frozen
class SchedulerSettings:
    """Settings of the scheduler; times are in seconds.

    ``ours``: the nodes that the gateway's owner runs. Of ``limits``, the scheduler applies those
    for one user's open jobs, free jobs and kinds of jobs (``RequestKind``) at this gateway.
    """

    limits: Limits = DEFAULTS.limits
    scheduling: Scheduling = DEFAULTS.scheduling
    ours: frozenset[UUID] = frozenset()
    poll_seconds: float = 5.0
    soon_seconds: float = 0.1  # delay from a hint to the read that it causes
    refill_seconds: float = 0.02  # delay from a placement to the read of the job's next units
    balance_seconds: float = 0.5  # seconds between two attempts to balance the load
    retry_seconds: float = 1.0  # seconds between two tries to read while the database is down
    node_polls: int = 12  # nodes are read every ``node_polls * poll_seconds`` seconds
    # Seconds between two reads of standings: few, so that a node that another gateway revokes is
    # disconnected soon.
    standings_seconds: float = 0.5

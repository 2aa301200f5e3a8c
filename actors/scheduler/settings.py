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
    # Seconds between two reads of standings: few, so that a node that another gateway revokes is
    # disconnected soon.
    standings_seconds: float = 0.5

"""What a gateway says of credits that are set aside, and of those that were charged."""

from datetime import date, datetime

import attrs


@attrs.frozen
class Hold:
    """Credits that are set aside: for a job, until it ends."""

    id: str
    amount: str
    job_id: str | None
    job_type: str | None
    job_status: str | None
    reference_id: str
    created_at: datetime


@attrs.frozen
class Holds:
    """Newest first; ``count`` is how many are open, ``held`` what they all sum up to."""

    holds: tuple[Hold, ...]
    count: int
    held: str
    next: str | None = None


@attrs.frozen
class DayOfUsage:
    """What was charged on a day (UTC), for how many jobs."""

    day: date
    charged: str
    jobs: int


@attrs.frozen
class Usage:
    """The last days, today included, oldest first; ``charged`` is their sum."""

    days: tuple[DayOfUsage, ...]
    charged: str

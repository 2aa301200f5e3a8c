"""Effects on whole jobs that creators ask for; also the Scheduler's speculative attempts."""

from typing import TypeAlias
from uuid import UUID

import attrs

from sql.job_plan import JobPlan


@attrs.frozen
class JobInsert:
    """A new job and its units, QUEUED, as the ``plan`` has them.

    With a price, the same commit must place a hold for each unit (``PlaceHold``, ``HoldUnits``).
    The outcome names only the first unit. ``price_number``: the row of the price table.
    ``retry_of``: an ended job that this one repeats. A job is repeated at most once, so the new id
    must be derived from the old one.
    """

    job: UUID
    user: UUID
    plan: JobPlan
    price_number: int | None = None
    retry_of: UUID | None = None


@attrs.frozen
class JobCancel:
    """QUEUED or DISPATCHED → CANCELLED with all units, holds released; only by its owner.

    A PAUSED job can be cancelled too, if none of its units ever ran.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobStop:
    """An open job → CANCELLED: open units are cancelled and their holds released.

    Completed units stay, and stay paid. Delivered units wait for their verdicts while the job is
    PAUSED. Only by its owner.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobPause:
    """An open job → PAUSED: no unit starts; running units finish. Only by its owner."""

    job: UUID
    user: UUID


@attrs.frozen
class JobResume:
    """A PAUSED job continues; only by its owner.

    Refused if its next unit would exceed the cap (``found``: 'CAP').
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobChange:
    """Change the priority or the cap of an open job; None: unchanged. Only by its owner.

    ``uncapped``: remove the cap. A cap below what is already committed is refused (``found``:
    'CAP').
    """

    job: UUID
    user: UUID
    priority: int | None = None
    cap: int | None = None
    uncapped: bool = False

    @property
    def of_cap(self) -> bool:
        """True if it changes or removes the cap."""
        return self.uncapped or self.cap is not None


@attrs.frozen
class UnitRetry:
    """FAILED → QUEUED, its price held again; not if the job was cancelled. Only by the job's owner.

    For a frame in tiles, all FAILED parts are queued again.
    """

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class UnitCopy:
    """A speculative ``attempt`` at a unit on another node, in addition to the attempt ``beside``.

    Guards: that attempt runs on another node and has no copy, the job is not paused, and
    ``attempt`` was never assigned. The first complete attempt counts; the other is discarded.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    beside: int


OfJob: TypeAlias = JobCancel | JobStop | JobPause | JobResume | JobChange | UnitRetry

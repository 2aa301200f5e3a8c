"""Response models for jobs and their results."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import attrs

from rendertrust.value_types import ABSENT, ADDED, SENT, Credits, Id, Limits

JobStatus: TypeAlias = Annotated[
    str,
    Limits(enum=("QUEUED", "DISPATCHED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")),
]
JobPriority: TypeAlias = Annotated[str, Limits(enum=("low", "normal", "high"))]
ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@attrs.frozen
class LooseTiles:
    """Delivered ``tiles`` of frames that cannot be completed as things stand, and their cost.

    ``checking``: how many of them are charged only once verified. They can be downloaded. Unless
    the job is stopped, a retry of its failed units completes these frames.
    """

    tiles: int
    checking: int
    charged: Credits


@attrs.frozen
class Placed:
    """A submitted job. ``node_id`` is null while it waits for a node."""

    job_id: Id
    node_id: Id | None
    status: JobStatus


@attrs.frozen
class Job:
    """A job. ``price`` was held when it was submitted; ``charged`` is what was charged of it.

    ``retry_of`` is the job that it retries. Of its ``units``, ``done`` are complete and ``failed``
    failed for good. ``paused``: by its ``owner``, at the ``cap`` (``max_credits``), or ``stopped``
    until delivered units are verified. ``pool``: the nodes that may see it. Each unit of a job has
    its own result. ``eta_seconds``: the estimated time until all is done; null until enough units
    are complete, and in lists. ``reference_seconds``: the work of all frames, as measured on a
    gateway node, by which it is priced; null: it is priced by the table. ``loose_tiles``: delivered
    tiles of frames that cannot be completed; null if there are none, and in lists. ``given_back``:
    the number of units that were refunded because they were found invalid later; null in lists.
    ``start_after``: no unit begins before this time; left out if there is none.
    """

    id: Id
    node_id: Id | None
    job_type: str
    payload_ref: str
    status: JobStatus
    result_ref: str | None
    error_message: str | None
    retry_count: int
    retry_of: Id | None = attrs.field(default=None, metadata=ADDED, kw_only=True)
    queued_at: datetime
    dispatched_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    price: Credits | None = attrs.field(default=None, metadata=SENT)
    charged: Credits | None = attrs.field(default=None, metadata=SENT)
    progress: float | None = attrs.field(default=None, metadata=ADDED)
    units: int = attrs.field(default=1, metadata=ADDED)
    done: int = attrs.field(default=0, metadata=ADDED)
    failed: int = attrs.field(default=0, metadata=ADDED)
    priority: JobPriority = attrs.field(default="normal", metadata=ADDED)
    max_credits: Credits | None = attrs.field(default=None, metadata=ADDED)
    paused: str | None = attrs.field(default=None, metadata=ADDED)
    pool: str = attrs.field(default="any", metadata=ADDED)
    eta_seconds: float | None = attrs.field(default=None, metadata=ADDED)
    reference_seconds: float | None = attrs.field(default=None, metadata=ADDED)
    loose_tiles: LooseTiles | None = None
    given_back: int | None = None
    start_after: datetime | None = attrs.field(default=None, metadata=ABSENT)

    @property
    def ended(self) -> bool:
        """The job is in a final state."""
        return self.status in ENDED


@attrs.frozen
class JobList:
    """A page of jobs, newest first.

    ``count`` is how many match; ``next`` is the ``after`` of the next page.
    """

    jobs: tuple[Job, ...]
    count: int
    next: Id | None = attrs.field(default=None, metadata=ADDED)


@attrs.frozen
class ResultUrl:
    """A presigned URL of a result, valid for ``expires_in`` seconds for everybody who has it.

    ``size`` and ``sha256`` (hex) are as the node reported them, if it did.
    """

    job_id: Id
    download_url: str = attrs.field(repr=False)
    expires_in: int
    size: int | None = attrs.field(default=None, metadata=ADDED)
    sha256: str | None = attrs.field(default=None, metadata=ADDED)

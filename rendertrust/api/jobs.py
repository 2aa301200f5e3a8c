"""Response models for jobs and their results."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import attrs

from rendertrust.api.text_formats import Credits, Id, TextFormat

JobStatus: TypeAlias = Annotated[
    str,
    TextFormat(
        enum=("QUEUED", "DISPATCHED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")
    ),
]
ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@attrs.frozen
class LooseTiles:
    """Delivered ``tiles`` of frames that are incomplete as things stand, and their cost.

    ``checking`` of them are charged once verified. They can be downloaded. Unless the job is
    stopped, a retry of its failed units completes these frames.
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
    """A job. ``progress`` is 0 to 1 or unknown; ``charged`` is the part of the held ``price``.

    ``done`` of its ``units`` are complete, ``failed`` have failed permanently. ``paused`` is
    ``owner``, ``cap`` (at ``max_credits``) or ``stopped`` (waiting for checks). ``eta_seconds`` is
    an estimate from its own units, None until enough are done. ``reference_seconds``: the measured
    work of its frames, if the price depends on it.
    """

    id: str
    node_id: str | None
    job_type: str
    payload_ref: str
    status: str
    result_ref: str | None
    error_message: str | None
    retry_count: int
    queued_at: datetime | None
    dispatched_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    price: str | None = None
    charged: str | None = None
    progress: float | None = None
    retry_of: str | None = None
    units: int = 1
    done: int = 0
    failed: int = 0
    priority: str = "normal"
    max_credits: str | None = None
    paused: str | None = None
    eta_seconds: float | None = None
    pool: str = "any"
    reference_seconds: float | None = None
    loose_tiles: LooseTiles | None = None  # not in lists
    given_back: int | None = None  # units that were refunded later; not in lists

    @property
    def ended(self) -> bool:
        """The job is in a final state."""
        return self.status in ENDED


@attrs.frozen
class JobList:
    """A page of jobs, newest first. ``count`` is the number of all that match."""

    jobs: tuple[Job, ...]
    count: int
    next: str | None = None


@attrs.frozen
class ResultUrl:
    """A presigned URL of a result, valid for ``expires_in`` seconds for everybody who has it.

    ``size`` and ``sha256`` (hex) are as the node reported them, if it did.
    """

    job_id: Id
    download_url: str = attrs.field(repr=False)
    expires_in: int
    size: int | None = None
    sha256: str | None = None

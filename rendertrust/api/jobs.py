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
    """A job. ``progress`` is 0 to 1 or unknown; ``price`` was held, ``charged`` was taken of it.

    ``done`` of its ``units`` are complete, ``failed`` for good. ``paused`` says by whom: its
    ``owner``, or at the ``cap``, which is ``max_credits``; ``stopped`` waits for the checks of what
    was delivered. ``eta_seconds``: when all is done, as its own units went; None until enough of
    them are. ``reference_seconds``: the work of its frames, as a machine of the gateway's own
    measured it, where its price follows that.
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
    given_back: int | None = None  # units that were found wrong later; not in lists

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.status in ENDED


@attrs.frozen
class JobList:
    """Newest first; ``count`` is how many match, not how many are here."""

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

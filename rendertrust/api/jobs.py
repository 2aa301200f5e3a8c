"""Response models for jobs and their results."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import attrs

from rendertrust.job_status import ENDED, STATUSES
from rendertrust.value_types import ABSENT, ADDED, SENT, Credits, Id, Limits

JobStatus: TypeAlias = Annotated[
    str,
    Limits(enum=STATUSES),
]
ETA_REASONS: Final = ("fewer_nodes", "more_work", "slower", "no_node")
EtaReason: TypeAlias = Annotated[str, Limits(enum=ETA_REASONS)]
JobPriority: TypeAlias = Annotated[str, Limits(enum=("low", "normal", "high"))]


@attrs.frozen
class LooseTiles:
    """Delivered ``tiles`` of frames that cannot be completed at present, and their cost.

    ``checking`` is the number of tiles that are charged only once verified. All of these tiles can
    be downloaded. Unless the job is stopped, a retry of its failed units completes these frames.
    """

    tiles: int
    checking: int
    charged: Credits


@attrs.frozen
class Placed:
    """A submitted job. ``node_id`` is null while the job waits for a node."""

    job_id: Id
    node_id: Id | None
    status: JobStatus


@attrs.frozen
class Job:
    """A job. ``price`` was held at the submission; ``charged`` is the charge less refunds.

    ``name`` is for people, and several jobs may have the same one.
    ``retry_of`` is the id of the job that this job retries. Of its ``units``, ``done`` are complete
    and ``failed`` failed for good. ``paused`` is the cause of a pause: the ``owner``, the ``cap``
    (``max_credits``), or ``stopped``: the job was stopped, and delivered units are still being
    verified. ``pool`` names the nodes that may see the job. Each unit of a job has its own result.
    ``progress``, from 0 to 1, is the part that is rendered, if known. ``verifying``: all that is
    left to do are verdicts on results.
    ``eta_seconds`` is the estimated time until the job ends; null until enough units are complete,
    and in lists; for a job of one unit, null if no preflight measured its scene. The estimate
    becomes later only for a reason, ``eta_reason``: fewer nodes work on the job (``fewer_nodes``),
    units are queued again (``more_work``), units take longer (``slower``), or no node worked on it
    for a while (``no_node``). The reason is null while the estimate is not later than before.
    ``reference_seconds`` is the work of all frames, as measured by a verifier of the gateway, if
    that work determines the price; null if the price table does.
    ``loose_tiles`` counts delivered tiles of frames that cannot be completed; null without such
    tiles, and in lists.
    ``given_back`` is the number of units that were refunded because a later check found their
    results invalid, or an admin upheld a dispute; null in lists. No unit begins before
    ``start_after``, which is left out without such a time; ``notify`` and ``webhook`` are left out
    if the job does not choose its mails or its webhook endpoint.
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
    eta_reason: EtaReason | None = None
    start_after: datetime | None = attrs.field(default=None, metadata=ABSENT)
    notify: str | None = attrs.field(default=None, metadata=ABSENT)
    webhook: str | None = attrs.field(default=None, metadata=ABSENT)
    name: str | None = attrs.field(default=None, metadata=SENT)
    node_name: str | None = attrs.field(default=None, metadata=ADDED)
    verifying: bool = attrs.field(default=False, metadata=ADDED)

    @property
    def ended(self) -> bool:
        """True if the job is in a final state."""
        return self.status in ENDED


@attrs.frozen
class JobList:
    """A page of jobs, newest first.

    ``count`` is the number of jobs that match; ``next`` is the ``after`` of the next page.
    """

    jobs: tuple[Job, ...]
    count: int
    next: Id | None = attrs.field(default=None, metadata=ADDED)


@attrs.frozen
class ResultUrl:
    """A presigned URL of a result, valid for ``expires_in`` seconds for everybody who has the URL.

    ``size`` and ``sha256`` (hex) are the values that the node reported, if any.
    """

    job_id: Id
    download_url: str = attrs.field(repr=False)
    expires_in: int
    size: int | None = attrs.field(default=None, metadata=ADDED)
    sha256: str | None = attrs.field(default=None, metadata=ADDED)

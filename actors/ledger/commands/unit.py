"""Effects on one attempt at a unit: guarded changes of its row."""

from datetime import datetime, timedelta
from uuid import UUID

import attrs

from rendertrust.error_code import REPORTED, ErrorCode
from rendertrust.receipt import IssuedReceipt


@attrs.frozen
class UnitAssign:
    """QUEUED → DISPATCHED on ``node`` with ``attempt`` (guard: it is the stored attempt + 1).

    Units of a paused job, and units whose parts are missing, are not assigned. If the unit would
    exceed the job's cap, the job is PAUSED instead, and the unit waits.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitStart:
    """DISPATCHED → RUNNING where attempt and node match; no error if already RUNNING."""

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitComplete:
    """DISPATCHED or RUNNING → COMPLETED where attempt and node match, and its hold is settled.

    The effect charges the unit's hold and, when ``verified``, pays the node's owner their share.
    ``attempt`` None: the attempt assigned to that node. ``free``: no operator is paid, so the
    creator is not charged: the price becomes 0 and the hold is released.
    """

    job: UUID
    unit: int
    attempt: int | None
    node: UUID
    result_ref: str | None
    sha256: bytes | None = None
    size: int | None = None
    verified: bool = False
    operator: str | None = None  # the account that earns: the owner's, or suspense
    share_percent: int = 70
    dispute_window: timedelta = timedelta(days=7)  # how long its earning stays pending
    receipt: IssuedReceipt | None = None
    free: bool = False


@attrs.frozen
class UnitFail:
    """A failed attempt: back to QUEUED not before ``retry_at``, or FAILED (hold released) if None.

    ``error_class``: scene, node, network, gateway or verifier. Only ``node`` counts as a failure of
    the node; in every case another node is tried next. ``error_code`` gives the cause; without one,
    ``error`` is the node's own report.

    ``caught``: the device class of a node whose false claim the session detected; it goes on the
    node's record like an invalid check. ``accused``: the device class of a node that blames the
    scene; it counts against the node if another one renders the scene. ``given_back``: the node
    returns the unit, and nothing failed. ``uncounted``: another node is tried and nothing is
    counted, because the node lacks what the unit needs, or because another node of its owner
    already had an excuse. From then on the unit ``needs_memory`` (bytes) and ``needs_opengl``,
    where given.
    """

    job: UUID
    unit: int
    attempt: int | None
    node: UUID | None
    error_class: str
    error: str
    retry_at: datetime | None = None
    caught: str | None = None
    accused: str | None = None
    given_back: bool = False
    uncounted: bool = False
    needs_memory: int = 0
    needs_opengl: bool = False
    error_code: ErrorCode = REPORTED


@attrs.frozen
class UnitRequeue:
    """DISPATCHED or RUNNING → QUEUED: the lease of ``attempt`` ended, or its node left.

    If a speculative attempt is running, it continues and nothing is queued. ``unsent``: the node
    never received the attempt, so this is no retry. ``unheard``: only if no session vouches for the
    unit by a lease. ``unsendable_to``: the node to which the unit could not be sent; another node
    is tried next and nothing is counted. ``lost_by``: a node that received the unit and lost it;
    from the second loss on, another node is tried next.
    """

    job: UUID
    unit: int
    attempt: int
    reason: str
    unsent: bool = False
    unheard: bool = False
    unsendable_to: UUID | None = None
    lost_by: UUID | None = None

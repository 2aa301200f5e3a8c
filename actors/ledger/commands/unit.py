"""What becomes of one attempt at a unit, as the Ledger is asked: guarded changes of its row."""

from datetime import datetime, timedelta
from uuid import UUID

import attrs

from rendertrust.receipt import IssuedReceipt
from sql.error_code import REPORTED, ErrorCode


@attrs.frozen
class UnitAssign:
    """QUEUED → DISPATCHED on ``node`` with ``attempt`` (guard: it is the stored attempt + 1).

    Nothing of a paused job is assigned, and nothing before all that it is made of is there. If the
    unit would pass what the job may cost, the job is PAUSED instead, and the unit waits.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitStart:
    """DISPATCHED → RUNNING where attempt and node match; RUNNING already is no fault."""

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitComplete:
    """DISPATCHED or RUNNING → COMPLETED where attempt and node match, and its hold is settled.

    Settling is part of the effect: charge the unit's hold, and when ``verified`` pay the owner of
    the node his share. ``attempt`` None: the attempt assigned to that node. ``free``: nobody is
    paid for it, so nobody is charged: it has no price from now on, and its hold is released.
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
    dispute_window: timedelta = timedelta(days=7)  # for so long what it earns is pending
    receipt: IssuedReceipt | None = None
    free: bool = False


@attrs.frozen
class UnitFail:
    """A failed attempt: back to QUEUED not before ``retry_at``, or FAILED (hold released) if None.

    ``error_class``: scene, node, network, gateway or verifier. Only ``node`` counts as the node's
    failure; whichever it is, another node is asked next. ``error_code`` says what it was; without
    one ``error`` is the node's own report. ``caught``: the session caught the node in
    a lie, working with this class of machine; that stands in its record like a check that found
    one. ``accused``: the node itself said, with this class of machine, that the scene is at fault;
    that is held against it where another renders the scene. ``given_back``: its node does not want
    it now, and nothing failed. ``uncounted``: another node is asked, and nothing is counted, as the
    node has not what the unit needs, or another of its owner's had an excuse before; from then on
    the unit ``needs_memory`` (bytes) and ``needs_opengl``, where they say so.
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
    """DISPATCHED or RUNNING → QUEUED: the lease of ``attempt`` ran out, or its node went away.

    Where another attempt is at work beside it, that one goes on, and nothing is queued. An attempt
    that is ``unsent``, as its node never had it, is no retry; what is ``unheard`` of stays where a
    session vouches for it: it has a lease. ``unsendable_to`` names the node whose connection the
    unit could not be sent over: another node is asked next, and nothing is counted against either.
    ``lost_by`` names a node that had the unit and lost it: from the second loss on, the same.
    """

    job: UUID
    unit: int
    attempt: int
    reason: str
    unsent: bool = False
    unheard: bool = False
    unsendable_to: UUID | None = None
    lost_by: UUID | None = None

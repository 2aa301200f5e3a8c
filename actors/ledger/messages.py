"""What the Ledger is asked, and what it answers.

A ``Commit`` is one all-or-nothing order of postings (money) and effects (guarded row changes of jobs
and units). Many commits share one database transaction; each gets an outcome of its own.
"""

from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref

REVENUE: Final = "revenue"
ADJUSTMENTS: Final = "adjustments"
SUSPENSE: Final = "suspense"


def user_account(user: UUID) -> str:
    return f"user:{user}"


def operator_account(user: UUID) -> str:
    return f"operator:{user}"


def work_reference(job: UUID, unit: int) -> str:
    """The reference of everything that is booked for one unit of work."""
    return f"job:{job}:{unit}"


class Ledger:
    """Marker: the address of the ledger actor."""


# ── postings: what moves money ───────────────────────────────────────────────────────────────────


@attrs.frozen
class Transfer:
    """Move ``amount`` units (> 0) from ``debit`` to ``credit``; once per (subject, kind, reference)."""

    debit: str
    credit: str
    subject: str
    amount: int
    kind: str
    reference: str
    description: str = ""


@attrs.frozen
class PlaceHold:
    """Set ``amount`` units (> 0) of ``account`` aside under ``reference``."""

    account: str
    amount: int
    reference: str


@attrs.frozen
class SettleHold:
    """Charge ``amount`` (≤ the hold) to revenue, restore the rest, and pay the share out of it.

    ``operator`` gets ``share`` units from revenue; None when nobody earns. A reference without a
    hold settles nothing: work that costs nothing has none.
    """

    reference: str
    amount: int | None = None  # None: the whole hold
    operator: str | None = None
    share_percent: int = 0  # of what is charged, rounded down
    description: str = ""


@attrs.frozen
class ReleaseHold:
    """Give a hold back whole. A reference without a hold releases nothing."""

    reference: str


Posting: TypeAlias = Transfer | PlaceHold | SettleHold | ReleaseHold


# ── effects: the closed set of changes of jobs and units ─────────────────────────────────────────


@attrs.frozen
class JobInsert:
    """A new job and its units, QUEUED, priced ``price`` units each."""

    job: UUID
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    price: int
    units: int = 1


@attrs.frozen
class UnitAssign:
    """QUEUED → DISPATCHED on ``node`` with ``attempt`` (guard: it is the stored attempt + 1)."""

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
    the node his share. ``attempt`` None: the attempt assigned to that node.
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


@attrs.frozen
class UnitFail:
    """A failed attempt: back to QUEUED not before ``retry_at``, or FAILED (hold released) if None.

    ``error_class``: scene, node, network, gateway or verifier. Only ``node`` counts as the node's
    failure and adds it to ``avoid``.
    """

    job: UUID
    unit: int
    attempt: int | None
    node: UUID | None
    error_class: str
    error: str
    retry_at: datetime | None = None


@attrs.frozen
class UnitRequeue:
    """DISPATCHED or RUNNING → QUEUED: the lease of ``attempt`` ran out, or its node went away."""

    job: UUID
    unit: int
    attempt: int
    reason: str


@attrs.frozen
class JobCancel:
    """QUEUED or DISPATCHED → CANCELLED with all its units, holds released; only by its owner."""

    job: UUID
    user: UUID


Effect: TypeAlias = (
    JobInsert | UnitAssign | UnitStart | UnitComplete | UnitFail | UnitRequeue | JobCancel
)


@attrs.frozen
class IdempotencyKey:
    """Answer a repeated request as the first one was answered: {status, body}."""

    user: UUID
    key: str
    request: bytes  # SHA-256 of what was asked
    answer: dict[str, Any]


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class UnitState:
    """What a unit is after a commit: for the Scheduler's index and the node's ack."""

    job: UUID
    unit: int
    state: str
    attempt: int
    node: UUID | None
    job_status: str


@attrs.frozen
class Booked:
    """One entry as it was written, from the view of the subject's account."""

    id: UUID
    entry_id: int
    amount: int  # signed units
    kind: str
    reference: str
    description: str
    balance_after: int
    created_at: datetime


@attrs.frozen
class Posted:
    """Done and durable. ``entries`` are those of Transfer postings, in order, of their subject."""

    entries: tuple[Booked, ...] = ()
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class Replayed:
    """It was done before: the same entries, or the answer stored under the idempotency key."""

    entries: tuple[Booked, ...] = ()
    answer: dict[str, Any] | None = None


@attrs.frozen
class ExistsWithOtherAmount:
    """The reference is taken by a transfer of another amount."""

    reference: str


@attrs.frozen
class KeyConflict:
    """The idempotency key was used for another request."""

    key: str


@attrs.frozen
class InsufficientCredits:
    available: int
    requested: int


@attrs.frozen
class HoldClosed:
    """The hold was settled or released before."""

    reference: str


@attrs.frozen
class GuardFailed:
    """An effect found its row in another state; nothing of the commit was done.

    ``found`` is the unit's state (or the job's status) as it stands, '' when there is no such row.
    """

    effect: str
    found: str
    units: tuple[UnitState, ...] = ()  # of the job in question, as they stand


Outcome: TypeAlias = (
    Posted
    | Replayed
    | ExistsWithOtherAmount
    | KeyConflict
    | InsufficientCredits
    | HoldClosed
    | GuardFailed
)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Decided(Message[Any, None]):
    """From the Ledger to a commit's ``observer``: what became of it. ``tag`` is the commit's own."""

    tag: Any
    outcome: Outcome


@attrs.frozen
class Commit(Message[Ledger, Outcome]):
    """From anyone: do all of it or nothing. The observer is told after the asker is answered."""

    postings: tuple[Posting, ...] = ()
    effects: tuple[Effect, ...] = ()
    idempotency: IdempotencyKey | None = None
    observer: Ref[Any] | None = None
    tag: Any = None


@attrs.frozen
class Lease:
    job: UUID
    unit: int
    attempt: int
    node: UUID
    until: datetime


@attrs.frozen
class RenewLeases(Message[Ledger, int]):
    """From a NodeSession: the node still works on these; answered by how many were renewed."""

    leases: tuple[Lease, ...]

"""Messages of the Ledger, and their outcomes.

A ``Commit`` is an all-or-nothing order of postings (money) and effects (guarded changes of rows, a
closed set). Many commits share one database transaction; each gets a separate outcome.

``lock_set`` says which rows each order locks, ``commands`` what each effect does, ``postings`` what
transfers and holds do. Effects of verifiers and on operators' money are declared with the messages
of the actors that send them.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.paymaster.messages import OperatorEffect
from actors.verifier.messages import CheckEffect
from rendertrust.error_code import REPORTED, ErrorCode
from rendertrust.receipt import IssuedReceipt as IssuedReceipt  # noqa: PLC0414
from sql.audit import Act
from sql.job_plan import JobPlan
from sql.units import Lease as Lease  # noqa: PLC0414 - part of what this module offers

REVENUE: Final = "revenue"
ADJUSTMENTS: Final = "adjustments"
SUSPENSE: Final = "suspense"
PURCHASES: Final = "purchases"
DISPUTES: Final = "disputes"
PAYOUTS: Final = "payouts"


def user_account(user: UUID) -> str:
    return f"user:{user}"


def operator_account(user: UUID) -> str:
    return f"operator:{user}"


def debt_account(user: UUID) -> str:
    """Return the name of the account for a user's debt, which is a balance below zero."""
    return f"debt:{user}"


def work_reference(job: UUID, unit: int) -> str:
    """Return the reference of everything that is booked for one unit."""
    return f"job:{job}:{unit}"


class Ledger:
    """Marker: the address of the ledger actor."""


# ── postings: transfers and holds ────────────────────────────────────────────────────────────────


@attrs.frozen
class Transfer:
    """Move ``amount`` units (> 0) from ``debit`` to ``credit``.

    At most once per (subject, kind, reference); ``subject`` is one of the two sides. ``kind``:
    STRIPE, USAGE, ADJUSTMENT, REFUND, EARNING, DEDUCTION, CLAIM, REVERSAL, FINE or PAYOUT.
    """

    debit: str
    credit: str
    subject: str
    amount: int
    kind: str
    reference: str
    description: str = ""
    receipt: bytes | None = None  # the hash of the paid receipt


@attrs.frozen
class PlaceHold:
    """Set ``amount`` units (> 0) of ``account`` aside under ``reference``."""

    account: str
    amount: int
    reference: str


@attrs.frozen
class SettleHold:
    """Charge ``amount`` (≤ the hold) to revenue, release the rest, and pay the share from revenue.

    ``operator``: the account that gets the share; None if there is no share. If there is no hold of
    this reference, nothing is settled: free work has none. ``receipt``: the hash of the paid
    receipt.
    """

    reference: str
    amount: int | None = None  # None: the whole hold
    operator: str | None = None
    share_percent: int = 0  # of the charge, rounded down
    description: str = ""
    receipt: bytes | None = None


@attrs.frozen
class HoldUnits:
    """Set ``amounts`` of ``account`` aside for the units of a job, by number; 0 needs no hold.

    All or nothing: ``InsufficientCredits`` states the sum.
    """

    account: str
    job: UUID
    amounts: tuple[int, ...]

    @property
    def by_reference(self) -> dict[str, int]:
        return {work_reference(self.job, n): a for n, a in enumerate(self.amounts) if a > 0}


@attrs.frozen
class ReleaseHold:
    """Release a whole hold. If there is no hold of this reference, nothing is released."""

    reference: str


Posting: TypeAlias = Transfer | PlaceHold | HoldUnits | SettleHold | ReleaseHold


# ── effects on jobs and units that creators ask for ──────────────────────────────────────────────


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

    For a frame in tiles, all its FAILED tiles are queued again, too.
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


# ── effects on attempts at units ─────────────────────────────────────────────────────────────────


@attrs.frozen
class UnitAssign:
    """QUEUED → DISPATCHED on ``node`` with ``attempt`` (guard: it is the stored attempt + 1).

    Units of a paused job, and units whose input units are not complete, are not assigned. If the
    unit would exceed the job's cap, the job is PAUSED instead, and the unit waits.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitStart:
    """DISPATCHED → RUNNING if attempt and node match; no error if already RUNNING."""

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitComplete:
    """DISPATCHED or RUNNING → COMPLETED if attempt and node match; its hold is settled.

    The effect charges the unit's hold and, if ``verified``, pays the node's owner their share.
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

    ``caught``: the device class of a node whose false claim the session detected; it counts like an
    invalid result. ``accused``: the device class of a node that blames the scene; it counts against
    the node if another node renders the scene. ``given_back``: the node returns the unit, and
    nothing failed. ``uncounted``: another node is tried and nothing is counted, because the node
    lacks what the unit needs, or because another node of its owner already had an excuse. From then
    on the unit ``needs_memory`` (bytes) and ``needs_opengl``, if given.
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
    never received the attempt, so this is no retry. ``unheard``: only if no session has taken a
    lease for the unit. ``unsendable_to``: the node to which the unit could not be sent; another
    node is tried next and nothing is counted. ``lost_by``: a node that received the unit and lost
    it; from the second loss on, another node is tried next.
    """

    job: UUID
    unit: int
    attempt: int
    reason: str
    unsent: bool = False
    unheard: bool = False
    unsendable_to: UUID | None = None
    lost_by: UUID | None = None


# ── effects on purchases, sent by the checkout and the Stripe webhook ────────────────────────────

SessionState: TypeAlias = Literal["paid", "unpaid", "failed", "expired"]
ReversalKind: TypeAlias = Literal["CHARGE", "REFUND", "DISPUTE"]
ReversalState: TypeAlias = Literal["PENDING", "COUNTS", "VOID"]


@attrs.frozen
class PurchaseOpen:
    """From the checkout: a user begins a purchase on these terms; nothing is credited yet.

    ``units`` are credits; ``amount`` is money, in the currency's smallest unit.
    """

    purchase: UUID
    user: UUID
    sku: str
    units: int
    amount: int
    currency: str


@attrs.frozen
class PurchaseSession:
    """From the checkout: the Stripe session of an open purchase and its payment page."""

    purchase: UUID
    session: str
    url: str = attrs.field(repr=False)


@attrs.frozen
class SessionFact:
    """The outcome of a Stripe session; its purchase is found by id, or else by the session's id."""

    session: str
    purchase: UUID | None
    state: SessionState
    amount: int | None = None
    currency: str | None = None
    payment_intent: str | None = None


@attrs.frozen
class ReversalFact:
    """A refund or dispute, or its reversal, for the purchase with this payment intent.

    ``amount`` is the total of the object ``id``, never the change by this event.
    """

    id: str
    kind: ReversalKind
    payment_intent: str
    amount: int
    currency: str
    state: ReversalState


@attrs.frozen
class StripeEvent:
    """From the webhook: an event signed by Stripe; without a fact it is only recorded."""

    event: str
    type: str
    object: str
    fact: SessionFact | ReversalFact | None = None


PurchaseEffect: TypeAlias = PurchaseOpen | PurchaseSession | StripeEvent


# ── all effects ──────────────────────────────────────────────────────────────────────────────────

WorkEffect: TypeAlias = (
    JobInsert | UnitAssign | UnitCopy | UnitStart | UnitComplete | UnitFail | UnitRequeue | OfJob
)
Effect: TypeAlias = WorkEffect | OperatorEffect | PurchaseEffect | CheckEffect


@attrs.frozen
class IdempotencyKey:
    """Answer a repeated request with the first answer: {status, body}."""

    user: UUID
    key: str
    request: bytes  # SHA-256 of the request
    answer: dict[str, Any]


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class UnitState:
    """The state of a unit after a commit, for the Scheduler's index and the node's ack.

    ``copied``: the newest speculative attempt; ``copy_node``: the node that still runs it;
    ``answered``: it delivered and waits for its verdict. ``unsendable_to``: the number of nodes
    that it could not be sent to.
    """

    job: UUID
    unit: int
    state: str
    attempt: int
    node: UUID | None
    job_status: str
    copied: int = 0
    copy_node: UUID | None = None
    answered: bool = False
    unsendable_to: int = 0


@attrs.frozen
class Booked:
    """One entry as written, as seen from the subject's account."""

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
    """Committed: something changed.

    ``entries``: the subjects' entries of Transfer postings, in order. ``units``: the units that the
    effects named, in order, as they are now.
    """

    entries: tuple[Booked, ...] = ()
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class Replayed:
    """Everything was done before: the same entries, and the units as they are now.

    ``answer``: the answer stored under the idempotency key, None without a key.
    """

    entries: tuple[Booked, ...] = ()
    answer: dict[str, Any] | None = None
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class ExistsWithOtherAmount:
    """The reference belongs to a transfer or hold with another amount or other accounts."""

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
    """The hold has already been settled or released."""

    reference: str


@attrs.frozen
class GuardFailed:
    """An effect found its row in another state; nothing was committed.

    ``effect`` names its class. ``found`` is the present state of the unit (or status of the job),
    '' if there is no such row. ``effect`` 'Commit' means that the database refused the data, which
    is a bug of the sender; ``found`` then says what was refused.
    """

    effect: str
    found: str
    units: tuple[UnitState, ...] = ()  # units named up to it, in their present states


@attrs.frozen
class LedgerUnavailable:
    """The database is down, or (to observers) the Ledger crashed: nothing was done, or all of it.

    Repeating the commit with the same references and ids is safe.
    """


Outcome: TypeAlias = (
    Posted
    | Replayed
    | ExistsWithOtherAmount
    | KeyConflict
    | InsufficientCredits
    | HoldClosed
    | GuardFailed
    | LedgerUnavailable
)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Decided(Message[Any, None]):
    """From the Ledger to a commit's ``observer``: the outcome, with the commit's ``tag``."""

    tag: Any
    outcome: Outcome


@attrs.frozen
class Commit(Message[Ledger, Outcome]):
    """From any actor or the web: do all of it or nothing.

    Effects first, then postings, each in order. The observer receives the outcome, too, even if
    nothing asked for it. Repeating a commit is safe: what was done before is found (by job id,
    reference, attempt and node), and if everything was, the outcome is ``Replayed``.

    ``act``: an admin's action, recorded in the same transaction if anything changes.
    """

    postings: tuple[Posting, ...] = ()
    effects: tuple[Effect, ...] = ()
    idempotency: IdempotencyKey | None = None
    observer: Ref[Any] | None = None
    tag: Any = None
    act: Act | None = None


@attrs.frozen
class IsAccepting(Message[Ledger, bool]):
    """From the web: can a commit be written now?

    Probes the database if there was no recent outcome.
    """


@attrs.frozen
class RenewLeases(Message[Ledger, int]):
    """From a NodeSession: its node still works on these units.

    Returns the number of renewed leases. A lease whose attempt or node no longer matches is not
    renewed. 0 while the database is down.
    """

    leases: tuple[Lease, ...]

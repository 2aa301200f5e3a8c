"""Messages of the Ledger, and their outcomes.

A ``Commit`` contains postings (changes of money) and effects (guarded changes of rows), which are
made all or none. Many commits share one database transaction; each gets a separate outcome.

``lock_set`` collects the rows that a commit locks, ``commands`` applies effects, ``postings``
applies transfers and holds. Verdicts and effects on operators' money are declared with the
messages of the actors that send them.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.paymaster.messages import OperatorEffect
from actors.verifier.messages import UnitVerdict
from rendertrust.receipt import IssuedReceipt as IssuedReceipt  # noqa: PLC0414
from rendertrust.unit_error_code import REPORTED, ErrorCode
from sql.audit_log import Act
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
    """Return the reference under which holds and transfers for one unit are booked."""
    return f"job:{job}:{unit}"


class Ledger:
    """Marker: the address of the ledger actor."""


# ── postings: transfers and holds ────────────────────────────────────────────────────────────────


@attrs.frozen
class Transfer:
    """Move ``amount`` (> 0, in 1/10,000 credits) from account ``debit`` to account ``credit``.

    A transfer is made at most once per (subject, kind, reference); ``subject`` is one of the two
    accounts. ``kind``: STRIPE, USAGE, ADJUSTMENT, REFUND, EARNING, DEDUCTION, CLAIM, REVERSAL, FINE
    or PAYOUT.
    """

    debit: str
    credit: str
    subject: str
    amount: int
    kind: str
    reference: str
    description: str = ""
    receipt: bytes | None = None  # the hash of the receipt that the transfer pays


@attrs.frozen
class PlaceHold:
    """Set ``amount`` (> 0, in 1/10,000 credits) of ``account`` aside under ``reference``."""

    account: str
    amount: int
    reference: str


@attrs.frozen
class SettleHold:
    """Charge a whole hold to revenue, and pay the operator's share.

    ``operator``: the account that gets the share from revenue; None: no share is paid. If no hold
    has this reference, nothing is settled: free work has none. ``receipt``: the hash of the receipt
    for the charge.
    """

    reference: str
    operator: str | None = None
    share_percent: int = 0  # of the charge, rounded down
    description: str = ""
    receipt: bytes | None = None


@attrs.frozen
class ReleaseHold:
    """Release a whole hold. If no hold has this reference, nothing is released."""

    reference: str


Posting: TypeAlias = Transfer | PlaceHold | SettleHold | ReleaseHold


# ── effects on jobs and units that creators ask for ──────────────────────────────────────────────


@attrs.frozen
class JobInsert:
    """Insert a QUEUED job and the units of its ``plan``, and hold the price of each unit.

    ``InsufficientCredits`` states the sum of the prices. The outcome of the commit contains only
    the first unit. ``price_number``: the row of the price table.
    ``retry_of``: an ended job that this one repeats. A job is repeated at most once, so the new id
    must be derived from the old one.
    """

    job: UUID
    user: UUID
    plan: JobPlan = attrs.field(repr=False)
    price_number: int | None = None
    retry_of: UUID | None = None

    @property
    def is_many(self) -> bool:
        """True if the job has several units."""
        return len(self.plan.units) > 1

    @property
    def is_free(self) -> bool:
        """True if the job costs nothing, so that no credits are held for it."""
        return not self.plan.price


@attrs.frozen
class JobCancel:
    """Cancel a QUEUED or DISPATCHED job and all its units, and release their holds.

    A PAUSED job can be cancelled too, if none of its units ever ran. Guard: ``user`` owns the job.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobStop:
    """Stop an open job: cancel its open units and release their holds.

    Completed units stay, and stay paid. While delivered units wait for their verdicts, the job is
    PAUSED; afterwards it is CANCELLED. Guard: ``user`` owns the job.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobPause:
    """Pause an open job: no unit starts; running units finish. Guard: ``user`` owns the job."""

    job: UUID
    user: UUID


@attrs.frozen
class JobResume:
    """Resume a PAUSED job. Guard: ``user`` owns the job.

    Refused if its next unit would exceed the cap (``GuardFailed`` with ``found`` 'CAP').
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobChange:
    """Change the priority or the cap of an open job; None: unchanged. Guard: ``user`` owns it.

    ``uncapped``: remove the cap. A cap below the prices of units that are complete or assigned is
    refused (``GuardFailed`` with ``found`` 'CAP').
    """

    job: UUID
    user: UUID
    priority: int | None = None
    cap: int | None = None
    uncapped: bool = False

    @property
    def of_cap(self) -> bool:
        """True if the effect changes or removes the cap."""
        return self.uncapped or self.cap is not None


@attrs.frozen
class UnitRetry:
    """Queue a FAILED unit again and hold its price again, unless the job was cancelled.

    For a frame in tiles, all its FAILED tiles are queued again, too. Guard: ``user`` owns the job.
    """

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class UnitCopy:
    """Assign a speculative ``attempt`` at a unit to ``node``, in addition to attempt ``beside``.

    Guards: attempt ``beside`` is at another node and has no copy, the job is not paused, and
    ``attempt`` was never assigned. The first attempt that completes counts; the other is discarded.
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
    """Assign a QUEUED unit to ``node``. Guard: ``attempt`` is one more than the last attempt.

    Units of a paused job, and units assembled from others that are not complete, are not assigned.
    If the unit would exceed the job's cap, the job is PAUSED instead, and the unit waits.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitStart:
    """Mark a DISPATCHED unit as RUNNING, if attempt and node match; no error if it is RUNNING."""

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitComplete:
    """Complete a DISPATCHED or RUNNING unit and charge its hold, if attempt and node match.

    If ``verified``, the node's owner is paid their share. ``free``: no operator is paid, so the
    creator is not charged: the price becomes 0 and the hold is released.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    result_ref: str | None
    sha256: bytes | None = None
    size: int | None = None
    verified: bool = False
    operator: str | None = None  # the account that earns: the owner's, or suspense
    share_percent: int = 70
    dispute_window: timedelta = timedelta(days=7)  # how long the operator's share stays pending
    receipt: IssuedReceipt | None = None
    free: bool = False


@attrs.frozen
class UnitDeliver:
    """From a NodeSession. DISPATCHED or RUNNING → VERIFYING if attempt and node match.

    The delivery is recorded; nothing is charged or paid yet. ``result``: the effect of a valid
    verdict. ``work``: the work record that the node signed, canonical. ``draw``: a number from 0 up
    to 1; the result is compared if it is below the ``odds``, which depend on the node's record, or
    below the odds at which the operator's pending shares cover a fine.
    """

    result: UnitComplete
    device_class: str
    work: str | None = attrs.field(default=None, repr=False)
    node_signature: str | None = attrs.field(default=None, repr=False)
    evidence_sha256: bytes | None = None
    evidence_size: int | None = None
    draw: float | None = None
    odds: float = 1.0

    @property
    def job(self) -> UUID:
        return self.result.job

    @property
    def unit(self) -> int:
        return self.result.unit

    @property
    def attempt(self) -> int:
        return self.result.attempt

    @property
    def node(self) -> UUID:
        return self.result.node


CheckEffect: TypeAlias = UnitDeliver | UnitVerdict


@attrs.frozen
class UnitFail:
    """End a failed attempt: requeue the unit, which waits until ``retry_at``, or fail the unit.

    ``retry_at`` None: the unit is FAILED and its hold is released. ``error_class``: scene, node,
    network, gateway or verifier. Only ``node`` counts as a failure of the node; in every case
    another node is tried next. ``error_code`` gives the cause; REPORTED: ``error`` is the node's
    report.

    ``caught``: the device class of a node whose false claim the session detected; the claim counts
    like an invalid result. ``accused``: the device class of a node that blames the scene; the
    report counts against the node if another node renders the scene. ``given_back``: the node
    returns the unit without a failure. ``uncounted``: another node is tried and no failure is
    counted, because the node lacks what the unit needs, or because another node of its owner
    already failed the unit with an excuse. ``needs_memory`` (bytes) and ``needs_opengl`` raise the
    unit's requirements.
    """

    job: UUID
    unit: int
    attempt: int
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
    """Requeue a DISPATCHED or RUNNING unit: the lease of ``attempt`` ended, or its node left.

    If the unit has another attempt, that one continues and nothing is queued. ``unsent``: the node
    never received the attempt, so a new one is no retry. ``unheard``: requeue only if no session
    has taken a lease for the unit. ``unsendable_to``: a node to which the unit could not be sent;
    another node is tried next and no failure is counted. ``lost_by``: a node that received the unit
    and lost it; from the second loss on, another node is tried next.
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

    ``units`` are 1/10,000 credits; ``amount`` is money, in the currency's smallest unit.
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
    """The outcome of a Stripe session; ``purchase`` None: ``session`` identifies the purchase."""

    session: str
    purchase: UUID | None
    state: SessionState
    amount: int | None = None
    currency: str | None = None
    payment_intent: str | None = None


@attrs.frozen
class ReversalFact:
    """A refund or dispute, or its reversal, for the purchase with this payment intent.

    ``amount`` is the total of the Stripe object ``id``, never the change by this event.
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
    ``answered``: the speculative attempt delivered and waits for its verdict. ``unsendable_to``:
    the number of nodes to which the unit could not be sent.
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
    """The entry of a posted transfer in its subject's account."""

    id: UUID
    entry_id: int
    amount: int  # in 1/10,000 credits; negative for a debit
    kind: str
    reference: str
    description: str
    balance_after: int
    created_at: datetime


@attrs.frozen
class Posted:
    """The commit was written and changed something.

    ``entries``: for each ``Transfer``, its subject's entry. ``units``: the present states of the
    units that the effects touched, in order.
    """

    entries: tuple[Booked, ...] = ()
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class Replayed:
    """The same commit was written before: its entries, and the present states of its units.

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
    """An effect's guard failed: its row was in another state. Nothing was committed.

    ``effect``: the name of its class. ``found``: the present state of the unit (or status of the
    job), '' if there is no such row. ``effect`` 'Commit': the database refused the data, because of
    a bug of the sender; ``found`` is then its message.
    """

    effect: str
    found: str
    units: tuple[UnitState, ...] = ()  # states of the units touched up to this effect


@attrs.frozen
class LedgerUnavailable:
    """The database is down, or the Ledger crashed (reported to observers only).

    The commit was written completely or not at all. Repeating it with the same references and ids
    is safe.
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
    """From any actor or the web: apply all effects and postings, or none.

    Effects are applied first, then postings, each in order. The observer receives the outcome, also
    if the commit was told, not asked. Repeating a commit is safe: changes that were made before are
    recognised by job id, reference, attempt and node; if all were, the outcome is ``Replayed``.

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
    """From the web: ask whether commits can be written now.

    The Ledger probes the database if there was no recent batch or probe.
    """


@attrs.frozen
class RenewLeases(Message[Ledger, int]):
    """From a NodeSession: its node still works on these units.

    The answer is the number of renewed leases; 0 while the database is down. A lease is not renewed
    if the unit has another attempt or node by now.
    """

    leases: tuple[Lease, ...]

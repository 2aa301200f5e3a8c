"""Transfers and effects: everything that a ``Commit`` can contain. Only the Ledger applies them.

A transfer moves money between two accounts. An effect is a guarded change of rows, and of the money
and holds that belong to them. Each effect on a delivery, a verdict, an earning or a purchase names
its sender.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from rendertrust.comparison_method import ComparisonMethod
from rendertrust.receipt import IssuedReceipt
from rendertrust.unit_error_code import REPORTED, ErrorCode
from rendertrust.verdict_reason import VerdictReason
from sql.checks import CheckRow, DeliveredResult
from sql.earnings import GivenComparison
from sql.job_plan import JobPlan

# ── transfers ─────────────────────────────────────────────────────────────────────────────────────


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


# ── jobs and units, as their creators ask ─────────────────────────────────────────────────────────


@attrs.frozen
class JobInsert:
    """Insert a QUEUED job and the units of its ``plan``, and hold the price of each unit.

    Guard: the user is not deleted (``GuardFailed`` with ``found`` ACCOUNT_CLOSED); so for
    ``UnitRetry`` and ``PurchaseOpen``.

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
    PAUSED. Then it is CANCELLED, if a unit was cancelled. Guard: ``user`` owns the job.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobPause:
    """Pause an open job: no further unit is assigned. Guard: ``user`` owns the job."""

    job: UUID
    user: UUID


@attrs.frozen
class JobResume:
    """Resume a PAUSED job. Guard: ``user`` owns the job.

    Refused if its next unit would exceed the cap (``GuardFailed`` with ``found`` AT_CAP).
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobChange:
    """Change the priority or the cap of an open job; None: unchanged. Guard: ``user`` owns it.

    ``uncapped``: remove the cap. A cap below the prices of units that are complete or assigned is
    refused (``GuardFailed`` with ``found`` AT_CAP).
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
    """Queue a FAILED unit again and hold its price again, unless the job was cancelled or stopped.

    All FAILED units of a frame in tiles are queued together. Guard: ``user`` owns the job.
    """

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class UnitCopy:
    """Assign a speculative ``attempt`` at a unit to ``node``, in addition to attempt ``beside``.

    Guards: attempt ``beside`` is at another node and is the only one, the job is not paused, and
    ``attempt`` was never assigned. The first attempt that completes counts; the other is discarded.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    beside: int


OfJob: TypeAlias = JobCancel | JobStop | JobPause | JobResume | JobChange | UnitRetry


# ── attempts at units ─────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class UnitAssign:
    """Assign a QUEUED unit to ``node``. Guard: ``attempt`` is one more than the last attempt.

    Units of a paused job, and units assembled from others that are not complete, are not assigned;
    free units are, if the job is paused at its cap. If the unit would exceed the job's cap, the job
    is PAUSED instead, and the unit waits.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen
class UnitStart:
    """Mark a DISPATCHED unit as RUNNING, if attempt and node match.

    No error if the attempt has started, or been delivered, before.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID


@attrs.frozen(kw_only=True)
class UnitComplete(DeliveredResult):
    """Complete a DISPATCHED or RUNNING unit and charge its hold, if attempt and node match.

    If ``verified``, the node's owner is paid their share. ``free``: no operator is paid, so the
    creator is not charged: the price becomes 0 and the hold is released. ``vram_used``: the
    graphics memory that the node measured, in bytes; 0: none, or its word does not count.
    """

    receipt: IssuedReceipt | None = None
    free: bool = False
    vram_used: int = 0


@attrs.frozen
class UnitDeliver:
    """From a NodeSession. DISPATCHED or RUNNING → VERIFYING if attempt and node match.

    The delivery is recorded; nothing is charged or paid yet. ``work``: the work record that the
    node signed, canonical. ``draw``: a number from 0 up to 1; the result is compared if it is below
    the ``odds``, which depend on the node's record, or below the odds at which the operator's
    pending shares cover a fine. ``vram_used``: as in UnitComplete.
    """

    result: DeliveredResult
    device_class: str
    work: str | None = attrs.field(default=None, repr=False)
    node_signature: str | None = attrs.field(default=None, repr=False)
    evidence_sha256: bytes | None = None
    evidence_size: int | None = None
    draw: float | None = None
    odds: float = 1.0
    vram_used: int = 0

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


@attrs.frozen
class UnitFail:
    """End a failed attempt: requeue the unit, which waits until ``retry_at``, or fail the unit.

    ``retry_at`` None: the unit is FAILED and its hold is released. ``error_class``: scene, node,
    network, gateway or verifier. Only the class node counts as a failure of the node. Unless the
    unit was ``returned``, another node is tried next. ``error_code`` gives the cause; REPORTED:
    ``error`` is the node's report.

    ``caught``: the device class of a node whose false claim the session detected; the claim counts
    like an invalid result. ``accused``: the device class of a node that blames the scene; the
    report counts against the node if another node renders the scene. ``returned``: the node
    returns the unit without a failure. ``uncounted``: another node is tried and no failure is
    counted, because the node lacks what the unit needs. ``needs_memory`` and ``needs_vram`` (in
    bytes), ``needs_opengl`` and ``needs_scripts`` raise the unit's requirements.
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
    returned: bool = False
    uncounted: bool = False
    needs_memory: int = 0
    needs_opengl: bool = False
    needs_vram: int = 0
    needs_scripts: bool = False
    error_code: ErrorCode = REPORTED


@attrs.frozen
class UnitRequeue:
    """Requeue a DISPATCHED or RUNNING unit: the lease of ``attempt`` ended, or its node left.

    If the unit has another attempt, that one continues and nothing is queued. ``unsent``: the node
    never received the attempt, so a new one is no retry. ``unheard``: requeue only if no session
    has taken a lease for the unit. ``unsendable_to``: a node to which the unit could not be sent;
    another node is tried next and no failure is counted. ``lost_by``: a node that received the unit
    and lost it; if this was not the first try, another node is tried next.
    """

    job: UUID
    unit: int
    attempt: int
    reason: str
    unsent: bool = False
    unheard: bool = False
    unsendable_to: UUID | None = None
    lost_by: UUID | None = None


# ── verdicts ──────────────────────────────────────────────────────────────────────────────────────

# Outcomes of a result. ``exact`` and ``consistent``: compared with the scene; ``sampled-out``: only
# opened; ``unverified``: not checked; ``unverifiable``: checks did not decide.
VerdictOutcome: TypeAlias = Literal[
    "exact", "consistent", "sampled-out", "unverified", "unverifiable", "invalid"
]
COMPARED: Final = ("exact", "consistent")


@attrs.frozen
class Comparison:
    """Scope and result of a comparison of a result with the verifier's render.

    ``compared``: regions of the frame, the whole frame, or what a plugin checks. ``remade``: the
    picture was also rebuilt from the evidence and compared. ``distance``: the largest difference,
    in multiples of the noise; None if unknown. ``loose``: honest frames of the scene may differ.
    """

    compared: Literal["regions", "whole", "plugin"]
    remade: bool
    distance: float | None
    loose: bool = False


@attrs.frozen
class UnitVerdict:
    """From the Verifier. VERIFYING → COMPLETED, and the hold is settled.

    If the ``outcome`` is ``invalid``, the attempt is a failure of its node, which is not paid:
    VERIFYING → QUEUED, or FAILED without ``retry_at``.

    ``operator``: the account that the delivery named. ``reason``: why the result is
    ``unverifiable`` or ``unverified``. ``method``: how it was compared, if not with the same seeds.
    ``pays``: the share of such a result is paid. ``verifier``: the last verifier, of
    ``verifier_class``. ``comparison``: the last comparison, if there was one.
    ``strike``: the invalid result counts against its node. ``fine``: the penalty in addition to the
    lost pay; pending shares of the operator are forfeited, newest first, until it is covered.
    ``withdrawn``: the scene is at fault, so no invalid result of the unit is a strike, and fines
    for them are returned.
    """

    job: UUID
    unit: int
    attempt: int
    outcome: VerdictOutcome
    said: str = ""
    verifier: UUID | None = None
    operator: str | None = None
    pays: bool = True
    receipt: IssuedReceipt | None = None
    retry_at: datetime | None = None
    strike: bool = False
    fine: int = 0
    withdrawn: bool = False
    verifier_class: str | None = None
    comparison: Comparison | None = None
    reason: VerdictReason | None = None
    method: ComparisonMethod | None = None


def earns(row: CheckRow, outcome: VerdictOutcome, *, pays: bool) -> bool:
    """Return True if an operator is paid for the result."""
    is_open = outcome in ("unverifiable", "unverified")
    return row.verified and outcome != "invalid" and (pays or not is_open)


def costs(row: CheckRow, outcome: VerdictOutcome, *, pays: bool) -> bool:
    """Return True if the creator is charged.

    Creators pay whenever an operator is paid, and for ``unverified`` work in any case.
    """
    return outcome == "unverified" or earns(row, outcome, pays=pays)


CheckEffect: TypeAlias = UnitDeliver | UnitVerdict


# ── earnings, disputes and payouts of operators ───────────────────────────────────────────────────

PayoutKind: TypeAlias = Literal["CREDITS", "MONEY"]


@attrs.frozen
class EarningMature:
    """From the Paymaster: a share becomes payable. PENDING → PAYABLE.

    Guards: the share's dispute window is over, no dispute is open, and all deliveries of the
    operator from before the end of the window have their verdicts, or have waited for 30 days.
    """

    job: UUID
    unit: int


@attrs.frozen
class EarningClaim:
    """From the Paymaster: a share moves from suspense to ``owner``, the node's present owner."""

    job: UUID
    unit: int
    owner: UUID


@attrs.frozen
class DisputeOpen:
    """From the web or the Verifier: the creator or the gateway disputes the charge of a unit.

    A second dispute of a unit is accepted only after a rejected one of the other side. A creator's
    dispute must be opened within the window of the share or, without a share, within ``window``
    after the unit's end; the gateway's, before the share is payable. ``by_gateway``: from the
    Verifier, because the node, or another node of its owner, delivered an invalid result and this
    unit was not fully compared. ``comparison``: the creator's comparison with their own render; a
    check then decides the dispute.
    """

    id: UUID
    job: UUID
    unit: int
    user: UUID
    reason: str
    window: timedelta
    by_gateway: bool = False
    comparison: GivenComparison | None = None


@attrs.frozen
class DisputeDecide:
    """From the web, for an admin, or from the Verifier. OPEN → UPHELD or REJECTED.

    UPHELD: the charge is refunded and the share is reversed. REJECTED: the share is PAYABLE once
    its dispute window is over. ``verdict``: if a check found the result invalid, the verdict of
    that check. That verdict replaces the earlier verdict, with strike and fine.
    """

    job: UUID
    unit: int
    creator: UUID
    upheld: bool
    reason: str
    verdict: UnitVerdict | None = None


@attrs.frozen
class PayoutTake:
    """From the web or the Paymaster: pay an operator at most SHARES_MOST of their payable shares.

    CREDITS are available at once. MONEY is requested: the shares stay PAYABLE and are reserved for
    the payout. ``minimum``: the least sum, unless SHARES_MOST shares are paid.
    """

    id: UUID
    operator: UUID
    kind: PayoutKind
    minimum: int = 0


@attrs.frozen
class PayoutApprove:
    """From the web, for an admin: approve a payout in a batch. REQUESTED → APPROVED."""

    id: UUID
    batch: UUID


@attrs.frozen
class PayoutReject:
    """From the web, for an admin: reject a payout and free its shares. REQUESTED → REJECTED.

    APPROVED → REJECTED only with ``not_paid``, as the money may be about to be sent. With
    ``not_paid`` an admin confirms that the money was not sent, or was returned.
    """

    id: UUID
    not_paid: bool = False


@attrs.frozen
class PayoutPay:
    """From the web, for an admin: the money was sent under ``reference``. APPROVED → PAID.

    A payout that is PAID under another reference does not change.
    """

    id: UUID
    reference: str


OfUnit: TypeAlias = EarningMature | EarningClaim | DisputeOpen | DisputeDecide
OfPayout: TypeAlias = PayoutTake | PayoutApprove | PayoutReject | PayoutPay
OperatorEffect: TypeAlias = OfUnit | OfPayout


# ── purchases, sent by the checkout and the Stripe webhook ────────────────────────────────────────

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


# ── all effects ───────────────────────────────────────────────────────────────────────────────────

WorkEffect: TypeAlias = (
    JobInsert | UnitAssign | UnitCopy | UnitStart | UnitComplete | UnitFail | UnitRequeue | OfJob
)
Effect: TypeAlias = WorkEffect | OperatorEffect | PurchaseEffect | CheckEffect

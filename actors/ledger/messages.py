"""What the Ledger is asked, and what it answers.

A ``Commit`` is one all-or-nothing order of postings (money) and effects (guarded row changes of
jobs and units). Many commits share one database transaction; each gets an outcome of its own.
"""

from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.ledger.commands.job import JobCancel as JobCancel  # noqa: PLC0414 - and of jobs
from actors.ledger.commands.job import JobChange as JobChange  # noqa: PLC0414
from actors.ledger.commands.job import JobInsert as JobInsert  # noqa: PLC0414
from actors.ledger.commands.job import JobPause as JobPause  # noqa: PLC0414
from actors.ledger.commands.job import JobResume as JobResume  # noqa: PLC0414
from actors.ledger.commands.job import JobStop as JobStop  # noqa: PLC0414
from actors.ledger.commands.job import NewUnit as NewUnit  # noqa: PLC0414
from actors.ledger.commands.job import OfJob as OfJob  # noqa: PLC0414
from actors.ledger.commands.job import UnitCopy as UnitCopy  # noqa: PLC0414
from actors.ledger.commands.job import UnitRetry as UnitRetry  # noqa: PLC0414
from actors.ledger.commands.payment import PurchaseEffect as PurchaseEffect  # noqa: PLC0414 - and of these
from actors.ledger.commands.payment import PurchaseOpen as PurchaseOpen  # noqa: PLC0414
from actors.ledger.commands.payment import PurchaseSession as PurchaseSession  # noqa: PLC0414
from actors.ledger.commands.payment import ReversalFact as ReversalFact  # noqa: PLC0414
from actors.ledger.commands.payment import SessionFact as SessionFact  # noqa: PLC0414
from actors.ledger.commands.payment import StripeEvent as StripeEvent  # noqa: PLC0414
from actors.ledger.commands.unit import UnitAssign as UnitAssign  # noqa: PLC0414 - and of attempts
from actors.ledger.commands.unit import UnitComplete as UnitComplete  # noqa: PLC0414
from actors.ledger.commands.unit import UnitFail as UnitFail  # noqa: PLC0414
from actors.ledger.commands.unit import UnitRequeue as UnitRequeue  # noqa: PLC0414
from actors.ledger.commands.unit import UnitStart as UnitStart  # noqa: PLC0414
from actors.paymaster.messages import OperatorEffect
from actors.verifier.messages import CheckEffect
from rendertrust.receipt import IssuedReceipt as IssuedReceipt  # noqa: PLC0414
from sql.audit import Act
from sql.scheduler_rows import Lease as Lease  # noqa: PLC0414 - part of what this module offers

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
    """What a user owes stands there, below zero."""
    return f"debt:{user}"


def work_reference(job: UUID, unit: int) -> str:
    """The reference of everything that is booked for one unit of work."""
    return f"job:{job}:{unit}"


class Ledger:
    """Marker: the address of the ledger actor."""


# ── postings: what moves money ───────────────────────────────────────────────────────────────────


@attrs.frozen
class Transfer:
    """Move ``amount`` units (> 0) from ``debit`` to ``credit``.

    Once per (subject, kind, reference); ``subject`` is one of the two sides. ``kind``: STRIPE,
    USAGE, ADJUSTMENT, REFUND, EARNING, DEDUCTION, CLAIM, REVERSAL, FINE or PAYOUT.
    """

    debit: str
    credit: str
    subject: str
    amount: int
    kind: str
    reference: str
    description: str = ""
    receipt: bytes | None = None  # the hash of what it pays for


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
    hold settles nothing: work that costs nothing has none. ``receipt`` is the hash of what is paid
    for.
    """

    reference: str
    amount: int | None = None  # None: the whole hold
    operator: str | None = None
    share_percent: int = 0  # of what is charged, rounded down
    description: str = ""
    receipt: bytes | None = None


@attrs.frozen
class HoldUnits:
    """Set ``amounts`` of ``account`` aside for the units of a job, by number; 0 needs no hold.

    All of it or nothing: ``InsufficientCredits`` names the sum.
    """

    account: str
    job: UUID
    amounts: tuple[int, ...]

    @property
    def by_reference(self) -> dict[str, int]:
        return {work_reference(self.job, n): a for n, a in enumerate(self.amounts) if a > 0}


@attrs.frozen
class ReleaseHold:
    """Give a hold back whole. A reference without a hold releases nothing."""

    reference: str


Posting: TypeAlias = Transfer | PlaceHold | HoldUnits | SettleHold | ReleaseHold


WorkEffect: TypeAlias = (
    JobInsert | UnitAssign | UnitCopy | UnitStart | UnitComplete | UnitFail | UnitRequeue | OfJob
)
Effect: TypeAlias = WorkEffect | OperatorEffect | PurchaseEffect | CheckEffect


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
    """What a unit is after a commit: for the Scheduler's index and the node's ack.

    ``copied`` is the newest attempt that was made beside another, ``copy_node`` who has it still;
    ``answered``: that one delivered, and waits for its verdict. ``unsendable_to`` counts the nodes
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
    """Done and durable: something changed.

    ``entries`` are those of Transfer postings, in order, of their subject; ``units`` those that
    the effects named, in order, as they are now.
    """

    entries: tuple[Booked, ...] = ()
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class Replayed:
    """All of it was done before: the same entries, and the units as they stand.

    ``answer`` is what was stored under the idempotency key, None without one.
    """

    entries: tuple[Booked, ...] = ()
    answer: dict[str, Any] | None = None
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class ExistsWithOtherAmount:
    """The reference is taken by a transfer, or a hold, of another amount or between others."""

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

    ``effect`` names its class. ``found`` is the unit's state (or the job's status) as it stands,
    '' when there is no such row. ``effect`` is 'Commit' for data that the database refuses, a bug
    of whoever sent it; then ``found`` says what was refused.
    """

    effect: str
    found: str
    units: tuple[UnitState, ...] = ()  # that were named up to it, as they stand


@attrs.frozen
class LedgerUnavailable:
    """The database is away, or (to observers) the Ledger crashed: nothing was done, or all of it.

    Asking again with the same references and ids does it once in any case.
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
    """From the Ledger to a commit's ``observer``: what became of it, by its own ``tag``."""

    tag: Any
    outcome: Outcome


@attrs.frozen
class Commit(Message[Ledger, Outcome]):
    """From anyone: do all of it or nothing. Effects first, then postings, each in order.

    The observer is told beside the asker, and also when nobody asks. Repeating a commit does
    nothing more: what was done before is found (by job id, reference, attempt and node), and when
    all of it was, the outcome is ``Replayed``.

    ``act`` is an admin's: it is written down in the same transaction, if anything changes.
    """

    postings: tuple[Posting, ...] = ()
    effects: tuple[Effect, ...] = ()
    idempotency: IdempotencyKey | None = None
    observer: Ref[Any] | None = None
    tag: Any = None
    act: Act | None = None


@attrs.frozen
class IsAccepting(Message[Ledger, bool]):
    """From the web: whether a commit could be written now; tried where none was just now."""


@attrs.frozen
class RenewLeases(Message[Ledger, int]):
    """From a NodeSession: the node still works on these; answered by how many were renewed.

    One whose attempt or node is not the unit's is not. 0 also while the database is away.
    """

    leases: tuple[Lease, ...]

"""Messages of the Ledger and their outcomes.

A ``Commit`` is an all-or-nothing order of postings (money) and effects (guarded row changes of jobs
and units). Many commits share one database transaction; each gets a separate outcome.
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
    """Name the account that holds a user's debt, as a balance below zero."""
    return f"debt:{user}"


def work_reference(job: UUID, unit: int) -> str:
    """The reference of everything that is booked for one unit."""
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

    ``operator``: the account that gets the share; None if there is no share. A reference without a
    hold settles nothing: free work has none. ``receipt``: the hash of the paid receipt.
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
    """Release a whole hold. A reference without a hold releases nothing."""

    reference: str


Posting: TypeAlias = Transfer | PlaceHold | HoldUnits | SettleHold | ReleaseHold


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

    ``effect`` names its class. ``found`` is the unit's state (or the job's status) now, '' if there
    is no such row. ``effect`` 'Commit' means that the database refused the data, a bug of the
    sender; then ``found`` says what was refused.
    """

    effect: str
    found: str
    units: tuple[UnitState, ...] = ()  # units named up to it, as they are now


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
    """From anyone: do all of it or nothing; effects first, then postings, each in order.

    The observer receives the outcome too, also if nothing asked for it. Repeating a commit
    is safe: what was done before is found (by job id, reference, attempt and node), and if
    everything was, the outcome is ``Replayed``.

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
    """From the web: can a commit be written now? Probes if there was no recent one."""


@attrs.frozen
class RenewLeases(Message[Ledger, int]):
    """From a NodeSession: the node still works on these; returns the number renewed.

    A lease whose attempt or node no longer matches is not renewed. 0 while the database is down.
    """

    leases: tuple[Lease, ...]

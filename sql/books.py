"""The books as the Ledger handles them: what it locks, what it finds, what it writes.

The Ledger decides in memory over ``Rows`` and hands back ``Changes``; both are plain values, so
that the same decisions run over PostgreSQL and over the in-memory twin.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import attrs

from sql.audit import Act
from sql.checks import CheckId, CheckRow, WordRow
from sql.earnings import DisputeRow, EarningRow, FineId, FineRow, PayableRow, PayoutRow
from sql.error_code import ErrorCode
from sql.purchase_rows import NO_PURCHASES, PurchaseKeys, PurchaseRow, ReversalRow, StripeEventRow
from sql.receipts import ReceiptRow

UnitId: TypeAlias = tuple[UUID, int]
TransferKey: TypeAlias = tuple[str, str, str]  # subject, kind, reference
KeyId: TypeAlias = tuple[UUID, str]  # user, key

MADE_WHEN_NEEDED = ("user:", "operator:", "debt:")
PLATFORM_ACCOUNTS = (
    "purchases",
    "revenue",
    "adjustments",
    "payouts",
    "disputes",
    "suspense",
)
# Each of these is sharded over sixteen rows, so that gateways do not wait for each other:
# docs/adr/0009-decide-ledger-batches-in-a-pure-function.md.
WITH_TILLS = frozenset({"revenue", "adjustments"})


@attrs.frozen
class AccountRow:
    id: int
    name: str
    balance: int = 0
    held: int = 0
    version: int = 0
    may_overdraw: bool = False
    debt: int | None = None  # the account of what a user owes

    @property
    def available(self) -> int:
        return self.balance - self.held

    def moved(self, entry: "EntryRow") -> "AccountRow":
        """After its next entry. Spelled out, as ``attrs.evolve`` takes several times as long."""
        return AccountRow(
            self.id,
            self.name,
            entry.after,
            self.held,
            entry.version,
            self.may_overdraw,
            self.debt,
        )

    def holding(self, held: int) -> "AccountRow":
        """With so much held of it."""
        return AccountRow(
            self.id,
            self.name,
            self.balance,
            held,
            self.version,
            self.may_overdraw,
            self.debt,
        )


@attrs.frozen
class HoldRow:
    id: UUID
    account: str
    reference: str
    amount: int
    created_at: datetime
    settled: int = 0
    state: str = "OPEN"
    closed_at: datetime | None = None


@attrs.frozen
class JobRow:
    id: UUID
    user_id: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    status: str
    price: int
    created_at: datetime
    queued_at: datetime
    updated_at: datetime
    node_id: UUID | None = None
    retry_count: int = 0
    result_ref: str | None = None
    error_message: str | None = None
    dispatched_at: datetime | None = None
    completed_at: datetime | None = None
    open_units: int = 0
    failed_units: int = 0
    cancelled_units: int = 0
    unit_error: str | None = None  # of the unit that failed last
    price_number: int | None = None  # which price it was submitted under
    retry_of: UUID | None = None  # the job that it does again
    units: int = 1
    priority: int = 0  # -1 to 1; the greatest goes first
    cap: int | None = None  # what it may cost at most
    committed: int = 0  # the price of the units that are at work or complete
    charged: int = 0  # of those that are complete
    paused: str | None = None  # by 'owner', at the 'cap', or 'stopped'
    reached: str = "QUEUED"  # how far it ever was: QUEUED, DISPATCHED or RUNNING
    avoid: tuple[UUID, ...] = ()  # nodes that failed one of its units


@attrs.frozen
class UnitRow:
    job_id: UUID
    number: int
    price: int
    state: str = "QUEUED"
    attempt: int = 0
    node_id: UUID | None = None
    assigned_at: datetime | None = None
    lease_until: datetime | None = None
    not_before: datetime | None = None
    failures: int = 0
    avoid: tuple[UUID, ...] = ()
    result_key: str | None = None
    result_sha256: bytes | None = None
    result_size: int | None = None
    verified: bool = False
    error_class: str | None = None
    error_code: ErrorCode | None = None
    error_message: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    place: int = 0  # its turn within the job
    frames: str | None = None  # None: as the job's parameters say
    tile: int | None = None  # which one of its frame
    feeds: int | None = None  # the unit that is made of this one and others
    missing: int = 0  # of those that it is made of, how many are not complete
    copy_attempt: int = 0  # the newest attempt beside another; given once, like any other
    copy_node_id: UUID | None = None  # who has it, or delivered it; None: there is no copy
    copy_assigned_at: datetime | None = None
    copy_started_at: datetime | None = None
    copy_lease_until: datetime | None = None
    copy_delivered_at: datetime | None = None  # since when it waits for its verdict
    faults: int = 0  # failures that were no node's and not the scene's
    unsent: int = 0  # of the attempts, how many no node ever had: they are no retries
    needs_memory: int = 0  # bytes: nodes that gave less had too little
    needs_opengl: bool = False  # as a node found that has none
    unsendable_to: tuple[UUID, ...] = ()  # nodes whose connection it could not be sent over

    @property
    def is_delivered_beside(self) -> bool:
        """Whether it has two attempts, of which one or both wait for a verdict."""
        waits = self.state == "VERIFYING" or self.copy_delivered_at is not None
        return self.copy_node_id is not None and waits


@attrs.frozen
class TransferRow:
    id: int
    debit: str
    credit: str
    subject: str
    amount: int
    kind: str
    reference: str
    description: str
    created_at: datetime


@attrs.frozen
class EntryRow:
    entry_id: int
    id: UUID
    transfer_id: int
    account: str
    version: int
    amount: int
    before: int
    after: int
    created_at: datetime
    receipt: bytes | None = None  # the hash of what it pays for


@attrs.frozen
class KeyRow:
    user_id: UUID
    key: str
    request: bytes
    answer: dict[str, Any]
    created_at: datetime


@attrs.frozen
class Keys:
    """What a batch needs locked; ``whole`` are jobs of which all units and their holds are.

    ``tiled`` are units of which, where they are tiles, all of their frame are, and their holds.
    """

    accounts: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()  # by reference; their accounts come along
    jobs: frozenset[UUID] = frozenset()
    units: frozenset[UnitId] = frozenset()
    whole: frozenset[UUID] = frozenset()
    tiled: frozenset[UnitId] = frozenset()
    transfers: frozenset[TransferKey] = frozenset()
    idempotency: frozenset[KeyId] = frozenset()
    postings: int = 0  # how many transfers there may be at most: numbers are reserved for them
    earnings: frozenset[UnitId] = frozenset()  # with their disputes; their accounts come along
    payouts: frozenset[UUID] = frozenset()  # their accounts come along
    payable: frozenset[UUID] = frozenset()  # operators of whom all that is payable is wanted
    purchases: PurchaseKeys = NO_PURCHASES
    checks: frozenset[UnitId] = frozenset()  # of the attempts that these units are in
    stakes: frozenset[UUID] = frozenset()  # operators of whom is wanted what is pending
    fines: tuple[tuple[UUID, int], ...] = ()  # of operators the newest shares that pay so much
    withdrawn: frozenset[UnitId] = frozenset()  # with the shares forfeited for results of theirs


@attrs.define
class Rows:
    """What was found, locked until the transaction ends.

    ``now`` is the database's time once the locks were held: what is written bears it, so that all
    gateways' times can be compared. ``waiting``: of operators whose shares are concerned, since
    when the oldest of their deliveries waits for its verdict.
    """

    accounts: dict[str, AccountRow]
    holds: dict[str, HoldRow]
    jobs: dict[UUID, JobRow]
    units: dict[UnitId, UnitRow]
    transfers: dict[TransferKey, tuple[TransferRow, EntryRow]]  # with the subject's entry
    idempotency: dict[KeyId, KeyRow]
    transfer_ids: Iterator[int]
    entry_ids: Iterator[int]
    now: datetime
    earnings: dict[UnitId, EarningRow] = attrs.field(factory=dict[UnitId, EarningRow])
    disputes: dict[UnitId, DisputeRow] = attrs.field(factory=dict[UnitId, DisputeRow])
    payouts: dict[UUID, PayoutRow] = attrs.field(factory=dict[UUID, PayoutRow])
    payable: dict[UUID, PayableRow] = attrs.field(factory=dict[UUID, PayableRow])
    purchases: dict[UUID, PurchaseRow] = attrs.field(factory=dict[UUID, PurchaseRow])
    reversals: dict[str, ReversalRow] = attrs.field(factory=dict[str, ReversalRow])
    events: dict[str, StripeEventRow] = attrs.field(factory=dict[str, StripeEventRow])
    checks: dict[CheckId, CheckRow] = attrs.field(factory=dict[CheckId, CheckRow])
    stakes: dict[UUID, int] = attrs.field(factory=dict[UUID, int])
    waiting: dict[UUID, datetime] = attrs.field(factory=dict[UUID, datetime])
    fines: dict[FineId, FineRow] = attrs.field(factory=dict[FineId, FineRow])


@attrs.frozen
class Changes:
    """What to write: rows as they are from now on. New ones among jobs and the like are named."""

    accounts: tuple[AccountRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    jobs: tuple[JobRow, ...] = ()
    units: tuple[UnitRow, ...] = ()
    transfers: tuple[TransferRow, ...] = ()
    entries: tuple[EntryRow, ...] = ()
    idempotency: tuple[KeyRow, ...] = ()
    acts: tuple[Act, ...] = ()
    new_holds: frozenset[str] = frozenset()
    new_jobs: frozenset[UUID] = frozenset()
    earnings: tuple[EarningRow, ...] = ()
    disputes: tuple[DisputeRow, ...] = ()
    payouts: tuple[PayoutRow, ...] = ()
    new_earnings: frozenset[UnitId] = frozenset()
    new_disputes: frozenset[UnitId] = frozenset()
    fines: tuple[FineRow, ...] = ()
    new_fines: frozenset[FineId] = frozenset()
    new_payouts: frozenset[UUID] = frozenset()
    purchases: tuple[PurchaseRow, ...] = ()
    reversals: tuple[ReversalRow, ...] = ()
    events: tuple[StripeEventRow, ...] = ()
    new_purchases: frozenset[UUID] = frozenset()
    receipts: tuple[ReceiptRow, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    new_checks: frozenset[CheckId] = frozenset()
    words: tuple[WordRow, ...] = ()  # new, as what was said was said


class BooksTransaction(Protocol):
    """One transaction over the books."""

    async def lock(self, keys: Keys) -> Rows:
        """Lock accounts, holds, jobs and units, each in order of its ids.

        With a unit comes the one that it feeds.

        Accounts of people (``user:``, ``operator:``, ``debt:``) are made where they are missing;
        other names that are not there are not found. What a user owes comes along with his
        account, the account with his purchases, and what went back of these with them. An account
        of the platform may be one of its tills, with what lies in it.
        """
        ...

    async def write(self, changes: Changes) -> int:
        """Write everything; answers the transaction's number, 0 when there is nothing to write.

        Raises Refused, Conflict or Mismatch; then nothing of it remains.
        """
        ...

    async def was_committed(self, transaction: int) -> bool | None:
        """Whether an earlier one was, by its number; None where nobody can tell."""
        ...

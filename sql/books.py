"""The books as the Ledger handles them: keys to lock, rows found, changes to write.

The Ledger decides in memory over ``Rows`` and returns ``Changes``. Both are plain values, so that
the same decisions run over PostgreSQL and over the in-memory twin.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import attrs

from rendertrust.error_code import ErrorCode
from sql.audit import Act
from sql.checks import CheckId, CheckRow, WordRow
from sql.earnings import DisputeRow, EarningRow, FineId, FineRow, PayableRow, PayoutRow
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
    debt: int | None = None  # the id of the user's debt account

    @property
    def available(self) -> int:
        return self.balance - self.held

    def moved(self, entry: "EntryRow") -> "AccountRow":
        """Return the account after its next entry; ``attrs.evolve`` would be much slower."""
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
        """Return the account with this amount held."""
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
    unit_error: str | None = None  # error of the unit that failed last
    price_number: int | None = None  # the price table's row at submission
    retry_of: UUID | None = None  # the job that it repeats
    units: int = 1
    priority: int = 0  # -1 to 1; the greatest goes first
    cap: int | None = None  # the most it may cost
    committed: int = 0  # the price of units that are assigned or complete
    charged: int = 0  # the price of complete units
    paused: str | None = None  # by 'owner', at the 'cap', or 'stopped'
    reached: str = "QUEUED"  # the furthest state: QUEUED, DISPATCHED or RUNNING
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
    frames: str | None = None  # None: as in the job's parameters
    tile: int | None = None  # its number within the frame
    feeds: int | None = None  # the unit that is assembled from this one and others
    missing: int = 0  # how many of its parts are not complete
    copy_attempt: int = 0  # the newest speculative attempt's number
    copy_node_id: UUID | None = None  # the speculative attempt's node; None: there is none
    copy_assigned_at: datetime | None = None
    copy_started_at: datetime | None = None
    copy_lease_until: datetime | None = None
    copy_delivered_at: datetime | None = None  # set while it waits for its verdict
    faults: int = 0  # failures that are neither a node's nor the scene's
    unsent: int = 0  # attempts that no node ever received, which are not retries
    needs_memory: int = 0  # bytes: nodes with less had too little
    needs_opengl: bool = False  # set when a node without OpenGL failed it
    unsendable_to: tuple[UUID, ...] = ()  # nodes to which it could not be sent

    @property
    def is_delivered_beside(self) -> bool:
        """Return True if it has two attempts and at least one waits for a verdict."""
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
    receipt: bytes | None = None  # the hash of the paid receipt


@attrs.frozen
class KeyRow:
    user_id: UUID
    key: str
    request: bytes
    answer: dict[str, Any]
    created_at: datetime


@attrs.frozen
class Keys:
    """Keys of the rows that a batch locks.

    ``whole``: jobs with all their units and holds. ``tiled``: units; for a tile, all units and
    holds of its frame are locked.
    """

    accounts: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()  # by reference, with their accounts
    jobs: frozenset[UUID] = frozenset()
    units: frozenset[UnitId] = frozenset()
    whole: frozenset[UUID] = frozenset()
    tiled: frozenset[UnitId] = frozenset()
    transfers: frozenset[TransferKey] = frozenset()
    idempotency: frozenset[KeyId] = frozenset()
    postings: int = 0  # most transfers possible; their numbers are reserved
    earnings: frozenset[UnitId] = frozenset()  # with their disputes and accounts
    payouts: frozenset[UUID] = frozenset()  # with their accounts
    payable: frozenset[UUID] = frozenset()  # operators whose payable shares are needed
    purchases: PurchaseKeys = NO_PURCHASES
    checks: frozenset[UnitId] = frozenset()  # of the current attempts of these units
    stakes: frozenset[UUID] = frozenset()  # operators whose pending sum is needed
    fines: tuple[tuple[UUID, int], ...] = ()  # by operator, newest shares that cover it
    withdrawn: frozenset[UnitId] = frozenset()  # with the shares forfeited for their results


@attrs.define
class Rows:
    """The locked rows, locked until the transaction ends.

    ``now``: the database's time once the locks were held. All writes use it, so that times of all
    gateways can be compared. ``waiting``: for operators of locked shares, the time since which
    their oldest delivery waits for its verdict.
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
    """The rows to write, in their new state; new holds, jobs and so on are listed by key."""

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
    words: tuple[WordRow, ...] = ()  # always new rows


class BooksTransaction(Protocol):
    """One transaction over the books."""

    async def lock(self, keys: Keys) -> Rows:
        """Lock accounts, holds, jobs and units, each in order of id; a unit with the one it feeds.

        Missing accounts of users (``user:``, ``operator:``, ``debt:``) are created; other missing
        names are not found. A user's debt account is locked with their account, the account with
        their purchases, and reversals with those. A platform account may be represented by one of
        its shards, with that shard's balance.
        """
        ...

    async def write(self, changes: Changes) -> int:
        """Write everything; return the transaction's number, 0 if there is nothing to write.

        Raises Refused, Conflict or Mismatch; then nothing is written.
        """
        ...

    async def was_committed(self, transaction: int) -> bool | None:
        """Return True if an earlier transaction was committed; None if that cannot be found out."""
        ...

"""The books as the Ledger handles them: keys to lock, rows found, changes to write.

The Ledger decides in memory: it turns ``Rows`` into ``Changes``. Both are plain values, so that the
same decisions run over PostgreSQL and over the in-memory twin.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

import attrs

from rendertrust.job_status import JobStatus, ReachedStatus, UnitStatus
from rendertrust.unit_error_code import ErrorCode
from sql.account_names import ADJUSTMENTS, REVENUE
from sql.audit_log import Act
from sql.checks import CheckId, CheckRow, WordRow
from sql.earnings import (
    ComparisonRow,
    DisputeRow,
    EarningRow,
    FineId,
    FineRow,
    PayableRow,
    PayoutRow,
)
from sql.purchases import (
    PurchaseKeys,
    PurchaseRow,
    ReversalRow,
    StripeEventRow,
)
from sql.receipts import NewReceipt

UnitId: TypeAlias = tuple[UUID, int]
TransferKey: TypeAlias = tuple[str, str, str]  # subject, kind, reference
KeyId: TypeAlias = tuple[UUID, str]  # user, key
Row = TypeVar("Row")
# Each of these accounts is sharded over sixteen rows, so that gateways do not wait for each other:
# docs/adr/0009-decide-ledger-batches-in-a-pure-function.md.
SHARDED = frozenset({REVENUE, ADJUSTMENTS})
UNREAD = datetime.max.replace(tzinfo=UTC)  # ``Rows.now`` until the rows are read


@attrs.frozen
class AccountRow:
    id: int
    name: str
    balance: int = 0
    held: int = 0
    version: int = 0
    may_overdraw: bool = False
    debt: int | None = None  # the id of the user's debt account
    is_closed: bool = False  # its user was deleted

    @property
    def available(self) -> int:
        return self.balance - self.held

    def moved(self, amount: int) -> "AccountRow":
        """Return the account after its next entry; ``attrs.evolve`` would be much slower."""
        return AccountRow(
            self.id,
            self.name,
            self.balance + amount,
            self.held,
            self.version + 1,
            self.may_overdraw,
            self.debt,
            self.is_closed,
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
            self.is_closed,
        )


def evolve(row: Row, **changes: Any) -> Row:
    """Return a row with some columns changed; ``attrs.evolve`` takes twice as long."""
    kind: Any = type(row)
    read, places = _columns(kind)
    values: list[Any] = list(read(row))
    for name, value in changes.items():
        values[places[name]] = value
    return type(row)(*values)


@cache
def _columns(kind: type[Any]) -> tuple[Callable[[Any], tuple[Any, ...]], Mapping[str, int]]:
    names = [field.name for field in attrs.fields(kind)]
    return attrgetter(*names), {name: place for place, name in enumerate(names)}


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
class NewJob:
    """Columns of a new job that ``JobRow`` lacks. The Ledger only writes them.

    ``plan``: as stored. ``price_number``: the row of the price table that applied at submission.
    ``retry_of``: the job that this one repeats.
    """

    id: UUID
    payload_ref: str
    plan: dict[str, Any]
    price: int
    price_number: int | None
    retry_of: UUID | None
    created_at: datetime
    name: str


@attrs.frozen
class JobRow:
    """The columns of a job that effects read or change; ``books_rows_lock`` reads them in order."""

    id: UUID
    user_id: UUID
    job_type: str
    status: JobStatus
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
    unit_error: str | None = None  # error of the unit that failed most recently
    units: int = 1
    priority: int = 0  # -1 to 1; greater ones go first
    cap: int | None = None  # the most that the job may cost
    committed: int = 0  # the price of units that are assigned or complete
    charged: int = 0  # the price of complete units
    paused: str | None = None  # why it is paused: 'owner', 'cap' or 'stopped'
    reached: ReachedStatus = "QUEUED"  # the furthest status
    vram_used: int = 0  # bytes; the most graphics memory that nodes measured of its units
    avoid: tuple[UUID, ...] = ()  # nodes that failed a unit of this job; the last column


@attrs.frozen
class UnitRow:
    job_id: UUID
    number: int
    price: int
    state: UnitStatus = "QUEUED"
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
    place: int = 0  # position within the job
    frames: str | None = None  # None: those of the job's parameters
    tile: int | None = None  # number of the tile within its frame
    feeds: int | None = None  # number of the unit that is assembled from this one
    missing: int = 0  # number of its input units that are not complete
    copy_attempt: int = 0  # number of the newest speculative attempt
    copy_node_id: UUID | None = None  # node of the speculative attempt; None: there is none
    copy_assigned_at: datetime | None = None
    copy_started_at: datetime | None = None
    copy_lease_until: datetime | None = None
    copy_delivered_at: datetime | None = None  # set while that attempt waits for its verdict
    faults: int = 0  # failures that neither a node nor the scene caused
    unsent: int = 0  # attempts that no node ever received; they are not retries
    needs_memory: int = 0  # bytes; a node with less ran out of memory
    needs_opengl: bool = False  # set when a node without OpenGL failed it
    needs_vram: int = 0  # bytes; a card with less ran out of memory
    needs_scripts: bool = False  # set when a node with a card refused its script shaders
    unsendable_to: tuple[UUID, ...] = ()  # nodes whose connection could not take the unit

    @property
    def is_delivered_beside(self) -> bool:
        """Return True if the unit has two attempts and at least one waits for its verdict."""
        waits = self.state == "VERIFYING" or self.copy_delivered_at is not None
        return self.copy_node_id is not None and waits


@attrs.frozen
class TransferRow:
    """A transfer with both of its sides.

    ``debit_version`` and ``debit_after``: the version and balance of the debited account after the
    transfer. ``receipt``: the hash of the receipt that the transfer pays for. ``id`` is 0 until the
    transfer is written.
    """

    debit: str
    credit: str
    subject: str
    amount: int
    kind: str
    reference: str
    description: str
    created_at: datetime
    key: UUID  # the id of the debit's entry; the credit's differs in the last bit
    debit_version: int
    credit_version: int
    debit_after: int
    credit_after: int
    receipt: bytes | None = None
    id: int = 0

    @property
    def entry(self) -> "EntryRow":
        """The entry of the transfer's subject."""
        return self._debited if self.subject == self.debit else self._credited

    @property
    def sides(self) -> "tuple[EntryRow, EntryRow]":
        """The entries of both accounts, the debit first, as the view ``entries`` shows them."""
        return self._debited, self._credited

    @property
    def _debited(self) -> "EntryRow":
        moved = (self.debit, self.debit_version, -self.amount, self.debit_after)
        return EntryRow(2 * self.id - 1, self.key, *moved)

    @property
    def _credited(self) -> "EntryRow":
        moved = (self.credit, self.credit_version, self.amount, self.credit_after)
        return EntryRow(2 * self.id, other_key(self.key), *moved)


def other_key(key: UUID) -> UUID:
    """Return the id of the entry on the other side of a transfer."""
    return UUID(int=key.int ^ 1)


@attrs.frozen
class EntryRow:
    """One side of a transfer."""

    entry_id: int
    id: UUID
    account: str
    version: int
    amount: int
    after: int


@attrs.frozen
class KeyRow:
    user_id: UUID
    key: str
    request: bytes
    answer: dict[str, Any]
    created_at: datetime


@attrs.define
class Keys:
    """Keys of the rows that a batch locks.

    ``whole``: jobs, with all their units and holds. ``tiled``: units; if one is a tile, all units
    and holds of its frame are locked.
    """

    accounts: set[str] = attrs.field(factory=set)
    holds: set[str] = attrs.field(factory=set)  # by reference, with their accounts
    jobs: set[UUID] = attrs.field(factory=set)
    units: set[UnitId] = attrs.field(factory=set)
    whole: set[UUID] = attrs.field(factory=set)
    new_jobs: set[UUID] = attrs.field(factory=set)  # those that the batch inserts
    tiled: set[UnitId] = attrs.field(factory=set)
    transfers: set[TransferKey] = attrs.field(factory=set)
    idempotency: set[KeyId] = attrs.field(factory=set)
    # with their disputes and accounts
    earnings: set[UnitId] = attrs.field(factory=set)
    payouts: set[UUID] = attrs.field(factory=set)  # with their accounts
    payable: set[UUID] = attrs.field(factory=set)  # operators whose payable shares are needed
    purchases: PurchaseKeys = attrs.field(factory=PurchaseKeys)
    # of all attempts at these units
    checks: set[UnitId] = attrs.field(factory=set)
    # operators whose sum of pending shares is needed
    stakes: set[UUID] = attrs.field(factory=set)
    # by operator: lock enough of the newest shares to cover the amount
    fines: Counter[UUID] = attrs.field(factory=Counter)
    # with the shares that were forfeited for their results
    withdrawn: set[UnitId] = attrs.field(factory=set)


@attrs.define
class Rows:
    """The locked rows; the locks last until the transaction ends.

    ``now``: the database's time once the locks were held. All writes use it, so that times of all
    gateways can be compared. ``waiting``: for each operator of the locked ``earnings``, when their
    oldest delivery without a verdict was made; those older than ``WITHHELD_MOST`` do not count.
    """

    accounts: dict[str, AccountRow]
    holds: dict[str, HoldRow]
    jobs: dict[UUID, JobRow]
    units: dict[UnitId, UnitRow]
    transfers: dict[TransferKey, TransferRow]
    idempotency: dict[KeyId, KeyRow]
    now: datetime
    earnings: dict[UnitId, EarningRow] = attrs.field(factory=dict)
    disputes: dict[UnitId, DisputeRow] = attrs.field(factory=dict)
    payouts: dict[UUID, PayoutRow] = attrs.field(factory=dict)
    payable: dict[UUID, PayableRow] = attrs.field(factory=dict)
    purchases: dict[UUID, PurchaseRow] = attrs.field(factory=dict)
    reversals: dict[str, ReversalRow] = attrs.field(factory=dict)
    events: dict[str, StripeEventRow] = attrs.field(factory=dict)
    checks: dict[CheckId, CheckRow] = attrs.field(factory=dict)
    stakes: dict[UUID, int] = attrs.field(factory=dict)
    waiting: dict[UUID, datetime] = attrs.field(factory=dict)
    fines: dict[FineId, FineRow] = attrs.field(factory=dict)


@attrs.frozen
class Changes:
    """The rows to write, in their new state.

    ``new_holds`` and the like: keys of those rows that are inserted, not updated.
    """

    accounts: tuple[AccountRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    jobs: tuple[JobRow, ...] = ()
    units: tuple[UnitRow, ...] = ()
    transfers: tuple[TransferRow, ...] = ()
    idempotency: tuple[KeyRow, ...] = ()
    acts: tuple[Act, ...] = ()
    new_holds: frozenset[str] = frozenset()
    new_jobs: tuple[NewJob, ...] = ()  # each with a row in ``jobs``
    earnings: tuple[EarningRow, ...] = ()
    disputes: tuple[DisputeRow, ...] = ()
    payouts: tuple[PayoutRow, ...] = ()
    new_earnings: frozenset[UnitId] = frozenset()
    new_disputes: frozenset[UnitId] = frozenset()
    comparisons: tuple[ComparisonRow, ...] = ()  # always new rows
    fines: tuple[FineRow, ...] = ()
    new_fines: frozenset[FineId] = frozenset()
    new_payouts: frozenset[UUID] = frozenset()
    purchases: tuple[PurchaseRow, ...] = ()
    reversals: tuple[ReversalRow, ...] = ()
    events: tuple[StripeEventRow, ...] = ()
    new_purchases: frozenset[UUID] = frozenset()
    receipts: tuple[NewReceipt, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    new_checks: frozenset[CheckId] = frozenset()
    words: tuple[WordRow, ...] = ()  # always new rows
    batch: "BatchRow | None" = None


@attrs.frozen
class BatchRow:
    """The number of a batch, by which its Ledger finds out later whether it was written."""

    ledger: UUID
    number: int


class BooksTransaction(Protocol):
    """One transaction over the books."""

    async def lock(self, keys: Keys) -> Rows:
        """Lock accounts, holds, jobs, units, and the units that these feed, each in order of key.

        Missing accounts of users (``user:``, ``operator:``, ``debt:``) are created; other missing
        names are left out. A user's debt account is locked with the user's account, that account
        with the user's purchases, and reversals with their purchases. Of a sharded platform account
        one shard may be locked, and returned with its own balance.
        """
        ...

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        """Write everything; return the numbers of the transfers, by their keys.

        Raises Refused, Conflict or Mismatch; then nothing is written.
        """
        ...

    async def last_batch(self, ledger: UUID) -> int:
        """Return the number of this Ledger's newest batch that was written; 0 if there is none.

        Waits for a write that has begun, and whose answer was lost.
        """
        ...

    async def numbers(self, changes: Changes) -> Mapping[UUID, int]:
        """Return the numbers of the transfers of a batch that was written, by their keys."""
        ...


def sharded_of(keys: Keys) -> set[str]:
    """Return the sharded accounts of which any shard will do, as no earlier transfer of theirs is
    looked up.
    """
    return (keys.accounts & SHARDED) - {subject for subject, _, _ in keys.transfers}


class ReadBooks(Protocol):
    """The rows of a batch, read without locks."""

    @property
    def rows(self) -> Rows:
        """The rows. ``now``: the database's time after they were read."""
        ...

    @property
    def is_remembered(self) -> bool:
        """True if the rows were not read now: only if they are written is it sure that they are
        up to date.
        """
        ...

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        """Write everything; return the numbers of the transfers, by their keys.

        Raises Mismatch if one of the rows has changed since it was read, Refused or Conflict; then
        nothing is written. Raises AnswerLost if it is unknown whether the changes are written.
        """
        ...


def needs_locks(keys: Keys) -> bool:
    """Return True if the batch needs rows that are read only with locks."""
    rare = (keys.tiled, keys.earnings, keys.payouts, keys.payable, keys.purchases)
    return any((*rare, keys.stakes, keys.fines, keys.withdrawn))


def needs_accounts_alone(keys: Keys) -> bool:
    """Return True if all rows of the batch but accounts are new, unless it is a repetition."""
    return not (needs_locks(keys) or keys.checks) and keys.jobs <= keys.new_jobs

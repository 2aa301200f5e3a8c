"""The rows of a batch in memory while it is decided; a commit makes all of its changes or none."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from actors.ledger.effects import Transfer
from actors.ledger.messages import Booked, UnitState
from sql.account_names import DEBT
from sql.audit_log import Act
from sql.books import (
    AccountRow,
    BatchRow,
    Changes,
    HoldRow,
    JobRow,
    KeyId,
    KeyRow,
    NewJob,
    Rows,
    TransferKey,
    TransferRow,
    UnitId,
    UnitRow,
)
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
from sql.purchases import PurchaseRow, ReversalRow, StripeEventRow
from sql.receipts import NewReceipt

K = TypeVar("K")
V = TypeVar("V")
# Of a UUID of version 7: RFC 9562, section 5.7.
_VERSION_7: Final = (7 << 76) | (2 << 62)
_TIME_BITS: Final = (1 << 48) - 1
_RANDOM_BITS: Final = (0xFFF << 64) | ((1 << 62) - 1)
# Stands for a layer without changes, as most layers of a batch have none; never changed.
NOTHING: Final[dict[Any, Any]] = {}


class Layer(Generic[K, V]):
    """Rows of one table in three versions.

    ``found``: as read; ``kept``: as changed by earlier commits of the batch; ``tried``: as changed
    by the current commit. ``changed``: the draft's list of layers that the current commit changes.
    """

    __slots__ = ("_changed", "found", "kept", "tried")

    def __init__(self, found: Mapping[K, V], changed: "list[Layer[Any, Any]]") -> None:
        self.found = found
        self.kept: dict[K, V] = NOTHING
        self.tried: dict[K, V] = NOTHING
        self._changed = changed

    def get(self, key: K) -> V | None:
        """Return the newest version; None if there is no such row."""
        return self.tried.get(key) or self.kept.get(key) or self.found.get(key)

    def put(self, key: K, row: V) -> None:
        if not self.tried:
            self._changed.append(self)
            if self.tried is NOTHING:
                self.tried = {}
        self.tried[key] = row

    def keep(self) -> None:
        if self.kept:
            self.kept.update(self.tried)
            self.tried.clear()
        else:
            self.kept, self.tried = self.tried, NOTHING

    def drop(self) -> None:
        self.tried.clear()

    def all(self) -> list[V]:
        """Return the newest version of every row."""
        return list({**self.found, **self.kept, **self.tried}.values())

    def new(self) -> frozenset[K]:
        return frozenset(self.kept.keys() - self.found.keys()) if self.kept else frozenset()


class Draft:
    """Rows that a batch has read or added.

    ``token`` returns so many random bytes. ``booked`` (posted transfers) and
    ``touched`` (units that effects named) are those of the current commit, for its outcome.
    """

    def __init__(self, rows: Rows, now: datetime, token: Callable[[int], bytes]) -> None:
        self.now = now
        self.stakes = rows.stakes
        self.waiting = rows.waiting
        self._token = token
        self._time = _VERSION_7 | (int(now.timestamp() * 1000) & _TIME_BITS) << 80
        self._changed: list[Layer[Any, Any]] = []
        self._is_changed = False  # a commit was kept that changes something
        self.accounts: Layer[str, AccountRow] = self._layer(rows.accounts)
        self.holds: Layer[str, HoldRow] = self._layer(rows.holds)
        self.jobs: Layer[UUID, JobRow] = self._layer(rows.jobs)
        self.new_jobs: Layer[UUID, NewJob] = self._layer({})
        self.units: Layer[UnitId, UnitRow] = self._layer(rows.units)
        self.transfers: Layer[TransferKey, TransferRow] = self._layer(rows.transfers)
        self.answers: Layer[KeyId, KeyRow] = self._layer(rows.idempotency)
        self.purchases: Layer[UUID, PurchaseRow] = self._layer(rows.purchases)
        self.reversals: Layer[str, ReversalRow] = self._layer(rows.reversals)
        self.events: Layer[str, StripeEventRow] = self._layer(rows.events)
        self.owing = any(name.startswith(DEBT) for name in rows.accounts)
        self.acts: Layer[int, Act] = self._layer({})
        self.earnings: Layer[UnitId, EarningRow] = self._layer(rows.earnings)
        self.disputes: Layer[UnitId, DisputeRow] = self._layer(rows.disputes)
        self.comparisons: Layer[UUID, ComparisonRow] = self._layer({})
        self.fines: Layer[FineId, FineRow] = self._layer(rows.fines)
        self.payouts: Layer[UUID, PayoutRow] = self._layer(rows.payouts)
        self.payable: Layer[UUID, PayableRow] = self._layer(rows.payable)
        self.checks: Layer[CheckId, CheckRow] = self._layer(rows.checks)
        self.words: Layer[CheckId, WordRow] = self._layer({})
        self.receipts: Layer[UnitId, NewReceipt] = self._layer({})
        self._numbers: Layer[UUID, tuple[int, ...]] = self._layer(_numbers(rows))
        self.booked: list[Booked] = []
        self.touched: dict[UnitId, None] = {}

    def _layer(self, found: Mapping[K, V]) -> Layer[K, V]:
        """Return a layer over the rows of a table; ``keep`` and ``drop`` include its changes."""
        return Layer(found, self._changed)

    def new_id(self) -> UUID:
        """Return an id for a new row: a UUID of version 7, with the time and 74 random bits.

        Rows that are written together are neighbours in the index of such ids, so that a batch
        changes few pages of it.
        """
        return UUID(int=self._time | (int.from_bytes(self._token(10)) & _RANDOM_BITS))

    def begin(self) -> None:
        """Begin the next commit."""
        self.booked, self.touched = [], {}

    def keep(self) -> None:
        """Keep the current commit's changes."""
        self._is_changed = self._is_changed or bool(self._changed)
        for layer in self._changed:
            layer.keep()
        self._changed.clear()

    def drop(self) -> None:
        """Drop the current commit's changes."""
        for layer in self._changed:
            layer.drop()
        self._changed.clear()

    def note(self, act: Act) -> None:
        """Record the admin's action of the current commit."""
        self.acts.put(len(self.acts.kept), act)

    # -- jobs

    def add_job(self, job: JobRow, new: NewJob, units: Sequence[UnitRow]) -> None:
        """Add a job and its QUEUED units; the commit's outcome contains only the first unit."""
        self.jobs.put(job.id, job)
        self.new_jobs.put(job.id, new)
        self._numbers.put(job.id, tuple(unit.number for unit in units))
        for unit in units:
            self.units.put((unit.job_id, unit.number), unit)
        self.touched[job.id, 0] = None

    def units_of(self, job: UUID) -> list[UnitRow]:
        """Return a job's units that are locked: all of them if the whole job was locked."""
        found = [self.units.get((job, number)) for number in self._numbers.get(job) or ()]
        return [unit for unit in found if unit is not None]

    def job_of(self, unit: UnitRow) -> JobRow:
        """Return the job of a locked unit."""
        job = self.jobs.get(unit.job_id)
        assert job is not None, "a unit has a job"
        return job

    def put_unit(self, unit: UnitRow) -> None:
        """Store a changed unit; the commit's outcome contains it."""
        self.units.put((unit.job_id, unit.number), unit)
        self.touched[unit.job_id, unit.number] = None

    def touched_states(self) -> tuple[UnitState, ...]:
        """Return the present states of the units that the current commit has touched."""
        if not self.touched:
            return ()
        found = [self.units.get(key) for key in self.touched]
        return tuple(self._state(unit) for unit in found if unit is not None)

    def _state(self, unit: UnitRow) -> UnitState:
        job = self.job_of(unit)
        # A queued unit's row still has the node of the last attempt.
        node = None if unit.state == "QUEUED" else unit.node_id
        answered = unit.copy_delivered_at is not None
        copy = (unit.copy_attempt, None if answered else unit.copy_node_id, answered)
        of = (job.id, unit.number, unit.state, unit.attempt, node, job.status, *copy)
        return UnitState(*of, unsendable_to=len(unit.unsendable_to))

    # -- money

    def enter(self, order: Transfer) -> TransferRow:
        """Add a transfer, which moves the balances of both accounts; both must be locked."""
        debit, credit = self.accounts.get(order.debit), self.accounts.get(order.credit)
        assert debit is not None, "both accounts are locked"
        assert credit is not None, "both accounts are locked"
        debit, credit = debit.moved(-order.amount), credit.moved(order.amount)
        row = TransferRow(
            debit=order.debit,
            credit=order.credit,
            subject=order.subject,
            amount=order.amount,
            kind=order.kind,
            reference=order.reference,
            description=order.description,
            created_at=self.now,
            key=self.new_id(),
            debit_version=debit.version,
            credit_version=credit.version,
            debit_after=debit.balance,
            credit_after=credit.balance,
            receipt=order.receipt,
        )
        self.accounts.put(order.debit, debit)
        self.accounts.put(order.credit, credit)
        self.transfers.put((order.subject, order.kind, order.reference), row)
        return row

    # -- the result

    def changes(self, batch: BatchRow | None = None) -> Changes:
        """Return all changes of the batch; ``batch`` is its number, if it changes anything."""
        if not self._is_changed:
            return Changes()
        return Changes(
            batch=batch,
            accounts=tuple(self.accounts.kept.values()),
            holds=tuple(self.holds.kept.values()),
            jobs=tuple(self.jobs.kept.values()),
            units=tuple(self.units.kept.values()),
            transfers=tuple(self.transfers.kept.values()),
            idempotency=tuple(self.answers.kept.values()),
            acts=tuple(self.acts.kept.values()),
            new_holds=self.holds.new(),
            new_jobs=tuple(self.new_jobs.kept.values()),
            earnings=tuple(self.earnings.kept.values()),
            disputes=tuple(self.disputes.kept.values()),
            payouts=tuple(self.payouts.kept.values()),
            new_earnings=self.earnings.new(),
            new_disputes=self.disputes.new(),
            comparisons=tuple(self.comparisons.kept.values()),
            fines=tuple(self.fines.kept.values()),
            new_fines=self.fines.new(),
            new_payouts=self.payouts.new(),
            purchases=tuple(self.purchases.kept.values()),
            reversals=tuple(self.reversals.kept.values()),
            events=tuple(self.events.kept.values()),
            new_purchases=self.purchases.new(),
            receipts=tuple(self.receipts.kept.values()),
            checks=tuple(self.checks.kept.values()),
            new_checks=self.checks.new(),
            words=tuple(self.words.kept.values()),
        )


def _numbers(rows: Rows) -> dict[UUID, tuple[int, ...]]:
    found: dict[UUID, list[int]] = {}
    for job, number in sorted(rows.units, key=lambda key: key[1]):
        found.setdefault(job, []).append(number)
    return {job: tuple(numbers) for job, numbers in found.items()}

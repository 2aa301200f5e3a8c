"""The books in PostgreSQL: reads of a batch's rows with locks, and the statement that writes it."""

from collections.abc import Iterator, Mapping, Sequence, Set
from operator import attrgetter
from typing import Any, Self
from uuid import UUID

import attrs
import orjson

from sql.account_names import DEBT, MADE_WHEN_NEEDED
from sql.books import (
    UNREAD,
    AccountRow,
    Changes,
    HoldRow,
    JobRow,
    KeyRow,
    Keys,
    Rows,
    TransferKey,
    TransferRow,
    UnitId,
    UnitRow,
    with_tills,
)
from sql.checks import CheckId, check_parts, lock_checks
from sql.database import Conflict, Connection
from sql.earnings import counted, earners, earning_parts, fine_parts, lock_earnings
from sql.purchases import lock_purchases, purchase_parts, with_owners
from sql.query_loader import QUERIES
from sql.statement_batch import Columns, columns_of, flat, row_values, titles, together

_JOB_UPDATED: tuple[str, ...] = (
    *("status", "updated_at", "node_id", "retry_count", "result_ref", "error_message"),
    *("dispatched_at", "completed_at", "open_units", "failed_units", "cancelled_units"),
    *("unit_error", "queued_at", "priority", "cap", "committed", "charged", "paused", "reached"),
    "avoid",
)
_UNIT_NEW: tuple[str, ...] = ("price", "place", "frames", "tile", "feeds")
_UNIT_UPDATED: tuple[str, ...] = (
    *("state", "attempt", "node_id", "assigned_at", "lease_until", "not_before"),
    *("failures", "avoid", "result_key", "result_sha256", "result_size", "verified"),
    *("error_class", "error_code", "error_message", "started_at", "ended_at", "missing"),
)
_UNIT_COPIED: tuple[str, ...] = (
    *("copy_attempt", "copy_node_id", "copy_assigned_at", "copy_started_at", "copy_lease_until"),
    "copy_delivered_at",
)
_UNIT_COUNTED: tuple[str, ...] = (
    *("unsent", "faults", "needs_memory", "needs_opengl"),
    "unsendable_to",
)
_LISTS: tuple[str, ...] = ("avoid", "unsendable_to")  # unit columns that are arrays of nodes
# Columns of the types new_transfer and changed_account, without the accounts of a transfer, which
# have names here and ids there, and without the version that a change of an account replaces.
_OF_TRANSFER = attrgetter(
    *("amount", "kind", "reference", "description", "key"),
    *("debit_version", "credit_version", "debit_after", "credit_after", "receipt"),
)
_OF_ACCOUNT = attrgetter("id", "balance", "held", "version")
_OF_RECEIPT = ("job_id", "unit", "attempt", "document", "hash", "signature", "issued_at")
NUMBERED = ("books_transfers_insert", "key, id")  # a write, and what it returns
_OF_JOB: tuple[str, ...] = tuple(field.name for field in attrs.fields(JobRow))


@attrs.define
class Seen:
    """For each row that was read without a lock, the transaction that wrote it; empty with locks.

    A write refuses rows that another transaction has written since.
    """

    accounts: dict[int, int] = attrs.field(factory=dict[int, int])  # by id
    holds: dict[str, int] = attrs.field(factory=dict[str, int])  # by reference
    jobs: dict[UUID, int] = attrs.field(factory=dict[UUID, int])
    units: dict[UnitId, int] = attrs.field(factory=dict[UnitId, int])
    checks: dict[CheckId, int] = attrs.field(factory=dict[CheckId, int])

    def accounts_part(self) -> Iterator[tuple[str, Columns]]:
        """Yield the lock of all accounts, which must be as they were read."""
        yield "books_accounts_unchanged", _columns_of_seen(self.accounts, self.accounts.keys())

    def unchanged(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield locks of other rows that were read and are not written; they must be as read."""
        holds = self.holds.keys() - {hold.reference for hold in changes.holds}
        if holds:
            yield "books_holds_unchanged", _columns_of_seen(self.holds, holds)
        jobs = self.jobs.keys() - {job.id for job in changes.jobs}
        if jobs:
            yield "books_jobs_unchanged", _columns_of_seen(self.jobs, jobs)
        units = self.units.keys() - {(unit.job_id, unit.number) for unit in changes.units}
        if units:
            yield "books_units_unchanged", _columns_of_seen(self.units, units)
        checks = self.checks.keys() - {check.id for check in changes.checks}
        if checks:
            yield "books_checks_unchanged", _columns_of_seen(self.checks, checks)


def _columns_of_seen(seen: Mapping[Any, int], rows: Set[Any]) -> Columns:
    """Return columns of the rows' keys, in order, and of the transactions that wrote the rows."""
    ordered = sorted(rows)
    keys = [key if isinstance(key, tuple) else (key,) for key in ordered]
    return [*map(list, zip(*keys, strict=True)), [seen[key] for key in ordered]]


class SqlBooks:
    """``BooksTransaction`` over a connection that is in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}
        self._versions: dict[int, int] = {}  # of the read accounts, by id
        self._seen = Seen()
        self.xid = 0  # the transaction, once it has written

    @property
    def accounts(self) -> Set[str]:
        """Names of the accounts that were read."""
        return self._ids.keys()

    @classmethod
    def over(cls, connection: Connection, rows: Rows, seen: Seen) -> Self:
        """Return a writer of changes to rows that were read without locks."""
        books = cls(connection)
        books._know(rows)
        books._seen = seen
        return books

    def _know(self, rows: Rows) -> None:
        self._ids = {account.name: account.id for account in rows.accounts.values()}
        self._versions = {account.id: account.version for account in rows.accounts.values()}

    async def lock(self, keys: Keys) -> Rows:
        rows = Rows({}, {}, {}, {}, {}, {}, UNREAD)
        if keys.purchases:
            keys = await with_owners(self._connection, keys)
        concerned = keys.accounts | await earners(self._connection, keys)
        rows.accounts = await self._accounts(attrs.evolve(keys, accounts=concerned))
        self._know(rows)
        if keys.purchases:
            await lock_purchases(self._connection, keys.purchases, rows)
        if any((keys.holds, keys.jobs, keys.units, keys.idempotency, keys.transfers)):
            await self._rows(keys, rows)
        else:
            [found] = await self._fetch("database_time")
            rows.now = found["now"]
        await lock_earnings(self._connection, keys, rows)
        await lock_checks(self._connection, keys, rows)
        return rows

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        """Write all changes in one statement; every expected row must be found."""
        parts = [part for part in self._parts(changes) if part[1] and part[1][0]]
        if not parts:
            return {}
        # The first part locks the accounts, before rows that they protect are written.
        if self._seen.accounts:
            parts = [*self._seen.accounts_part(), *parts]
        parts += self._seen.unchanged(changes)
        names = tuple((name, len(columns)) for name, columns in parts)
        arguments = flat([columns for _, columns in parts])
        several = counted(changes) if changes.payouts else {}
        wanted = [several.get(name, len(columns[0])) for name, columns in parts]
        statement = together(names, NUMBERED)
        written = await self._connection.fetchrow(statement, *arguments, titles(parts), wanted)
        assert written is not None, "the statement returns one row"
        self.xid = written["xid"]
        return dict(zip(written["key"], written["id"], strict=True)) if changes.transfers else {}

    async def last_batch(self, ledger: UUID) -> int:
        [row] = await self._fetch("books_batch_last", ledger)
        return int(row["batch"])

    async def numbers(self, changes: Changes) -> Mapping[UUID, int]:
        keys = [row.key for row in changes.transfers]
        return {row["key"]: row["id"] for row in await self._fetch("books_transfer_ids", keys)}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, name: str, *args: Any) -> Any:
        return await self._connection.fetch(QUERIES[name], *args)

    async def _accounts(self, keys: Keys) -> dict[str, AccountRow]:
        tills = with_tills(keys)
        names = keys.accounts - tills
        tiled = columns_of_keys(keys.tiled, 2)
        asked = (list(names), list(keys.holds), list(keys.whole), list(tills), *tiled)
        found = await self._fetch("books_accounts_lock", *asked)
        known = {row["name"] for row in found}
        missing = [name for name in names - known if name.startswith(MADE_WHEN_NEEDED)]
        if missing:
            # Sorted, so that two gateways that create the same accounts cannot deadlock.
            missing.sort(key=lambda name: (name.startswith(DEBT), name))
            await self._connection.execute(QUERIES["books_accounts_make"], missing)
            found = await self._fetch("books_accounts_lock", *asked)
        locked = {row["id"] for row in found}
        debts = [row["debt"] for row in found if row["debt"] is not None]
        if not locked.issuperset(debts):
            found += await self._fetch("books_debts_lock", sorted(set(debts) - locked))
        return {row["name"]: AccountRow(**row) for row in found}

    async def _rows(self, keys: Keys, rows: Rows) -> None:
        """Read the rows that the account locks protect."""
        used = columns_of_keys(keys.idempotency, 2)
        units = columns_of_keys(keys.units, 2)
        named = (list(keys.holds), list(keys.whole), list(keys.jobs), *units)
        tiled = columns_of_keys(keys.tiled, 2)
        asked = (*named, *used, *self._subjects(keys), *tiled)
        [found] = await self._fetch("books_rows_lock", *asked)
        names = {number: name for name, number in self._ids.items()}
        for row in found["holds"]:
            if row["account_id"] not in names:
                raise Conflict("a hold was created after its account had been looked up")
            values = row_values(HoldRow, {**row, "account": names[row["account_id"]]})
            rows.holds[row["reference"]] = HoldRow(**values)
        for row in found["jobs"]:
            rows.jobs[row[0]] = job_row(row)
        for row in found["units"]:
            rows.units[row["job_id"], row["number"]] = unit_row(row)
        for row in found["keys"]:
            rows.idempotency[row["user_id"], row["key"]] = KeyRow(**row_values(KeyRow, row))
        rows.now = found["now"]
        rows.transfers = _posted(found)

    def _subjects(self, keys: Keys) -> Columns:
        """Return the transfers to look up; an account that does not exist yet has none."""
        names, kinds, references = columns_of_keys(keys.transfers, 3)
        return [[self._ids.get(name) for name in names], kinds, references]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def _parts(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield the writes, each with a column of values per parameter.

        Most batches change few kinds of rows, so that kinds without rows take no time.
        """
        if changes.jobs or changes.units:
            # The order decides the order of events: a job begins before its units and ends after
            # them.
            begun, changed = _jobs(changes, self._seen)
            yield begun
            yield from _units(changes, self._seen)
            yield changed
        if changes.holds:
            yield from self._holds(changes)
        versions = self._versions
        accounts = [(*_OF_ACCOUNT(row), versions[row.id]) for row in changes.accounts]
        yield "books_accounts_write", [accounts]
        if changes.transfers:
            yield "books_transfers_insert", self._transfers(changes.transfers)
        if changes.purchases or changes.reversals or changes.events:
            yield from purchase_parts(changes)
        if any((changes.earnings, changes.payouts, changes.disputes, changes.comparisons)):
            yield from earning_parts(changes)
        if changes.fines:
            yield from fine_parts(changes)
        if changes.checks or changes.words:
            yield from check_parts(changes, self._seen.checks)
        if changes.receipts:
            yield from _receipts(changes)
        yield from self._answers(changes)
        if changes.batch is not None:
            yield "books_batch_write", [[changes.batch.ledger], [changes.batch.number]]

    def _transfers(self, transfers: Sequence[TransferRow]) -> Columns:
        """Return the rows of the transfers, and their time; all of a batch have the same."""
        ids = self._ids
        rows = [
            (ids[row.debit], ids[row.credit], ids[row.subject], *_OF_TRANSFER(row))
            for row in transfers
        ]
        return [rows, [transfers[0].created_at]]

    def _answers(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield the writes of answers to repeat, and of admins' actions."""
        if changes.idempotency:
            names = ("user_id", "key", "request", "answer", "created_at")
            columns = columns_of(changes.idempotency, *names)
            columns[3] = [orjson.dumps(answer).decode() for answer in columns[3]]
            yield "books_keys_insert", columns
        if changes.acts:
            of_act = ("at", "actor_id", "actor", "act", "target", "reason", "request_id", "details")
            columns = columns_of(changes.acts, *of_act)
            columns[-1] = [orjson.dumps(dict(details)).decode() for details in columns[-1]]
            yield "books_acts_insert", columns

    def _holds(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        new = [hold for hold in changes.holds if hold.reference in changes.new_holds]
        old = [hold for hold in changes.holds if hold.reference not in changes.new_holds]
        old.sort(key=lambda hold: hold.reference)
        names = ("id", "account", "reference", "amount", "created_at", "settled", "state")
        columns = columns_of(new, *names, "closed_at")
        columns[1] = [self._ids[name] for name in columns[1]]
        yield "books_holds_insert", columns
        changing = ("reference", "state", "settled", "closed_at", "created_at")
        columns = columns_of(old, *changing)
        columns.append([self._seen.holds.get(hold.reference) for hold in old])
        yield "books_holds_update", columns


def job_row(columns: Sequence[Any]) -> JobRow:
    """Build a job from its columns, in the order of the fields."""
    values: list[Any] = [*columns[:-1], tuple(columns[-1])]
    return JobRow(*values)


def unit_row(row: Any) -> UnitRow:
    """Build a unit from a row of ``units``."""
    values = row_values(UnitRow, row)
    values |= {name: tuple(row[name]) for name in _LISTS}
    return UnitRow(**values)


def _jobs(changes: Changes, seen: "Seen") -> tuple[tuple[str, Columns], tuple[str, Columns]]:
    """Return the writes of new jobs and of changed ones."""
    new, ids = changes.new_jobs, {job.id for job in changes.new_jobs}
    rows = {job.id: job for job in changes.jobs}
    # Updated rows are in order, so that two gateways that write the same rows cannot deadlock.
    old = sorted((job for job in changes.jobs if job.id not in ids), key=lambda job: job.id)
    columns = columns_of(new, "payload_ref", "price", "created_at", "price_number", "retry_of")
    columns.append([orjson.dumps(job.plan).decode() for job in new])
    columns += columns_of([rows[job.id] for job in new], *_OF_JOB)
    changed = _as_texts(columns_of(old, "id", *_JOB_UPDATED), -1)
    changed.append([seen.jobs.get(job.id) for job in old])
    return ("books_jobs_insert", _as_texts(columns, -1)), ("books_jobs_update", changed)


def _receipts(changes: Changes) -> Iterator[tuple[str, Columns]]:
    free = [row for row in changes.receipts if row.paid_by is None]
    paid = [row for row in changes.receipts if row.paid_by is not None]
    yield "books_receipts_insert", columns_of(free, *_OF_RECEIPT)
    yield "books_paid_receipts_insert", columns_of(paid, *_OF_RECEIPT, "paid_by")


def _units(changes: Changes, seen: "Seen") -> Iterator[tuple[str, Columns]]:
    jobs = {job.id for job in changes.new_jobs}
    new = [unit for unit in changes.units if unit.job_id in jobs]
    old = [unit for unit in changes.units if unit.job_id not in jobs]
    old.sort(key=lambda unit: (unit.job_id, unit.number))
    waiting = [unit for unit in new if is_untouched(unit)]
    moved = [unit for unit in new if not is_untouched(unit)]
    names = ("job_id", "number", *_UNIT_NEW, "missing")
    changing = (*_UNIT_UPDATED, *_UNIT_COPIED, *_UNIT_COUNTED)
    yield "books_units_queue", columns_of(waiting, *names)
    yield "books_units_insert", _unit_columns(moved, *_UNIT_NEW, *changing)
    columns = _unit_columns(old, *changing, "price")
    columns.append([seen.units.get((unit.job_id, unit.number)) for unit in old])
    yield "books_units_update", columns


def is_untouched(unit: UnitRow) -> bool:
    """Return True if the unit is new and waits; a batch may have thousands of these."""
    return unit.state == "QUEUED" and unit.attempt == 0 and unit.error_class is None


def _unit_columns(units: Sequence[UnitRow], *names: str) -> Columns:
    columns = columns_of(units, "job_id", "number", *names)
    for name in _LISTS:
        columns = _as_texts(columns, 2 + names.index(name))
    return columns


def _as_texts(columns: Columns, position: int) -> Columns:
    """Convert arrays to text: PostgreSQL's arrays of arrays cannot have rows of different
    lengths.
    """
    columns[position] = ["{" + ",".join(map(str, nodes)) + "}" for nodes in columns[position]]
    return columns


def columns_of_keys(keys: Set[tuple[Any, ...]], width: int) -> Columns:
    """Return the keys in order, as one column per position."""
    rows = sorted(keys)
    return [[row[position] for row in rows] for position in range(width)]


def _posted(found: Any) -> dict[TransferKey, TransferRow]:
    """Return earlier transfers."""
    names = {row["id"]: _account_of(row) for row in found["posted_accounts"]}
    posted: dict[TransferKey, TransferRow] = {}
    for row in found["posted"]:
        sides = {side: names[row[side]] for side in ("debit", "credit", "subject")}
        transfer = TransferRow(**row_values(TransferRow, {**row, **sides}))
        posted[transfer.subject, transfer.kind, transfer.reference] = transfer
    return posted


def _account_of(row: Any) -> str:
    """Return the account's name; for a shard, that of its account."""
    name: str = row["name"]
    return name if row["till_of"] is None else name.partition(":")[0]

"""The books in PostgreSQL: a batch is locked and read in two round trips, written in one."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import orjson

from sql.books import (
    MADE_WHEN_NEEDED,
    WITH_TILLS,
    AccountRow,
    Changes,
    EntryRow,
    HoldRow,
    JobRow,
    KeyRow,
    Keys,
    Rows,
    TransferKey,
    TransferRow,
    UnitRow,
)
from sql.database import Conflict, Connection, Mismatch
from sql.purchase_rows import row_values
from sql.query_loader import QUERIES
from sql.receipts import ReceiptRow
from sql.sql_checks import check_parts, lock_checks
from sql.sql_earnings import counted, earners, earning_parts, lock_earnings
from sql.sql_purchases import lock_purchases, purchase_parts, with_owners
from sql.statement_batch import Columns, columns_of, flat, together

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
_OF_TRANSFER = ("id", "debit", "credit", "subject", "amount", "kind", "reference", "description")
_OF_ENTRY = (
    *("entry_id", "id", "transfer_id", "account", "version", "amount", "before"),
    "receipt",
)
_OF_RECEIPT = tuple(field.name for field in attrs.fields(ReceiptRow))
_PEOPLE = tuple(MADE_WHEN_NEEDED)
UNREAD = datetime.max.replace(tzinfo=UTC)


def numbers_for(keys: Keys, rows: Rows) -> int:
    """Return the most transfers possible: users with debts pay when they receive credits."""
    if not any(account.debt is not None for account in rows.accounts.values()):
        return keys.postings
    return 2 * keys.postings + len(keys.holds) + len(keys.whole) + len(keys.tiled)


def with_tills(keys: Keys) -> frozenset[str]:
    """Return the accounts for which any shard will do, as no earlier reference is looked up."""
    return (keys.accounts & WITH_TILLS) - {subject for subject, _, _ in keys.transfers}


class RowsMissing(Mismatch):
    """A write touched fewer rows than decided: the transaction must not be committed."""


class SqlBooks:
    """A BooksTransaction over one connection that is in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}

    async def lock(self, keys: Keys) -> Rows:
        rows = Rows({}, {}, {}, {}, {}, {}, iter(()), iter(()), UNREAD)
        if keys.purchases:
            keys = await with_owners(self._connection, keys)
        concerned = keys.accounts | await earners(self._connection, keys)
        rows.accounts = await self._accounts(attrs.evolve(keys, accounts=concerned))
        self._ids = {account.name: account.id for account in rows.accounts.values()}
        if keys.purchases:
            await lock_purchases(self._connection, keys.purchases, rows)
        used = (keys.holds, keys.jobs, keys.units, keys.idempotency, keys.transfers)
        if any(used) or keys.postings:
            await self._rows(keys, rows)
        else:
            [found] = await self._fetch("database_time")
            rows.now = found["now"]
        await lock_earnings(self._connection, keys, rows)
        await lock_checks(self._connection, keys, rows)
        return rows

    async def write(self, changes: Changes) -> int:
        """Write all changes in one statement; every expected row must be found."""
        parts = [part for part in self._parts(changes) if part[1] and part[1][0]]
        if not parts:
            return 0
        names = tuple((name, len(columns)) for name, columns in parts)
        arguments = flat([columns for _, columns in parts])
        counts = await self._connection.fetchrow(together(names), *arguments)
        assert counts is not None, "it counts"
        several = counted(changes)
        for name, columns in parts:
            wanted = several.get(name, len(columns[0]))
            if counts[name] != wanted:
                raise RowsMissing(f"{name}: {counts[name]} of {wanted} rows")
        number: int = counts["transaction"]
        return number

    async def was_committed(self, transaction: int) -> bool | None:
        [row] = await self._fetch("books_transaction_status", transaction)
        return {"committed": True, "aborted": False}.get(row["status"])

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, name: str, *args: Any) -> Any:
        return await self._connection.fetch(QUERIES[name], *args)

    async def _accounts(self, keys: Keys) -> dict[str, AccountRow]:
        tills = with_tills(keys)
        names = keys.accounts - tills
        tiled = _columns_of(sorted(keys.tiled), 2)
        asked = (list(names), list(keys.holds), list(keys.whole), list(tills), *tiled)
        found = await self._fetch("books_accounts_lock", *asked)
        known = {row["name"] for row in found}
        missing = [name for name in names - known if name.startswith(_PEOPLE)]
        if missing:
            # In order, so that two gateways that create the same accounts cannot deadlock.
            missing.sort(key=lambda name: (name.startswith("debt:"), name))
            await self._connection.execute(QUERIES["books_accounts_make"], missing)
            found = await self._fetch("books_accounts_lock", *asked)
        locked = {row["id"] for row in found}
        debts = [row["debt"] for row in found if row["debt"] is not None]
        if not locked.issuperset(debts):
            found += await self._fetch("books_debts_lock", sorted(set(debts) - locked))
        return {row["name"]: AccountRow(**row) for row in found}

    async def _rows(self, keys: Keys, rows: Rows) -> None:
        """Read the rows that the account locks protect."""
        used = _columns_of(sorted(keys.idempotency), 2)
        units = _columns_of(sorted(keys.units), 2)
        named = (list(keys.holds), list(keys.whole), list(keys.jobs), *units)
        tiled = _columns_of(sorted(keys.tiled), 2)
        asked = (*named, *used, numbers_for(keys, rows), *self._subjects(keys), *tiled)
        [found] = await self._fetch("books_rows_lock", *asked)
        names = {number: name for name, number in self._ids.items()}
        for row in found["holds"]:
            if row["account_id"] not in names:
                raise Conflict("a hold was created since its account was looked up")
            values = row_values(HoldRow, {**row, "account": names[row["account_id"]]})
            rows.holds[row["reference"]] = HoldRow(**values)
        for row in found["jobs"]:
            values = row_values(JobRow, {**row, "avoid": tuple(row["avoid"])})
            rows.jobs[row["id"]] = JobRow(**values)
        for row in found["units"]:
            values = row_values(UnitRow, row)
            values |= {name: tuple(row[name]) for name in _LISTS}
            rows.units[row["job_id"], row["number"]] = UnitRow(**values)
        for row in found["keys"]:
            rows.idempotency[row["user_id"], row["key"]] = KeyRow(**row_values(KeyRow, row))
        rows.transfer_ids, rows.entry_ids = iter(found["transfers"]), iter(found["entries"])
        rows.now = found["now"]
        rows.transfers = _posted(found)

    def _subjects(self, keys: Keys) -> Columns:
        """Return the transfers to look up; an account that does not exist has none."""
        names, kinds, references = _columns_of(sorted(keys.transfers), 3)
        return [[self._ids.get(name) for name in names], kinds, references]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def _parts(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield the writes, each with a column of values per parameter."""
        # The order of their events: a job begins before its units and ends after them.
        begun, changed = _jobs(changes)
        yield begun
        yield from _units(changes)
        yield changed
        yield from self._holds(changes)
        yield (
            "books_accounts_write",
            columns_of(changes.accounts, "id", "balance", "held", "version"),
        )
        yield from self._postings(changes)
        yield from purchase_parts(changes)
        yield from earning_parts(changes)
        yield from check_parts(changes)
        yield "books_receipts_insert", columns_of(changes.receipts, *_OF_RECEIPT)
        columns = columns_of(
            changes.idempotency, "user_id", "key", "request", "answer", "created_at"
        )
        columns[3] = [orjson.dumps(answer).decode() for answer in columns[3]]
        yield "books_keys_insert", columns
        names = ("at", "actor_id", "actor", "act", "target", "reason", "request_id", "details")
        columns = columns_of(changes.acts, *names)
        columns[-1] = [orjson.dumps(dict(details)).decode() for details in columns[-1]]
        yield "books_acts_insert", columns

    def _holds(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        new = [hold for hold in changes.holds if hold.reference in changes.new_holds]
        old = [hold for hold in changes.holds if hold.reference not in changes.new_holds]
        names = ("id", "account", "reference", "amount", "created_at", "settled", "state")
        yield "books_holds_insert", self._with_ids(columns_of(new, *names, "closed_at"), 1)
        changing = ("reference", "state", "settled", "closed_at", "created_at")
        yield "books_holds_update", columns_of(old, *changing)

    def _postings(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield the writes of postings; a batch has one time, and ``after`` is derived."""
        columns = self._with_ids(columns_of(changes.transfers, *_OF_TRANSFER), 1, 2, 3)
        yield "books_transfers_insert", [*columns, _one_time(changes.transfers)]
        columns = self._with_ids(columns_of(changes.entries, *_OF_ENTRY), 3)
        yield "books_entries_insert", [*columns, _one_time(changes.entries)]

    def _with_ids(self, columns: Columns, *positions: int) -> Columns:
        """Replace names of accounts by their ids."""
        for position in positions:
            columns[position] = [self._ids[name] for name in columns[position]]
        return columns


def _one_time(rows: Sequence[TransferRow] | Sequence[EntryRow]) -> list[datetime]:
    return [row.created_at for row in rows[:1]]


def _jobs(changes: Changes) -> tuple[tuple[str, Columns], tuple[str, Columns]]:
    """Return the writes of new jobs and of changed ones."""
    new = [job for job in changes.jobs if job.id in changes.new_jobs]
    old = [job for job in changes.jobs if job.id not in changes.new_jobs]
    names = [field.name for field in attrs.fields(JobRow)]
    columns = columns_of(new, *names)
    columns[names.index("params")] = [orjson.dumps(job.params).decode() for job in new]
    return (
        ("books_jobs_insert", _as_texts(columns, names.index("avoid"))),
        ("books_jobs_update", _as_texts(columns_of(old, "id", *_JOB_UPDATED), -1)),
    )


def _units(changes: Changes) -> Iterator[tuple[str, Columns]]:
    new = [unit for unit in changes.units if unit.job_id in changes.new_jobs]
    old = [unit for unit in changes.units if unit.job_id not in changes.new_jobs]
    waiting = [unit for unit in new if is_untouched(unit)]
    moved = [unit for unit in new if not is_untouched(unit)]
    names = ("job_id", "number", *_UNIT_NEW, "missing")
    changing = (*_UNIT_UPDATED, *_UNIT_COPIED, *_UNIT_COUNTED)
    yield "books_units_queue", columns_of(waiting, *names)
    yield "books_units_insert", _unit_columns(moved, *_UNIT_NEW, *changing)
    yield "books_units_update", _unit_columns(old, *changing, "price")


def is_untouched(unit: UnitRow) -> bool:
    """Return True if the unit is new; a batch may have thousands of these."""
    return unit.state == "QUEUED" and unit.attempt == 0 and unit.error_class is None


def _unit_columns(units: Sequence[UnitRow], *names: str) -> Columns:
    columns = columns_of(units, "job_id", "number", *names)
    for name in _LISTS:
        columns = _as_texts(columns, 2 + names.index(name))
    return columns


def _as_texts(columns: Columns, position: int) -> Columns:
    """Convert arrays to text, as PostgreSQL's arrays of arrays must not be ragged."""
    columns[position] = ["{" + ",".join(map(str, nodes)) + "}" for nodes in columns[position]]
    return columns


def _columns_of(rows: Sequence[tuple[Any, ...]], width: int) -> Columns:
    return [[row[position] for row in rows] for position in range(width)]


def _posted(found: Any) -> dict[TransferKey, tuple[TransferRow, EntryRow]]:
    """Return earlier transfers, each with the subject's entry."""
    names = {row["id"]: _account_of(row) for row in found["posted_accounts"]}
    entries = {row["transfer_id"]: row for row in found["posted_entries"]}
    posted: dict[TransferKey, tuple[TransferRow, EntryRow]] = {}
    for row in found["posted"]:
        sides = {side: names[row[side]] for side in ("debit", "credit", "subject")}
        transfer = TransferRow(**row_values(TransferRow, {**row, **sides}))
        values = {**entries[transfer.id], "account": transfer.subject}
        entry = EntryRow(**row_values(EntryRow, values))
        posted[transfer.subject, transfer.kind, transfer.reference] = (transfer, entry)
    return posted


def _account_of(row: Any) -> str:
    """Return the account's name, also for one of its shards."""
    name: str = row["name"]
    return name if row["till_of"] is None else name.partition(":")[0]

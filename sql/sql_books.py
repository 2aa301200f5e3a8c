"""The books in PostgreSQL: a batch is read under locks in two round trips, and written in one."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import attrs
import orjson

from sql.books import (
    MADE_WHEN_NEEDED,
    AccountRow,
    Changes,
    EntryRow,
    HoldRow,
    JobRow,
    KeyRow,
    Keys,
    Rows,
    TransferRow,
    UnitRow,
)
from sql.database import Conflict, Connection
from sql.loader import QUERIES
from sql.purchase_rows import row_values
from sql.sql_earnings import counted, earners, earning_parts, lock_earnings
from sql.sql_purchases import lock_purchases, purchase_parts, with_owners
from sql.together import flat, together

Columns: TypeAlias = list[list[Any]]
_JOB_UPDATED: tuple[str, ...] = (
    *("status", "updated_at", "node_id", "retry_count", "result_ref", "error_message"),
    *("dispatched_at", "completed_at", "open_units", "failed_units", "cancelled_units"),
    "unit_error",
)
_UNIT_UPDATED: tuple[str, ...] = (
    *("state", "attempt", "node_id", "assigned_at", "lease_until", "not_before"),
    *("failures", "avoid", "result_key", "result_sha256", "result_size", "verified"),
    *("error_class", "error_message", "started_at", "ended_at"),
)
_PEOPLE = tuple(MADE_WHEN_NEEDED)


def numbers_for(keys: Keys, rows: Rows) -> int:
    """How many transfers there may be: whoever owes pays when he comes to something."""
    if not any(account.debt is not None for account in rows.accounts.values()):
        return keys.postings
    return 2 * keys.postings + len(keys.holds) + len(keys.whole)


class RowsMissing(Conflict):
    """A write touched fewer rows than were decided on: the transaction must not be committed."""


class SqlBooks:
    """A BooksTransaction over one connection that is inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}

    async def lock(self, keys: Keys) -> Rows:
        rows = Rows({}, {}, {}, {}, {}, {}, iter(()), iter(()))
        if keys.purchases:
            keys = await with_owners(self._connection, keys)
        concerned = keys.accounts | await earners(self._connection, keys)
        rows.accounts = await self._accounts(attrs.evolve(keys, accounts=concerned))
        self._ids = {account.name: account.id for account in rows.accounts.values()}
        if keys.purchases:
            await lock_purchases(self._connection, keys.purchases, rows)
        if keys.holds or keys.jobs or keys.units or keys.idempotency or keys.postings:
            await self._rows(keys, rows)
        if keys.transfers:
            columns = _columns_of(sorted(keys.transfers), 3)
            for row in await self._fetch("books_transfers_find", *columns):
                transfer, entry = _transfer(row)
                name = (transfer.subject, transfer.kind, transfer.reference)
                rows.transfers[name] = (transfer, entry)
        await lock_earnings(self._connection, keys, rows)
        return rows

    async def write(self, changes: Changes) -> None:
        """One statement for all that changes; each row that is meant must be found."""
        parts = [part for part in self._parts(changes) if part[1] and part[1][0]]
        if not parts:
            return
        names = tuple((name, len(columns)) for name, columns in parts)
        arguments = flat([columns for _, columns in parts])
        counts = await self._connection.fetchrow(together(names), *arguments)
        assert counts is not None, "it counts"
        several = counted(changes)
        for name, columns in parts:
            wanted = several.get(name, len(columns[0]))
            if counts[name] != wanted:
                raise RowsMissing(f"{name}: {counts[name]} of {wanted} rows")

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, name: str, *args: Any) -> Any:
        return await self._connection.fetch(QUERIES[name], *args)

    async def _accounts(self, keys: Keys) -> dict[str, AccountRow]:
        asked = (list(keys.accounts), list(keys.holds), list(keys.whole))
        found = await self._fetch("books_accounts_lock", *asked)
        known = {row["name"] for row in found}
        missing = [name for name in keys.accounts - known if name.startswith(_PEOPLE)]
        if missing:
            # In order, so that two gateways making the same accounts cannot wait for each other.
            missing.sort(key=lambda name: (name.startswith("debt:"), name))
            await self._connection.execute(QUERIES["books_accounts_make"], missing)
            found = await self._fetch("books_accounts_lock", *asked)
        locked = {row["id"] for row in found}
        debts = [row["debt"] for row in found if row["debt"] is not None]
        if not locked.issuperset(debts):
            found += await self._fetch("books_debts_lock", sorted(set(debts) - locked))
        return {row["name"]: AccountRow(**row) for row in found}

    async def _rows(self, keys: Keys, rows: Rows) -> None:
        """What the lock on the accounts keeps still."""
        used = _columns_of(sorted(keys.idempotency), 2)
        units = _columns_of(sorted(keys.units), 2)
        named = (list(keys.holds), list(keys.whole), list(keys.jobs), *units)
        asked = (*named, *used, numbers_for(keys, rows))
        [found] = await self._fetch("books_rows_lock", *asked)
        names = {number: name for name, number in self._ids.items()}
        for row in found["holds"]:
            if row["account_id"] not in names:
                raise Conflict("a hold came to be since its account was looked for")
            values = row_values(HoldRow, {**row, "account": names[row["account_id"]]})
            rows.holds[row["reference"]] = HoldRow(**values)
        rows.jobs = {row["id"]: JobRow(**row_values(JobRow, row)) for row in found["jobs"]}
        for row in found["units"]:
            values = row_values(UnitRow, {**row, "avoid": tuple(row["avoid"])})
            rows.units[row["job_id"], row["number"]] = UnitRow(**values)
        for row in found["keys"]:
            rows.idempotency[row["user_id"], row["key"]] = KeyRow(**row_values(KeyRow, row))
        rows.transfer_ids, rows.entry_ids = iter(found["transfers"]), iter(found["entries"])

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def _parts(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """The writes, each with a column of values for each of its parameters."""
        yield from _jobs(changes)
        yield from _units(changes)
        yield from self._holds(changes)
        yield (
            "books_accounts_write",
            _columns(changes.accounts, "id", "balance", "held", "version"),
        )
        yield from self._postings(changes)
        yield from purchase_parts(changes)
        yield from earning_parts(changes)
        columns = _columns(changes.idempotency, "user_id", "key", "request", "answer", "created_at")
        columns[3] = [orjson.dumps(answer).decode() for answer in columns[3]]
        yield "books_keys_insert", columns
        names = ("at", "actor_id", "actor", "act", "target", "reason", "request_id", "details")
        columns = _columns(changes.acts, *names)
        columns[-1] = [orjson.dumps(dict(details)).decode() for details in columns[-1]]
        yield "books_acts_insert", columns

    def _holds(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        new = [hold for hold in changes.holds if hold.reference in changes.new_holds]
        old = [hold for hold in changes.holds if hold.reference not in changes.new_holds]
        names = ("id", "account", "reference", "amount", "created_at", "settled", "state")
        yield "books_holds_insert", self._with_ids(_columns(new, *names, "closed_at"), 1)
        yield "books_holds_update", _columns(old, "reference", "state", "settled", "closed_at")

    def _postings(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        names = ("id", "debit", "credit", "subject", "amount", "kind", "reference")
        columns = _columns(changes.transfers, *names, "description", "created_at")
        yield "books_transfers_insert", self._with_ids(columns, 1, 2, 3)
        names = ("entry_id", "id", "transfer_id", "account", "version", "amount", "before")
        columns = _columns(changes.entries, *names, "after", "created_at")
        yield "books_entries_insert", self._with_ids(columns, 3)

    def _with_ids(self, columns: Columns, *positions: int) -> Columns:
        """Names of accounts become their ids."""
        for position in positions:
            columns[position] = [self._ids[name] for name in columns[position]]
        return columns


def _jobs(changes: Changes) -> Iterator[tuple[str, Columns]]:
    new = [job for job in changes.jobs if job.id in changes.new_jobs]
    old = [job for job in changes.jobs if job.id not in changes.new_jobs]
    names = [field.name for field in attrs.fields(JobRow)]
    columns = _columns(new, *names)
    columns[names.index("params")] = [orjson.dumps(job.params).decode() for job in new]
    yield "books_jobs_insert", columns
    yield "books_jobs_update", _columns(old, "id", *_JOB_UPDATED)


def _units(changes: Changes) -> Iterator[tuple[str, Columns]]:
    new = [unit for unit in changes.units if unit.job_id in changes.new_jobs]
    old = [unit for unit in changes.units if unit.job_id not in changes.new_jobs]
    yield "books_units_insert", _unit_columns(new, "price", *_UNIT_UPDATED)
    yield "books_units_update", _unit_columns(old, *_UNIT_UPDATED)


def _columns(rows: Sequence[Any], *names: str) -> Columns:
    return [[getattr(row, name) for row in rows] for name in names]


def _unit_columns(units: Sequence[UnitRow], *names: str) -> Columns:
    columns = _columns(units, "job_id", "number", *names)
    # An array of arrays must not be ragged: each goes as text.
    avoid = 2 + names.index("avoid")
    columns[avoid] = ["{" + ",".join(map(str, nodes)) + "}" for nodes in columns[avoid]]
    return columns


def _columns_of(rows: Sequence[tuple[Any, ...]], width: int) -> Columns:
    return [[row[position] for row in rows] for position in range(width)]


def _transfer(row: Any) -> tuple[TransferRow, EntryRow]:
    values: dict[str, Any] = {field.name: row[field.name] for field in attrs.fields(TransferRow)}
    transfer = TransferRow(**values)
    entry = EntryRow(
        entry_id=row["entry_id"],
        id=row["entry_uuid"],
        transfer_id=row["id"],
        account=row["subject"],
        version=row["version"],
        amount=row["entry_amount"],
        before=row["before"],
        after=row["after"],
        created_at=row["created_at"],
    )
    return transfer, entry

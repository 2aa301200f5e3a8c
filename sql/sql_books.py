"""The books in PostgreSQL: a batch is read under locks and written by one statement per table."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

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

Row = TypeVar("Row")
_JOB_UPDATED: tuple[str, ...] = (
    *("status", "updated_at", "node_id", "retry_count", "result_ref", "error_message"),
    *("dispatched_at", "completed_at"),
)
_UNIT_UPDATED: tuple[str, ...] = (
    *("state", "attempt", "node_id", "assigned_at", "lease_until", "not_before"),
    *("failures", "avoid", "result_key", "result_sha256", "result_size", "verified"),
    *("error_class", "error_message", "started_at", "ended_at"),
)
_PEOPLE = tuple(MADE_WHEN_NEEDED)


class RowsMissing(Conflict):
    """A write touched fewer rows than were decided on: the transaction must not be committed."""


class SqlBooks:
    """A BooksTransaction over one connection that is inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}

    async def lock(self, keys: Keys) -> Rows:
        accounts, holds = await self._resolve(keys)
        rows = Rows({}, {}, {}, {}, {}, {}, iter(()), iter(()))
        rows.accounts = await self._accounts(accounts)
        self._ids = {account.name: account.id for account in rows.accounts.values()}
        if holds:
            found = await self._fetch("books_holds_lock", list(holds))
            rows.holds = {row["reference"]: HoldRow(**row) for row in found}
        if keys.jobs:
            jobs = await self._fetch("books_jobs_lock", list(keys.jobs))
            rows.jobs = {row["id"]: JobRow(**row) for row in jobs}
        if rows.jobs:
            units = await self._fetch("books_units_lock", list(rows.jobs))
            rows.units = {(row["job_id"], row["number"]): _unit(row) for row in units}
        await self._read_unlocked(keys, rows)
        return rows

    async def write(self, changes: Changes) -> None:
        await self._write_jobs(changes)
        await self._write_units(changes)
        await self._write_holds(changes)
        await self._write_accounts(changes)
        await self._write_postings(changes)
        await self._write_keys(changes)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, name: str, *args: Any) -> Any:
        return await self._connection.fetch(QUERIES[name], *args)

    async def _resolve(self, keys: Keys) -> tuple[set[str], set[str]]:
        """Names of the accounts and references of the holds that the batch touches."""
        accounts, holds = set(keys.accounts), set(keys.holds)
        if keys.jobs:
            for row in await self._fetch("books_resolve", list(keys.jobs)):
                if row["reference"] is not None:
                    holds.add(row["reference"])
                    accounts.add(row["account"])
        if keys.holds:
            for row in await self._fetch("books_hold_accounts", list(keys.holds)):
                accounts.add(row["name"])
        return accounts, holds

    async def _accounts(self, names: set[str]) -> dict[str, AccountRow]:
        if not names:
            return {}
        found = await self._fetch("books_accounts_lock", list(names))
        missing = names - {row["name"] for row in found}
        missing = {name for name in missing if name.startswith(_PEOPLE)}
        if missing:
            # In order, so that two gateways making the same accounts cannot wait for each other.
            await self._connection.execute(QUERIES["books_accounts_make"], sorted(missing))
            found = await self._fetch("books_accounts_lock", list(names))
        return {row["name"]: AccountRow(**row) for row in found}

    async def _read_unlocked(self, keys: Keys, rows: Rows) -> None:
        """What the lock on the accounts keeps still."""
        if keys.transfers:
            columns = _columns_of(sorted(keys.transfers), 3)
            for row in await self._fetch("books_transfers_find", *columns):
                transfer, entry = _transfer(row)
                rows.transfers[transfer.subject, transfer.kind, transfer.reference] = (
                    transfer,
                    entry,
                )
        if keys.idempotency:
            columns = _columns_of(sorted(keys.idempotency), 2)
            for row in await self._fetch("books_keys_find", *columns):
                rows.idempotency[row["user_id"], row["key"]] = KeyRow(**row)
        if keys.postings:
            numbers = await self._fetch("books_numbers", keys.postings)
            rows.transfer_ids = iter([row["transfer"] for row in numbers])
            rows.entry_ids = iter([n for row in numbers for n in (row["debit"], row["credit"])])

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def _run(self, name: str, columns: Sequence[Sequence[Any]]) -> None:
        """One statement for all rows; each must find its row."""
        if not columns or not columns[0]:
            return
        done = await self._connection.execute(QUERIES[name], *columns)
        touched = int(done.rsplit(" ", 1)[1])
        if touched != len(columns[0]):
            raise RowsMissing(f"{name}: {touched} of {len(columns[0])} rows")

    async def _write_accounts(self, changes: Changes) -> None:
        await self._run(
            "books_accounts_write", _columns(changes.accounts, "id", "balance", "held", "version")
        )

    async def _write_jobs(self, changes: Changes) -> None:
        new = [job for job in changes.jobs if job.id in changes.new_jobs]
        old = [job for job in changes.jobs if job.id not in changes.new_jobs]
        names = [field.name for field in attrs.fields(JobRow)]
        columns = _columns(new, *names)
        if new:
            columns[names.index("params")] = [orjson.dumps(job.params).decode() for job in new]
        await self._run("books_jobs_insert", columns)
        await self._run("books_jobs_update", _columns(old, "id", *_JOB_UPDATED))

    async def _write_units(self, changes: Changes) -> None:
        new = [unit for unit in changes.units if unit.job_id in changes.new_jobs]
        old = [unit for unit in changes.units if unit.job_id not in changes.new_jobs]
        await self._run("books_units_insert", _unit_columns(new, "price", *_UNIT_UPDATED))
        await self._run("books_units_update", _unit_columns(old, *_UNIT_UPDATED))

    async def _write_holds(self, changes: Changes) -> None:
        new = [hold for hold in changes.holds if hold.reference in changes.new_holds]
        old = [hold for hold in changes.holds if hold.reference not in changes.new_holds]
        names = ("id", "account", "reference", "amount", "created_at", "settled", "state")
        columns = _columns(new, *names, "closed_at")
        await self._run("books_holds_insert", self._with_ids(columns, 1))
        await self._run(
            "books_holds_update", _columns(old, "reference", "state", "settled", "closed_at")
        )

    async def _write_postings(self, changes: Changes) -> None:
        names = ("id", "debit", "credit", "subject", "amount", "kind", "reference")
        columns = _columns(changes.transfers, *names, "description", "created_at")
        await self._run("books_transfers_insert", self._with_ids(columns, 1, 2, 3))
        names = ("entry_id", "id", "transfer_id", "account", "version", "amount", "before")
        columns = _columns(changes.entries, *names, "after", "created_at")
        await self._run("books_entries_insert", self._with_ids(columns, 3))

    async def _write_keys(self, changes: Changes) -> None:
        columns = _columns(changes.idempotency, "user_id", "key", "request", "answer", "created_at")
        if columns[0]:
            columns[3] = [orjson.dumps(answer).decode() for answer in columns[3]]
        await self._run("books_keys_insert", columns)

    def _with_ids(self, columns: list[list[Any]], *positions: int) -> list[list[Any]]:
        """Names of accounts become their ids."""
        for position in positions:
            columns[position] = [self._ids[name] for name in columns[position]]
        return columns


def _columns(rows: Iterable[Any], *names: str) -> list[list[Any]]:
    rows = list(rows)
    return [[getattr(row, name) for row in rows] for name in names]


def _unit_columns(units: Sequence[UnitRow], *names: str) -> list[list[Any]]:
    columns = _columns(units, "job_id", "number", *names)
    # An array of arrays must not be ragged: each goes as text.
    avoid = 2 + names.index("avoid")
    columns[avoid] = ["{" + ",".join(map(str, nodes)) + "}" for nodes in columns[avoid]]
    return columns


def _columns_of(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[position] for row in rows] for position in range(width)]


def _unit(row: Any) -> UnitRow:
    values: dict[str, Any] = {**row, "avoid": tuple(row["avoid"])}
    return UnitRow(**values)


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

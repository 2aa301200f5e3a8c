"""Earnings in PostgreSQL: read and written in the transaction of the books."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from sql.books import Changes, Keys, Rows, UnitId
from sql.database import Conflict, Connection
from sql.earnings import (
    OPERATOR,
    SHARES_MOST,
    STAKE_SHARES,
    WITHHELD_MOST,
    DisputeRow,
    EarningRow,
    FineRow,
    PayableRow,
    PayoutRow,
)
from sql.query_loader import QUERIES
from sql.statement_batch import Columns, columns_of

Part: TypeAlias = tuple[str, Columns]
_OF_FINE: Final = tuple(field.name for field in attrs.fields(FineRow))


async def earners(connection: Connection, keys: Keys) -> frozenset[str]:
    """Return the accounts of a batch's earnings and payouts, which must be locked."""
    if not (keys.earnings or keys.payouts or keys.withdrawn):
        return frozenset()
    named = (*_units(keys.earnings), list(keys.payouts), *_units(keys.withdrawn))
    rows = await connection.fetch(QUERIES["books_earners"], *named)
    return frozenset(row["name"] for row in rows)


async def lock_earnings(connection: Connection, keys: Keys, rows: Rows) -> None:
    """Read earnings into ``rows``, whose accounts are locked. Raises Conflict if one moved."""
    if keys.earnings or keys.payouts:
        named = (*_units(keys.earnings), list(keys.payouts))
        [found] = await connection.fetch(QUERIES["books_earnings_lock"], *named)
        payouts = [PayoutRow(**_values(PayoutRow, row)) for row in found["payouts"]]
        _add(rows, found)
        rows.payouts = {row.id: row for row in payouts}
        await _lock_waiting(connection, rows)
    await _lock_stakes(connection, keys, rows)
    if any(one.account not in rows.accounts for one in rows.earnings.values()):
        raise Conflict("a share was claimed or forfeited since its account was looked up")
    if keys.payable:
        asked = (list(keys.payable), SHARES_MOST)
        for row in await connection.fetch(QUERIES["books_payable"], *asked):
            rows.payable[row["operator_id"]] = PayableRow(**row)


async def _lock_waiting(connection: Connection, rows: Rows) -> None:
    """Read since when deliveries of the locked shares' operators wait for their verdicts."""
    accounts = {share.account for share in rows.earnings.values() if share.operator_id is not None}
    if accounts:
        asked = (list(accounts), rows.now - WITHHELD_MOST)
        for row in await connection.fetch(QUERIES["books_waiting"], *asked):
            rows.waiting[UUID(row["operator"].removeprefix(OPERATOR))] = row["since"]


async def _lock_stakes(connection: Connection, keys: Keys, rows: Rows) -> None:
    """Read stakes, shares that fines may take, and fines for withdrawn units."""
    if keys.stakes:
        named = (list(keys.stakes), rows.now, STAKE_SHARES)
        for row in await connection.fetch(QUERIES["books_stakes"], *named):
            rows.stakes[row["operator_id"]] = row["pending"]
    if keys.fines:
        owing, dues = [who for who, _ in keys.fines], [due for _, due in keys.fines]
        asked = (owing, dues, *_units(keys.earnings))
        [found] = await connection.fetch(QUERIES["books_fines_shares"], *asked)
        _add(rows, found)
    if keys.withdrawn:
        [found] = await connection.fetch(QUERIES["books_fines_lock"], *_units(keys.withdrawn))
        _add(rows, found)
        fines = [FineRow(**_values(FineRow, row)) for row in found["fines"]]
        rows.fines = {row.id: row for row in fines}


def _add(rows: Rows, found: Any) -> None:
    """Add shares and their disputes to the locked rows."""
    earnings = [EarningRow(**_values(EarningRow, row)) for row in found["earnings"]]
    disputes = [DisputeRow(**_values(DisputeRow, row)) for row in found["disputes"]]
    rows.earnings |= {(row.job_id, row.unit): row for row in earnings}
    rows.disputes |= {(row.job_id, row.unit): row for row in disputes}


def earning_parts(changes: Changes) -> Iterator[Part]:
    """Yield the writes, each with a column of values per parameter."""
    new = [row for row in changes.earnings if (row.job_id, row.unit) in changes.new_earnings]
    old = [row for row in changes.earnings if (row.job_id, row.unit) not in changes.new_earnings]
    names = ("id", "job_id", "unit", "node_id", "operator_id", "amount", "state", "earned_at")
    yield "books_earnings_insert", columns_of(new, *names, "payable_at")
    yield "books_earnings_update", columns_of(old, "job_id", "unit", "state", "operator_id")
    yield from _payouts(changes)
    yield from _disputes(changes)
    yield from _fines(changes)


def _fines(changes: Changes) -> Iterator[Part]:
    new = [row for row in changes.fines if row.id in changes.new_fines]
    returned = [row for row in changes.fines if row.id not in changes.new_fines]
    yield "books_fines_insert", columns_of(new, *_OF_FINE)
    yield "books_fines_return", columns_of(returned, *_OF_FINE[:4], "returned_at")


def counted(changes: Changes) -> Mapping[str, int]:
    """Return the expected row counts of writes that change several rows per parameter row."""
    return {
        "books_earnings_take": sum(row.units for row in _taken(changes)),
        "books_earnings_close": sum(row.units for row in _closed(changes)),
    }


def _payouts(changes: Changes) -> Iterator[Part]:
    new, old = _taken(changes), [r for r in changes.payouts if r.id not in changes.new_payouts]
    names = ("id", "operator_id", "kind", "amount", "units", "state", "batch_id", "reference")
    yield "books_payouts_insert", columns_of(new, *names, "requested_at", "closed_at")
    states = [["PAID" if row.state == "PAID" else "PAYABLE" for row in new]]
    taken = columns_of(new, "id", "operator_id") + states + columns_of(new, "units")
    yield "books_earnings_take", taken
    yield (
        "books_payouts_update",
        columns_of(old, "id", "state", "batch_id", "reference", "closed_at"),
    )
    closed = _closed(changes)
    paid = [[row.state == "PAID" for row in closed]]
    yield "books_earnings_close", columns_of(closed, "id") + paid


def _disputes(changes: Changes) -> Iterator[Part]:
    new = [row for row in changes.disputes if (row.job_id, row.unit) in changes.new_disputes]
    old = [row for row in changes.disputes if (row.job_id, row.unit) not in changes.new_disputes]
    names = ("id", "job_id", "unit", "user_id", "reason", "charge", "state", "decision")
    more = ("opened_at", "decided_at", "by_gateway")
    yield "books_disputes_insert", columns_of(new, *names, *more)
    changing = ("job_id", "unit", "state", "decision", "decided_at")
    yield "books_disputes_update", columns_of(old, *changing)


def _taken(changes: Changes) -> list[PayoutRow]:
    return [row for row in changes.payouts if row.id in changes.new_payouts]


def _closed(changes: Changes) -> list[PayoutRow]:
    return [
        row
        for row in changes.payouts
        if row.id not in changes.new_payouts and row.closed_at is not None
    ]


def _units(units: frozenset[UnitId]) -> tuple[list[UUID], list[int]]:
    return [job for job, _ in units], [number for _, number in units]


def _values(kind: type[Any], row: Any) -> dict[str, Any]:
    return {field.name: row[field.name] for field in attrs.fields(kind)}

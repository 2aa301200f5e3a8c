"""What operators earn in PostgreSQL: read and written in the transaction of the books."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs
import orjson

from sql.books import Changes, Keys, Rows
from sql.database import Conflict, Connection
from sql.earnings import (
    SHARES_MOST,
    DisputeRow,
    EarningRow,
    FineDue,
    FineRow,
    PayableRow,
    PayoutRow,
)
from sql.loader import QUERIES
from sql.together import Columns, columns_of

Part: TypeAlias = tuple[str, Columns]
_OF_FINE: Final = tuple(field.name for field in attrs.fields(FineRow))


async def earners(connection: Connection, keys: Keys) -> frozenset[str]:
    """The accounts on which the earnings and payouts of a batch lie; they are to be locked."""
    if not (keys.earnings or keys.payouts):
        return frozenset()
    rows = await connection.fetch(QUERIES["books_earners"], *_units(keys), list(keys.payouts))
    return frozenset(row["name"] for row in rows)


async def lock_earnings(connection: Connection, keys: Keys, rows: Rows) -> None:
    """Read them into ``rows``, whose accounts are locked. Raises Conflict when one has moved."""
    if keys.earnings or keys.payouts:
        named = (*_units(keys), list(keys.payouts))
        [found] = await connection.fetch(QUERIES["books_earnings_lock"], *named)
        earnings = [EarningRow(**_values(EarningRow, row)) for row in found["earnings"]]
        disputes = [DisputeRow(**_values(DisputeRow, row)) for row in found["disputes"]]
        payouts = [PayoutRow(**_values(PayoutRow, row)) for row in found["payouts"]]
        if any(one.account not in rows.accounts for one in earnings):
            raise Conflict("a share was claimed since its account was looked for")
        rows.earnings = {(row.job_id, row.unit): row for row in earnings}
        rows.disputes = {(row.job_id, row.unit): row for row in disputes}
        rows.payouts = {row.id: row for row in payouts}
    if keys.payable:
        asked = (list(keys.payable), SHARES_MOST)
        for row in await connection.fetch(QUERIES["books_payable"], *asked):
            rows.payable[row["operator_id"]] = PayableRow(**row)


def earning_parts(changes: Changes) -> Iterator[Part]:
    """The writes, each with a column of values for each of its parameters."""
    new = [row for row in changes.earnings if (row.job_id, row.unit) in changes.new_earnings]
    old = [row for row in changes.earnings if (row.job_id, row.unit) not in changes.new_earnings]
    names = ("id", "job_id", "unit", "node_id", "operator_id", "amount", "state", "earned_at")
    yield "books_earnings_insert", columns_of(new, *names, "payable_at", "work", "attempt")
    yield "books_earnings_update", columns_of(old, "job_id", "unit", "state", "operator_id")
    yield from _payouts(changes)
    yield from _disputes(changes)
    yield "books_fines_insert", columns_of(changes.fines, *_OF_FINE)


def counted(changes: Changes) -> Mapping[str, int]:
    """How many rows those writes change that change several for each row of theirs."""
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


def _units(keys: Keys) -> tuple[list[Any], list[int]]:
    return [job for job, _ in keys.earnings], [number for _, number in keys.earnings]


def fine_due(row: Any) -> FineDue:
    """Return a row of ``fines_due``."""
    pending = (orjson.loads(one) for one in row["pending"])
    return FineDue(
        invalid=(row["job_id"], row["unit"], row["attempt"]),
        share=row["share"],
        odds=row["odds"],
        fined=row["fined"],
        pending=tuple((UUID(job), unit, amount) for job, unit, amount in pending),
    )


def _values(kind: type[Any], row: Any) -> dict[str, Any]:
    return {field.name: row[field.name] for field in attrs.fields(kind)}

"""Earnings of operators in the books: shares, disputes, payouts, fines."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import attrs

from sql.account_names import OPERATOR, earning_account
from sql.database import Conflict, Connection, names_of, row_as
from sql.query_loader import QUERIES
from sql.statement_batch import Part, columns_of

if TYPE_CHECKING:
    from sql.books import Changes, Keys, Rows, UnitId

SHARES_MOST = 5_000  # per payout; operators with more shares repeat the request
# How long a result without a verdict keeps its operator's other shares from maturing. After this
# time an admin decides about a share that the gateway has withheld.
WITHHELD_MOST = timedelta(days=30)
# number of an operator's newest pending shares that count as their stake; if all shares are equal,
# a fine takes fewer
STAKE_SHARES = 400
FineId: TypeAlias = tuple[UUID, tuple[UUID, int, int]]  # share; job, unit and attempt of the result


@attrs.frozen
class EarningRow:
    """The operator's share for one unit. While the node has no owner, the share is in suspense."""

    id: UUID
    job_id: UUID
    unit: int
    node_id: UUID
    operator_id: UUID | None
    amount: int
    state: str
    earned_at: datetime
    payable_at: datetime
    payout_id: UUID | None = None

    @property
    def account(self) -> str:
        """The account that holds the share."""
        return earning_account(self.operator_id)


@attrs.frozen
class DisputeRow:
    """A dispute. ``by_gateway``: the gateway opened the dispute, and a check decides the dispute.

    The gateway opens a dispute if this unit was not fully compared and the node, or another node of
    its owner, had an invalid result.
    """

    id: UUID
    job_id: UUID
    unit: int
    user_id: UUID
    reason: str
    charge: int
    opened_at: datetime
    state: str = "OPEN"
    decision: str = ""
    decided_at: datetime | None = None
    by_gateway: bool = False


@attrs.frozen
class GivenComparison:
    """The result of a creator's own render.

    ``places``: where that render differs most from the delivered frame.
    """

    verdict: str
    said: str
    places: Sequence[tuple[float, float]]
    picture: bytes | None = attrs.field(repr=False)


@attrs.frozen
class ComparisonRow:
    """A comparison and the dispute that carries it."""

    dispute_id: UUID
    given: GivenComparison


@attrs.frozen
class FineRow:
    """A forfeited share, and the invalid result that it was forfeited for.

    ``returned_at``: when the fine was returned because the scene was at fault.
    """

    share_id: UUID
    job_id: UUID
    unit: int
    attempt: int
    at: datetime
    returned_at: datetime | None = None

    @property
    def id(self) -> "FineId":
        """The share, and the attempt that it was forfeited for."""
        return self.share_id, (self.job_id, self.unit, self.attempt)


@attrs.frozen
class PayoutRow:
    """A payout; ``units``: the number of shares that it pays."""

    id: UUID
    operator_id: UUID
    kind: str
    amount: int
    units: int
    state: str
    requested_at: datetime
    batch_id: UUID | None = None
    reference: str = ""
    closed_at: datetime | None = None


@attrs.frozen
class PayableRow:
    """The number and the sum of an operator's payable shares."""

    operator_id: UUID
    units: int
    amount: int


@attrs.frozen
class MaturedEarning:
    """A share whose dispute window is over, so that it may become payable."""

    job: UUID
    unit: int


@attrs.frozen
class UncheckedEarning:
    """A pending share for a unit that was not fully compared, if its node or another node of the
    same owner had an invalid result.
    """

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class ClaimableEarning:
    """A share in suspense whose node has an owner."""

    job: UUID
    unit: int
    owner: UUID


async def earners(connection: Connection, keys: "Keys") -> set[str]:
    """Return the accounts of a batch's earnings and payouts, so that they can be locked."""
    if not (keys.earnings or keys.payouts or keys.withdrawn):
        return set()
    named = (*_units(keys.earnings), list(keys.payouts), *_units(keys.withdrawn))
    rows = await connection.fetch(QUERIES["books_earners"], *named)
    return {row["name"] for row in rows}


async def lock_earnings(connection: Connection, keys: "Keys", rows: "Rows") -> None:
    """Read earnings into ``rows``; their accounts must be locked.

    Raises Conflict if an earning has moved to another account.
    """
    if keys.earnings or keys.payouts:
        named = (*_units(keys.earnings), list(keys.payouts))
        [found] = await connection.fetch(QUERIES["books_earnings_lock"], *named)
        payouts = [row_as(PayoutRow, row) for row in found["payouts"]]
        _add(rows, found)
        rows.payouts = {row.id: row for row in payouts}
        await _lock_waiting(connection, rows)
    await _lock_stakes(connection, keys, rows)
    if any(one.account not in rows.accounts for one in rows.earnings.values()):
        raise Conflict("a share was claimed or forfeited after its account had been looked up")
    if keys.payable:
        asked = (list(keys.payable), SHARES_MOST)
        for row in await connection.fetch(QUERIES["books_payable"], *asked):
            rows.payable[row["operator_id"]] = PayableRow(**row)


async def _lock_waiting(connection: Connection, rows: "Rows") -> None:
    """For operators of the locked shares, read since when their deliveries wait for a verdict."""
    accounts = {share.account for share in rows.earnings.values() if share.operator_id is not None}
    if accounts:
        asked = (list(accounts), rows.now - WITHHELD_MOST)
        for row in await connection.fetch(QUERIES["books_waiting"], *asked):
            rows.waiting[UUID(row["operator"].removeprefix(OPERATOR))] = row["since"]


async def _lock_stakes(connection: Connection, keys: "Keys", rows: "Rows") -> None:
    """Read the sums of pending shares, the shares that fines may take, and fines for withdrawn
    results.
    """
    if keys.stakes:
        named = (list(keys.stakes), rows.now, STAKE_SHARES)
        for row in await connection.fetch(QUERIES["books_stakes"], *named):
            rows.stakes[row["operator_id"]] = row["pending"]
    if keys.fines:
        owing = sorted(keys.fines)
        asked = (owing, [keys.fines[who] for who in owing], *_units(keys.earnings))
        [found] = await connection.fetch(QUERIES["books_fines_shares"], *asked)
        _add(rows, found)
    if keys.withdrawn:
        [found] = await connection.fetch(QUERIES["books_fines_lock"], *_units(keys.withdrawn))
        _add(rows, found)
        fines = [row_as(FineRow, row) for row in found["fines"]]
        rows.fines = {row.id: row for row in fines}


def _add(rows: "Rows", found: Any) -> None:
    """Add shares and their disputes to the locked rows."""
    earnings = [row_as(EarningRow, row) for row in found["earnings"]]
    disputes = [row_as(DisputeRow, row) for row in found["disputes"]]
    rows.earnings |= {(row.job_id, row.unit): row for row in earnings}
    rows.disputes |= {(row.job_id, row.unit): row for row in disputes}


def earning_parts(changes: "Changes") -> Iterator[Part]:
    """Yield the writes of a batch, each with a column of values per parameter."""
    new = [row for row in changes.earnings if (row.job_id, row.unit) in changes.new_earnings]
    old = [row for row in changes.earnings if (row.job_id, row.unit) not in changes.new_earnings]
    names = ("id", "job_id", "unit", "node_id", "operator_id", "amount", "state", "earned_at")
    yield "books_earnings_insert", columns_of(new, *names, "payable_at")
    yield "books_earnings_update", columns_of(old, "job_id", "unit", "state", "operator_id")
    yield from _payouts(changes)
    yield from _disputes(changes)


def fine_parts(changes: "Changes") -> Iterator[Part]:
    """Yield the writes of new fines and of those that are paid back."""
    new = [row for row in changes.fines if row.id in changes.new_fines]
    returned = [row for row in changes.fines if row.id not in changes.new_fines]
    yield "books_fines_insert", columns_of(new, *names_of(FineRow))
    yield "books_fines_return", columns_of(returned, *names_of(FineRow)[:4], "returned_at")


def counted(changes: "Changes") -> Mapping[str, int]:
    """Return the expected row counts of writes in which one set of parameters changes several
    rows.
    """
    return {
        "books_earnings_take": sum(row.units for row in _taken(changes)),
        "books_earnings_close": sum(row.units for row in _closed(changes)),
    }


def _payouts(changes: "Changes") -> Iterator[Part]:
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


def _disputes(changes: "Changes") -> Iterator[Part]:
    new = [row for row in changes.disputes if (row.job_id, row.unit) in changes.new_disputes]
    old = [row for row in changes.disputes if (row.job_id, row.unit) not in changes.new_disputes]
    names = ("id", "job_id", "unit", "user_id", "reason", "charge", "state", "decision")
    more = ("opened_at", "decided_at", "by_gateway")
    yield "books_disputes_insert", columns_of(new, *names, *more)
    changing = ("job_id", "unit", "state", "decision", "decided_at")
    reopened = ("id", "reason", "opened_at", "by_gateway")
    yield "books_disputes_update", columns_of(old, *changing, *reopened)
    given = [row.given for row in changes.comparisons]
    places = [places_text(one) for one in given]
    named = columns_of(changes.comparisons, "dispute_id") + columns_of(given, "verdict", "said")
    yield "books_comparisons_insert", [*named, places, *columns_of(given, "picture")]


def places_text(given: GivenComparison) -> str:
    """Return the places in PostgreSQL's text form of an array, as arrays of arrays cannot be
    unnested.
    """
    return "{" + ",".join(repr(share) for place in given.places for share in place) + "}"


def _taken(changes: "Changes") -> list[PayoutRow]:
    return [row for row in changes.payouts if row.id in changes.new_payouts]


def _closed(changes: "Changes") -> list[PayoutRow]:
    return [
        row
        for row in changes.payouts
        if row.id not in changes.new_payouts and row.closed_at is not None
    ]


def _units(units: "set[UnitId]") -> tuple[list[UUID], list[int]]:
    return [job for job, _ in units], [number for _, number in units]

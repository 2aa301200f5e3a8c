"""Earnings, payouts and disputes for operators, creators and admins."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.database import Database
from sql.earnings import withheld_until
from sql.page import Page


@attrs.frozen
class ShareRow:
    """An operator's share of a charge.

    ``disputed``: there is an open dispute. ``has_receipt``: the node signed its work. ``entry_id``:
    the entry that pays it. ``decision``: for a reversed share, the check's finding; '' if an admin
    decided.
    """

    id: UUID
    job_id: UUID
    unit: int
    node_id: UUID
    amount: int
    state: str
    earned_at: datetime
    payable_at: datetime
    payout_id: UUID | None
    disputed: bool
    has_receipt: bool
    entry_id: int | None
    decision: str | None = None


@attrs.frozen
class EarningTotals:
    """Sums in units of money.

    ``requested``: payable shares that are part of an open payout of money.
    """

    pending: int = 0
    payable: int = 0
    requested: int = 0
    paid: int = 0
    reversed: int = 0
    forfeited: int = 0


@attrs.frozen
class PayoutShown:
    """A payout and its operator."""

    id: UUID
    operator_id: UUID
    email: str
    name: str
    kind: str
    amount: int
    units: int
    state: str
    batch_id: UUID | None
    reference: str
    requested_at: datetime
    closed_at: datetime | None


@attrs.frozen
class DisputeShown:
    """A dispute and the share it holds back; without an operator if the unit earned nothing.

    ``by_gateway``: the gateway withholds the share until a check decides.
    """

    id: UUID
    job_id: UUID
    unit: int
    user_id: UUID
    reason: str
    charge: int
    state: str
    decision: str
    opened_at: datetime
    decided_at: datetime | None
    by_gateway: bool
    operator_id: UUID | None
    share: int

    @property
    def withheld_until(self) -> datetime | None:
        """The time at which an admin must decide if no check has.

        None: the gateway withholds no share.
        """
        return withheld_until(self.opened_at, self.state, by_gateway=self.by_gateway)


@attrs.frozen
class GivenComparison:
    """The result of a creator's own render; ``places``: where it differs most."""

    verdict: str
    said: str
    places: Sequence[tuple[float, float]]
    picture: bytes | None = attrs.field(repr=False)


@attrs.frozen
class AccountVersion:
    """An account between two entries; ``version``: the number of the entry before that moment."""

    version: int = 0
    balance: int = 0


@attrs.frozen
class StatementRow:
    """One entry of a statement; a negative amount is a debit."""

    entry_id: int
    version: int
    created_at: datetime
    kind: str
    amount: int
    balance: int
    description: str
    job_id: UUID | None
    unit: int | None
    node_id: UUID | None
    payout_id: UUID | None


class Operators:
    """Reads; each raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- shares

    async def earnings(
        self, operator: UUID, state: str | None, span: Page
    ) -> Sequence[ShareRow] | None:
        """Return a page of an operator's shares, newest first.

        None if ``after`` is not the operator's.
        """
        if not await self._is_known("earning_is_of_operator", operator, span.after):
            return None
        bounds = (span.limit, span.offset, span.after, state)
        rows = await self._database.all("earnings_of_operator", operator, *bounds)
        return [ShareRow(**row) for row in rows]

    async def _is_known(self, query: str, owner: UUID | None, after: UUID | None) -> bool:
        return after is None or await self._database.one(query, owner, after) is not None

    async def totals(self, operator: UUID) -> tuple[EarningTotals, Mapping[str, int]]:
        """Return the sums of an operator's shares, and their number in each state."""
        amounts, counts = dict[str, int](), dict[str, int]()
        for row in await self._database.all("earnings_totals", operator):
            name = "requested" if row["requested"] else str(row["state"]).lower()
            amounts[name] = row["amount"]
            counts[row["state"]] = counts.get(row["state"], 0) + row["units"]
        return EarningTotals(**amounts), counts

    # -- payouts

    async def payouts(
        self, operator: UUID | None, state: str | None, span: Page
    ) -> Sequence[PayoutShown] | None:
        """Return a page of payouts, newest first, of one operator or of all.

        None if ``after`` is unknown.
        """
        if not await self._is_known("payout_is_known", operator, span.after):
            return None
        bounds = (span.after, span.limit, span.offset)
        rows = await self._database.all("payouts_page", operator, state, *bounds)
        return [PayoutShown(**row) for row in rows]

    async def payouts_count(self, operator: UUID | None, state: str | None) -> int:
        return _count(await self._database.one("payouts_count", operator, state))

    async def payouts_by_id(
        self, ids: Sequence[UUID] = (), batches: Sequence[UUID] = ()
    ) -> Sequence[PayoutShown]:
        """Return these payouts, and those of these batches, oldest first."""
        rows = await self._database.all("payouts_by_id", list(ids), list(batches))
        return [PayoutShown(**row) for row in rows]

    # -- disputes

    async def disputes(
        self, user: UUID | None, state: str | None, span: Page, *, by_gateway: bool | None = None
    ) -> Sequence[DisputeShown] | None:
        """Return a page of disputes, newest first, of one creator or of all.

        None: unknown ``after``. ``by_gateway``: only those that the gateway opened, or only the
        others.
        """
        if not await self._is_known("dispute_is_known", user, span.after):
            return None
        bounds = (span.after, span.limit, span.offset)
        rows = await self._database.all("disputes_page", user, state, *bounds, by_gateway)
        return [DisputeShown(**row) for row in rows]

    async def disputes_count(
        self, user: UUID | None, state: str | None, *, by_gateway: bool | None = None
    ) -> int:
        return _count(await self._database.one("disputes_count", user, state, by_gateway))

    async def dispute(self, dispute: UUID) -> DisputeShown | None:
        row = await self._database.one("dispute_by_id", dispute)
        return None if row is None else DisputeShown(**row)

    async def dispute_of(self, job: UUID, unit: int) -> DisputeShown | None:
        row = await self._database.one("dispute_of_unit", job, unit)
        return None if row is None else DisputeShown(**row)

    async def comparisons_beside(self, user: UUID, job: UUID, unit: int) -> int:
        """Count the user's open comparisons about other units."""
        row = await self._database.one("comparisons_beside", user, job, unit)
        return 0 if row is None else int(row["others"])

    async def keep_comparison(self, dispute: UUID, given: "GivenComparison") -> None:
        """Store the comparison attached to a dispute, once."""
        places = [share for place in given.places for share in place]
        values = (given.verdict, given.said, places, given.picture)
        await self._database.all("comparison_keep", dispute, *values)

    async def comparison_picture(self, job: UUID, unit: int, who: UUID | None) -> bytes | None:
        """Return the PNG if ``who`` is the unit's creator or operator.

        ``who`` None: for any user.
        """
        row = await self._database.one("comparison_picture", job, unit, who)
        return None if row is None else bytes(row["picture"])

    # -- statements

    async def moment(self, operator: UUID, at: datetime) -> AccountVersion:
        """Return an operator's account as of a time."""
        row = await self._database.one("statement_at", operator, at)
        return AccountVersion() if row is None else AccountVersion(**row)

    async def sums(self, operator: UUID, after: int, last: int) -> Mapping[str, int]:
        """Return the sums of the entries between two numbers, by kind."""
        rows = await self._database.all("statement_sums", operator, after, last)
        return {row["kind"]: row["amount"] for row in rows}

    async def lines(
        self, operator: UUID, after: int, last: int, limit: int
    ) -> Sequence[StatementRow]:
        """Return the entries between two numbers, oldest first."""
        rows = await self._database.all("statement_lines", operator, after, last, limit)
        return [StatementRow(**row) for row in rows]


def _count(row: Any) -> int:
    return 0 if row is None else int(row["count"])

"""Earnings, payouts and statements for operators and admins."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

import attrs

from sql.database import Table
from sql.page import Page


@attrs.frozen
class ShareRow:
    """An operator's share of a charge.

    ``disputed``: there is an open dispute. ``has_receipt``: the node signed its work. ``entry_id``:
    the entry that pays the share. ``decision``: for a reversed share, the check's finding; '' if an
    admin decided.
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
class AccountVersion:
    """An account at one moment; ``version``: the number of the account's last entry before it."""

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


@attrs.frozen
class EarningsLine:
    """A line of a statement as PDF: the ``entries`` of a kind on a day, about a node or a payout.

    ``node``: the node's name.
    """

    day: date
    kind: str
    entries: int
    amount: int
    payout_id: UUID | None
    node: str | None


class Operators(Table):
    # -- shares

    async def earnings(
        self, operator: UUID, state: str | None, span: Page
    ) -> Sequence[ShareRow] | None:
        """Return a page of an operator's shares, newest first.

        None if ``span.after`` is not a share of the operator.
        """
        if not await span.is_known(self._database, "earning_is_of_operator", operator):
            return None
        bounds = (span.limit, span.offset, span.after, state)
        return await self._database.rows(ShareRow, "earnings_of_operator", operator, *bounds)

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

        None if ``span.after`` is not one of these payouts.
        """
        if not await span.is_known(self._database, "payout_is_known", operator):
            return None
        bounds = (span.after, span.limit, span.offset)
        return await self._database.rows(PayoutShown, "payouts_page", operator, state, *bounds)

    async def payouts_count(self, operator: UUID | None, state: str | None) -> int:
        return await self._database.number("payouts_count", operator, state)

    async def payouts_by_id(
        self, ids: Sequence[UUID] = (), batches: Sequence[UUID] = ()
    ) -> Sequence[PayoutShown]:
        """Return the payouts with these ids, and the payouts of these batches, oldest first."""
        return await self._database.rows(PayoutShown, "payouts_by_id", list(ids), list(batches))

    # -- statements

    async def moment(self, operator: UUID, at: datetime) -> AccountVersion:
        """Return an operator's account as it was at a time."""
        return (
            await self._database.row(AccountVersion, "statement_at", operator, at)
            or AccountVersion()
        )

    async def sums(self, operator: UUID, after: int, last: int) -> Mapping[str, int]:
        """Return the sums, by kind, of the account's entries after version ``after`` up to
        ``last``.
        """
        rows = await self._database.all("statement_sums", operator, after, last)
        return {row["kind"]: row["amount"] for row in rows}

    async def lines(
        self, operator: UUID, after: int, last: int, limit: int
    ) -> Sequence[StatementRow]:
        """Return the account's entries after version ``after`` up to ``last``, oldest first."""
        return await self._database.rows(
            StatementRow, "statement_lines", operator, after, last, limit
        )

    async def groups(
        self, operator: UUID, after: int, last: int, limit: int
    ) -> Sequence[EarningsLine]:
        """Return the same entries as lines, with one line for each kind, node or payout, and
        day.
        """
        return await self._database.rows(
            EarningsLine, "statement_groups", operator, after, last, limit
        )

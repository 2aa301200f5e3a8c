"""Operators: what one's nodes earned, and how it is paid out."""

from collections.abc import AsyncIterator
from typing import Any, Literal, TypeAlias

import attrs

from rendertrust.api.earnings import Earnings, Payout, Payouts, Share, Statement
from rendertrust.client.base import ApiBase
from rendertrust.client.pages import window
from rendertrust.client.response_decoder import read

PayoutTo: TypeAlias = Literal["credits", "money"]
_OPERATOR = "/api/v1/operators/me"
_EARNINGS, _PAYOUTS = f"{_OPERATOR}/earnings", f"{_OPERATOR}/payouts"


class OperatorsApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def earnings(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> Earnings:
        """What one's nodes earned, newest first; of one ``state`` alone when it is given."""
        query = window(limit, offset, state=state)
        return read(Earnings, await self._get(_EARNINGS, query))

    def each_earning(self, state: str | None = None) -> AsyncIterator[Share]:
        """All of them, newest first, page after page."""
        return self._walk(Earnings, _EARNINGS, lambda page: page.earnings, state=state)

    async def payouts(self, *, limit: int = 50, offset: int = 0) -> Payouts:
        """One's payouts, newest first."""
        return read(Payouts, await self._get(_PAYOUTS, window(limit, offset)))

    def each_payout(self) -> AsyncIterator[Payout]:
        """All of them, newest first, page after page."""
        return self._walk(Payouts, _PAYOUTS, lambda page: page.payouts)

    async def pay_out(self, to: PayoutTo, *, idempotency_key: str | None = None) -> Payout:
        """Pay out all that is payable: to credits at once, or ask for money.

        However often it is tried, it happens once. Conflict: nothing is payable.
        """
        return read(Payout, await self._once(_PAYOUTS, {"to": to}, idempotency_key))

    async def statement(self, month: str) -> Statement:
        """One's account as an operator in a month (``2026-03``, UTC), with all its lines."""
        page = read(Statement, await self._statement(month, 0))
        lines, after = [*page.lines], page.next
        while after is not None:
            more = read(Statement, await self._statement(month, after))
            lines, after = [*lines, *more.lines], more.next
        return attrs.evolve(page, lines=tuple(lines), next=None)

    async def _statement(self, month: str, after: int) -> Any:
        query = {"month": month, "after": str(after)}
        return await self._get(f"{_OPERATOR}/statement", query)

"""Credits: what there is, how they come and go, and where they are bought."""

from collections.abc import AsyncIterator

from rendertrust.api.credits import Balance, Checkout, Entry, History, Hold, Holds, Offers, Usage
from rendertrust.client.base import ApiBase
from rendertrust.client.pages import window
from rendertrust.client.response_decoder import read

_CREDITS = "/api/v1/credits"
_HISTORY, _HOLDS = f"{_CREDITS}/history", f"{_CREDITS}/holds"


class CreditsApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def balance(self) -> Balance:
        """Credits: booked, held, available."""
        return read(Balance, await self._get(f"{_CREDITS}/balance"))

    async def history(
        self, *, limit: int = 50, offset: int = 0, after: str | None = None
    ) -> History:
        """How credits came and went, newest first; ``limit`` 1 to 100."""
        return read(History, await self._get(_HISTORY, window(limit, offset, after)))

    def each_entry(self) -> AsyncIterator[Entry]:
        """All that came and went, newest first, page after page."""
        return self._walk(History, _HISTORY, lambda page: page.entries)

    async def deduct(
        self,
        amount: str,
        reference_id: str,
        description: str = "",
        *,
        idempotency_key: str | None = None,
    ) -> Entry:
        """Deduct by hand: once for one ``reference_id``, however often it is tried.

        Conflict: another amount was deducted under it. InsufficientCredits: there is less.
        """
        body = {"amount": amount, "reference_id": reference_id, "description": description}
        return read(Entry, await self._once(f"{_CREDITS}/deduct", body, idempotency_key))

    async def holds(self, *, limit: int = 50, offset: int = 0) -> Holds:
        """What is set aside now, newest first."""
        return read(Holds, await self._get(_HOLDS, window(limit, offset)))

    def each_hold(self) -> AsyncIterator[Hold]:
        """All that is set aside, page after page."""
        return self._walk(Holds, _HOLDS, lambda page: page.holds)

    async def usage(self, days: int = 30) -> Usage:
        """What one was charged, day by day; ``days`` 1 to 366, today included."""
        return read(Usage, await self._get(f"{_CREDITS}/usage", {"days": str(days)}))

    async def offers(self) -> Offers:
        """What can be bought."""
        return read(Offers, await self._get(f"{_CREDITS}/skus"))

    async def checkout(self, sku: str, *, idempotency_key: str | None = None) -> Checkout:
        """Begin to buy credits; they come once it is paid. Invalid: that is not for sale.

        However often it is tried, there is one purchase for one ``idempotency_key``.
        """
        body = {"sku": sku}
        return read(Checkout, await self._once(f"{_CREDITS}/checkout", body, idempotency_key))

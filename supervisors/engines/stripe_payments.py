"""The Payments port over Stripe, over the stand-in at another address, or without payments."""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from actors.ports import NotFromStripe, PaymentOrder, PaymentSession, PaymentsUnavailable
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted

if TYPE_CHECKING:
    from supervisors.engines.stripe_client import StripeCaller


@frozen
class StripeEndpoint:
    """The gateway's API key, the webhook secret, and the base address; '' means Stripe's
    address.
    """

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    url: str = ""


class StripePayments:
    """The Payments port over Stripe at ``endpoint``, which may change.

    Call ``aclose`` on the loop that used the object.
    """

    def __init__(self, endpoint: CurrentEndpoint[StripeEndpoint]) -> None:
        self._current = endpoint
        self._opened: tuple[StripeEndpoint, StripeCaller] | None = None
        self._opening = asyncio.Lock()

    async def open(self, order: PaymentOrder) -> PaymentSession:
        return await (await self._caller()).open(order)

    async def expire(self, session: str) -> None:
        await (await self._caller()).expire(session)

    async def event(self, name: str) -> Mapping[str, Any] | None:
        return await (await self._caller()).event(name)

    async def read_event(self, body: bytes, signature: str) -> Mapping[str, Any]:
        return (await self._caller()).read(body, signature)

    async def aclose(self) -> None:
        """Close the connections."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened[1].aclose()

    async def _caller(self) -> "StripeCaller":
        """Return the client; Stripe's library is imported at the first use."""
        try:
            endpoint = self._current.get()
        except NotStarted as error:
            raise PaymentsUnavailable(str(error)) from error
        if self._opened is not None and self._opened[0] == endpoint:
            return self._opened[1]
        async with self._opening:
            if self._opened is None or self._opened[0] != endpoint:
                await self.aclose()
                client = await asyncio.to_thread(import_module, "supervisors.engines.stripe_client")
                context = await asyncio.to_thread(client.make_context)
                self._opened = (endpoint, client.StripeCaller(endpoint, context))
            return self._opened[1]


class NoPayments:
    """The Payments port of a gateway that takes no payments, with ``payments = none``."""

    async def open(self, order: PaymentOrder) -> PaymentSession:
        raise PaymentsUnavailable("this gateway takes no payments")

    async def expire(self, session: str) -> None:
        raise PaymentsUnavailable("this gateway takes no payments")

    async def event(self, name: str) -> Mapping[str, Any] | None:
        return None

    async def read_event(self, body: bytes, signature: str) -> Mapping[str, Any]:
        raise NotFromStripe("This gateway takes no payments, so no event is from Stripe")

    async def aclose(self) -> None:
        """Do nothing, as there are no connections."""

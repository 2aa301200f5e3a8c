"""Port of the payment provider, Stripe."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from attrs import field, frozen


class PaymentsUnavailable(Exception):
    """Stripe is down, too slow, or refuses the gateway's request; try again later."""


class NotFromStripe(ValueError):
    """The signature of a webhook is missing, wrong or too old; the text says which of these."""


@frozen
class PaymentOrder:
    """A payment to be made; ``amount`` is in the currency's smallest unit.

    ``purchase`` is also the idempotency key. The buyer returns to ``done_url`` after the payment,
    or to ``cancelled_url`` without one.
    """

    purchase: UUID
    title: str
    amount: int
    currency: str
    done_url: str
    cancelled_url: str


@frozen
class PaymentSession:
    """A checkout session and the URL of its payment page."""

    id: str
    url: str = field(repr=False)


class Payments(Protocol):
    """Stripe, which takes payments and reports their outcome by webhooks."""

    async def open(self, order: PaymentOrder) -> PaymentSession:
        """Open a checkout session for the order and return it.

        A repeated call returns the same session as long as Stripe keeps the idempotency key.
        Raises PaymentsUnavailable within eight seconds.
        """
        ...

    async def expire(self, session: str) -> None:
        """End a checkout session, which then cannot be paid.

        Nothing happens if the session is paid, has ended or is unknown. Raises PaymentsUnavailable
        within eight seconds.
        """
        ...

    async def event(self, name: str) -> Mapping[str, Any] | None:
        """Return an event by its id; None if Stripe does not, or no longer, know the event.

        Raises PaymentsUnavailable within eight seconds.
        """
        ...

    async def read_event(self, body: bytes, signature: str) -> Mapping[str, Any]:
        """Parse a webhook's body after checking that Stripe signed it within the last 300 s.

        Raises NotFromStripe, and PaymentsUnavailable while the webhook secret is not known yet.
        """
        ...

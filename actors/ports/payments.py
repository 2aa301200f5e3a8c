"""Who takes the money."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from attrs import field, frozen


class PaymentsUnavailable(Exception):
    """Stripe is away, too slow, or refuses what we ask: expected, and to be tried again."""


class NotFromStripe(ValueError):
    """A webhook's signature is missing, wrong or too old; the text says which."""


@frozen
class PaymentOrder:
    """What somebody is to pay; ``amount`` is in the currency's smallest unit.

    ``purchase`` is also the idempotency key. The buyer comes back to ``done_url``, or to
    ``cancelled_url`` when he does not pay.
    """

    purchase: UUID
    title: str
    amount: int
    currency: str
    done_url: str
    cancelled_url: str


@frozen
class PaymentSession:
    """Where an order is paid."""

    id: str
    url: str = field(repr=False)


class Payments(Protocol):
    """Stripe: who takes the money, and tells us by webhooks what became of it."""

    async def open(self, order: PaymentOrder) -> PaymentSession:
        """A session for the order; the same one when it is asked for again.

        Raises PaymentsUnavailable within eight seconds.
        """
        ...

    async def event(self, name: str) -> Mapping[str, Any] | None:
        """An event by its id, as it was told; None when it is not known (any more).

        Raises PaymentsUnavailable within eight seconds.
        """
        ...

    async def read_event(self, body: bytes, signature: str) -> Mapping[str, Any]:
        """A webhook's body as its event, once it is known to be Stripe's and of the last 300 s.

        Raises NotFromStripe, and PaymentsUnavailable while our own secret is not known yet.
        """
        ...

"""Purchases, reversals and Stripe events as the Ledger handles them."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs


@attrs.frozen
class PurchaseRow:
    """``amount`` is money, in the currency's smallest unit; all other figures are credits."""

    id: UUID
    user_id: UUID
    sku: str
    units: int
    amount: int
    currency: str
    created_at: datetime
    state: str = "OPEN"
    session: str | None = None
    url: str | None = attrs.field(default=None, repr=False)
    payment_intent: str | None = None
    refunded: int = 0
    disputed: int = 0
    movements: int = 0  # how often ``refunded`` or ``disputed`` changed
    paid_at: datetime | None = None


@attrs.frozen
class ReversalRow:
    """All refunds of a charge, one refund, or one dispute, in its furthest known state."""

    id: str
    kind: str
    payment_intent: str
    amount: int
    currency: str
    state: str
    seen_at: datetime


@attrs.frozen
class StripeEventRow:
    """A Stripe event and its outcome."""

    id: str
    type: str
    object: str
    outcome: str
    received_at: datetime


@attrs.frozen
class PurchaseKeys:
    """Purchases by id, session and payment intent; reversals and events by Stripe's ids."""

    ids: frozenset[UUID] = frozenset()
    sessions: frozenset[str] = frozenset()
    intents: frozenset[str] = frozenset()
    reversals: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.ids or self.events)

    def named(self, purchase: PurchaseRow) -> bool:
        """Return True if the keys include the purchase."""
        return (
            purchase.id in self.ids
            or purchase.session in self.sessions
            or purchase.payment_intent in self.intents
        )


NO_PURCHASES: Final = PurchaseKeys()


def row_values(kind: type[Any], row: Any) -> dict[str, Any]:
    """Return the columns of a row that the class has."""
    return {field.name: row[field.name] for field in attrs.fields(kind)}

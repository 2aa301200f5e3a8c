"""What the checkout and Stripe tell the Ledger about purchases: effects like those of work."""

from typing import Literal, TypeAlias
from uuid import UUID

import attrs

SessionState: TypeAlias = Literal["paid", "unpaid", "failed", "expired"]
ReversalKind: TypeAlias = Literal["CHARGE", "REFUND", "DISPUTE"]
ReversalState: TypeAlias = Literal["PENDING", "COUNTS", "VOID"]


@attrs.frozen
class PurchaseOpen:
    """From the checkout: somebody is about to buy, on these terms; nothing is credited yet.

    ``units`` are credits; ``amount`` is money, in the currency's smallest unit.
    """

    purchase: UUID
    user: UUID
    sku: str
    units: int
    amount: int
    currency: str


@attrs.frozen
class PurchaseSession:
    """From the checkout: Stripe's session for an open purchase, and where it is paid."""

    purchase: UUID
    session: str
    url: str = attrs.field(repr=False)


@attrs.frozen
class SessionFact:
    """What became of a session; the purchase is told by its id, or else by the session's."""

    session: str
    purchase: UUID | None
    state: SessionState
    amount: int | None = None
    currency: str | None = None
    payment_intent: str | None = None


@attrs.frozen
class ReversalFact:
    """Money that went back, or came again, of the purchase with this payment intent.

    ``amount`` is a cumulative figure of the object ``id``, never what this event changed.
    """

    id: str
    kind: ReversalKind
    payment_intent: str
    amount: int
    currency: str
    state: ReversalState


@attrs.frozen
class StripeEvent:
    """From the webhook: an event that Stripe signed; without a fact it is only recorded."""

    event: str
    type: str
    object: str
    fact: SessionFact | ReversalFact | None = None


PurchaseEffect: TypeAlias = PurchaseOpen | PurchaseSession | StripeEvent

"""Effects on purchases, sent by the checkout and the Stripe webhook."""

from typing import Literal, TypeAlias
from uuid import UUID

import attrs

SessionState: TypeAlias = Literal["paid", "unpaid", "failed", "expired"]
ReversalKind: TypeAlias = Literal["CHARGE", "REFUND", "DISPUTE"]
ReversalState: TypeAlias = Literal["PENDING", "COUNTS", "VOID"]


@attrs.frozen
class PurchaseOpen:
    """From the checkout: a user begins a purchase on these terms; nothing is credited yet.

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
    """From the checkout: the Stripe session of an open purchase and its payment page."""

    purchase: UUID
    session: str
    url: str = attrs.field(repr=False)


@attrs.frozen
class SessionFact:
    """The outcome of a Stripe session; its purchase is found by id, or else by the session's id."""

    session: str
    purchase: UUID | None
    state: SessionState
    amount: int | None = None
    currency: str | None = None
    payment_intent: str | None = None


@attrs.frozen
class ReversalFact:
    """A refund or dispute, or its reversal, for the purchase with this payment intent.

    ``amount`` is the cumulative figure of the object ``id``, never the change by this event.
    """

    id: str
    kind: ReversalKind
    payment_intent: str
    amount: int
    currency: str
    state: ReversalState


@attrs.frozen
class StripeEvent:
    """From the webhook: an event signed by Stripe; without a fact it is only recorded."""

    event: str
    type: str
    object: str
    fact: SessionFact | ReversalFact | None = None


PurchaseEffect: TypeAlias = PurchaseOpen | PurchaseSession | StripeEvent

"""Response models for credits: balance, history, holds, usage and purchases."""

from datetime import date, datetime
from typing import Annotated

import attrs

from rendertrust.value_types import ADDED, SENT, Credits, Id, Limits


@attrs.frozen
class Balance:
    """Credits: the booked ``balance``, the part ``held`` for open jobs, the ``available`` rest."""

    balance: Credits
    user_id: Id
    held: Credits | None = attrs.field(default=None, metadata=SENT)
    available: Credits | None = attrs.field(default=None, metadata=SENT)


@attrs.frozen
class Entry:
    """An entry of an account.

    ``amount`` is above 0, and ``direction`` gives the sign; proofs have the same ``entry_id``.
    """

    id: Id
    entry_id: int | None = attrs.field(default=None, metadata=SENT, kw_only=True)
    amount: Credits
    direction: Annotated[str, Limits(enum=("CREDIT", "DEBIT"))]
    source: str
    reference_id: str
    balance_after: Credits
    description: str
    created_at: datetime


@attrs.frozen
class History:
    """A page of entries, newest first.

    ``count`` is the number of all entries; ``next`` is the ``after`` of the next page.
    """

    entries: tuple[Entry, ...]
    count: int
    next: Id | None = attrs.field(default=None, metadata=ADDED)


@attrs.frozen
class Hold:
    """Credits that are set aside for a unit of a job until the unit ends."""

    id: Id
    amount: Credits
    job_id: Id | None
    job_type: str | None
    job_status: str | None
    reference_id: str
    created_at: datetime


@attrs.frozen
class Holds:
    """A page of open holds, newest first.

    ``count`` is the number of all open holds; ``held`` is the sum.
    """

    holds: tuple[Hold, ...]
    count: int
    held: Credits


@attrs.frozen
class DayOfUsage:
    """Charges of a day (UTC), before refunds, and the number of charged jobs."""

    day: date
    charged: Credits
    jobs: int


@attrs.frozen
class Usage:
    """Charges per day, oldest day first, including today; ``charged`` is the sum of the days."""

    days: tuple[DayOfUsage, ...]
    charged: Credits


@attrs.frozen
class Offer:
    """An amount of credits for sale. ``amount`` is in the currency's smallest unit (US cents)."""

    sku: str
    title: str
    credits: Credits
    amount: int
    currency: str


@attrs.frozen
class Offers:
    """All offers of credits, cheapest offer first.

    ``cheapest``: the SKU whose credits cost least in the gateway's currency, at whose price credits
    are shown as money; null if nothing is sold in that currency.
    """

    skus: tuple[Offer, ...]
    cheapest: str | None


@attrs.frozen
class CreditNote:
    """A credit note: what a refund or a disputed payment took back of an invoice.

    ``name`` is its number as the document shows it. ``amount`` is in the currency's smallest unit;
    below 0, the note takes an earlier one back, because a refund failed or a dispute was decided
    against the buyer.
    """

    number: int
    name: str
    issued_at: datetime
    credits: Credits
    amount: int


@attrs.frozen
class Purchase:
    """A purchase of credits. ``amount`` is in the currency's smallest unit (US cents).

    ``refunded``: the credits that refunds have removed. A paid purchase has an invoice, and
    ``credit_notes`` once it was issued and something was taken back.
    """

    id: Id
    sku: str
    credits: Credits
    amount: int
    currency: str
    state: Annotated[str, Limits(enum=("expired", "failed", "open", "paid"))]
    refunded: Credits
    created_at: datetime
    paid_at: datetime | None
    credit_notes: tuple[CreditNote, ...] = attrs.field(default=(), metadata=ADDED)


@attrs.frozen
class Purchases:
    """A page of purchases, newest first; ``count`` is the number of all."""

    purchases: tuple[Purchase, ...]
    count: int


@attrs.frozen
class Checkout:
    """The address of a payment page for a browser.

    Credits are booked once the payment has arrived.
    """

    url: str = attrs.field(repr=False)

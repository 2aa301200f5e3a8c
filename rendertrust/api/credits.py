"""Response models for credits: balance, history, holds, usage and purchases."""

from datetime import date, datetime

import attrs

from rendertrust.api.text_formats import Credits, Id


@attrs.frozen
class Balance:
    """Credits: the booked ``balance``, what open jobs have ``held`` of it, and the rest."""

    balance: str
    user_id: str
    held: str | None = None
    available: str | None = None


@attrs.frozen
class Entry:
    """An entry of an account. ``amount`` is above 0; ``direction`` is CREDIT or DEBIT."""

    id: str
    amount: str
    direction: str
    source: str
    reference_id: str | None
    balance_after: str
    description: str | None
    created_at: datetime
    entry_id: int | None = None


@attrs.frozen
class History:
    """A page of entries, newest first. ``count`` is the number of all entries."""

    entries: tuple[Entry, ...]
    count: int
    next: str | None = None


@attrs.frozen
class Hold:
    """Credits that are reserved for a job until it ends."""

    id: Id
    amount: Credits
    job_id: Id | None
    job_type: str | None
    job_status: str | None
    reference_id: str
    created_at: datetime


@attrs.frozen
class Holds:
    """A page of open holds, newest first; ``count`` and ``held`` (their sum) are of all holds."""

    holds: tuple[Hold, ...]
    count: int
    held: str
    next: str | None = None


@attrs.frozen
class DayOfUsage:
    """Charges of a day (UTC), and the number of charged jobs."""

    day: date
    charged: Credits
    jobs: int


@attrs.frozen
class Usage:
    """Charges per day, oldest first, including today; ``charged`` is their sum."""

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
    """All offers, the cheapest first."""

    skus: tuple[Offer, ...]


@attrs.frozen
class Checkout:
    """A page to pay at, in a browser. Credits arrive once the payment has."""

    url: str = attrs.field(repr=False)

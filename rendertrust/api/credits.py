"""Response models for credits: balance, history, holds, usage and purchases."""

from datetime import date, datetime

import attrs


@attrs.frozen
class Balance:
    """``balance`` is booked, ``held`` of it is set aside for open jobs, ``available`` the rest."""

    balance: str
    user_id: str
    held: str | None = None
    available: str | None = None


@attrs.frozen
class Entry:
    """One movement of credits: ``amount`` is above 0, ``direction`` is CREDIT or DEBIT."""

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
    """Newest first; ``count`` is how many there are, not how many are here."""

    entries: tuple[Entry, ...]
    count: int
    next: str | None = None


@attrs.frozen
class Hold:
    """Credits that are set aside: for a job, until it ends."""

    id: str
    amount: str
    job_id: str | None
    job_type: str | None
    job_status: str | None
    reference_id: str
    created_at: datetime


@attrs.frozen
class Holds:
    """Newest first; ``count`` is how many are open, ``held`` what they all sum up to."""

    holds: tuple[Hold, ...]
    count: int
    held: str
    next: str | None = None


@attrs.frozen
class DayOfUsage:
    """What was charged on a day (UTC), for how many jobs."""

    day: date
    charged: str
    jobs: int


@attrs.frozen
class Usage:
    """The last days, today included, oldest first; ``charged`` is their sum."""

    days: tuple[DayOfUsage, ...]
    charged: str


@attrs.frozen
class Offer:
    """Something that can be bought; ``amount`` is in the currency's smallest unit: cents of usd."""

    sku: str
    title: str
    credits: str
    amount: int
    currency: str


@attrs.frozen
class Offers:
    """The cheapest first."""

    skus: tuple[Offer, ...]


@attrs.frozen
class Checkout:
    """Where a purchase is paid, in a browser."""

    url: str

"""Purchases, reversals and Stripe events. Only the Ledger writes these rows."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import attrs

from sql.account_names import debt_account, user_account
from sql.database import Conflict, Connection, Table, names_of, row_as
from sql.jobs import StoredAnswer
from sql.query_loader import QUERIES
from sql.statement_batch import Part, columns_of

if TYPE_CHECKING:
    from sql.books import Changes, Keys, Rows

_FIXED = ("id", "user_id", "sku", "units", "amount", "currency", "created_at")
_CHANGING = ("state", "session", "url", "payment_intent", "refunded", "disputed", "movements")


@attrs.frozen
class PurchaseRow:
    """A purchase.

    ``amount`` is money, in the currency's smallest unit. ``units``, ``refunded`` and ``disputed``
    are in 1/10,000 credits.
    """

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


@attrs.define
class PurchaseKeys:
    """Purchases by id, session and payment intent; reversals and events by Stripe's ids."""

    ids: set[UUID] = attrs.field(factory=set)
    sessions: set[str] = attrs.field(factory=set)
    intents: set[str] = attrs.field(factory=set)
    reversals: set[str] = attrs.field(factory=set)
    events: set[str] = attrs.field(factory=set)

    def __bool__(self) -> bool:
        return bool(self.ids or self.events)

    def named(self, purchase: PurchaseRow) -> bool:
        """Return True if the keys include the purchase."""
        return (
            purchase.id in self.ids
            or purchase.session in self.sessions
            or purchase.payment_intent in self.intents
        )


async def with_owners(connection: Connection, keys: "Keys") -> "Keys":
    """Return the keys, with the accounts of the purchases' owners added.

    A debt account is added if credits may be taken from its owner.
    """
    asked = keys.purchases
    named = (list(asked.ids), list(asked.sessions), list(asked.intents))
    accounts: set[str] = set()
    for row in await connection.fetch(QUERIES["books_purchase_owners"], *named):
        accounts.add(user_account(row["user_id"]))
        if row["reversed"] or asked.reversals:
            accounts.add(debt_account(row["user_id"]))
    return attrs.evolve(keys, accounts=keys.accounts | accounts)


async def lock_purchases(connection: Connection, asked: PurchaseKeys, rows: "Rows") -> None:
    """Read the rows that the account locks protect. Raises Conflict if a lock is missing."""
    named = (asked.ids, asked.sessions, asked.intents, asked.reversals, asked.events)
    query = QUERIES["books_purchases_lock"]
    found = await connection.fetchrow(query, *(list(names) for names in named))
    assert found is not None, "it answers one row"
    for row in found["purchases"]:
        purchase = row_as(PurchaseRow, row)
        rows.purchases[purchase.id] = purchase
    for row in found["reversals"]:
        reversal = row_as(ReversalRow, row)
        rows.reversals[reversal.id] = reversal
    for row in found["events"]:
        rows.events[row["id"]] = row_as(StripeEventRow, row)
    check_owners(asked, rows)


def check_owners(asked: PurchaseKeys, rows: "Rows") -> None:
    """Raise Conflict for a purchase that was created after its owner had been looked up."""
    intents = {reversal.payment_intent for reversal in rows.reversals.values()}
    for purchase in rows.purchases.values():
        needed = {user_account(purchase.user_id)}
        if asked.reversals or purchase.payment_intent in intents:
            needed.add(debt_account(purchase.user_id))
        if not needed <= rows.accounts.keys():
            raise Conflict("a purchase was created after its owner had been looked up")


def purchase_parts(changes: "Changes") -> Iterator[Part]:
    """Yield the writes of a batch, each with a column of values per parameter."""
    new = [row for row in changes.purchases if row.id in changes.new_purchases]
    old = [row for row in changes.purchases if row.id not in changes.new_purchases]
    yield "books_purchases_insert", columns_of(new, *_FIXED, *_CHANGING, "paid_at")
    yield "books_purchases_update", columns_of(old, "id", *_CHANGING, "paid_at")
    yield "books_reversals_put", columns_of(changes.reversals, *names_of(ReversalRow))
    yield "books_events_insert", columns_of(changes.events, *names_of(StripeEventRow))


class Purchases(Table):
    async def of_user(self, purchase: UUID, user: UUID) -> PurchaseRow | None:
        row = await self._database.one("purchase_of_user", purchase, user)
        return None if row is None else row_as(PurchaseRow, row)

    async def open_session(self, purchase: UUID) -> str | None:
        """Return Stripe's session of a purchase that is not paid yet."""
        row = await self._database.one("purchase_open_session", purchase)
        return None if row is None else str(row["session"])

    async def count(self, user: UUID) -> int:
        return await self._database.number("purchases_count", user)

    async def page(self, user: UUID, limit: int, offset: int = 0) -> Sequence[PurchaseRow]:
        """Return the user's purchases in all states, newest first."""
        rows = await self._database.all("purchases_newest", user, limit, offset)
        return [row_as(PurchaseRow, row) for row in rows]

    async def under_key(self, user: UUID, key: str) -> StoredAnswer | None:
        """Return the stored answer for the user's idempotency key."""
        row = await self._database.one("purchase_under_key", user, key)
        return None if row is None else StoredAnswer(row["request"], row["answer"])

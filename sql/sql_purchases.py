"""Purchases in PostgreSQL: read under the locks of a batch and written with it."""

from collections.abc import Iterator
from typing import Any

import attrs

from sql.books import Changes, Keys, Rows
from sql.database import Conflict, Connection
from sql.purchase_rows import PurchaseKeys, PurchaseRow, ReversalRow, StripeEventRow, row_values
from sql.query_loader import QUERIES
from sql.statement_batch import Columns, columns_of

_FIXED = ("id", "user_id", "sku", "units", "amount", "currency", "created_at")
_CHANGING = ("state", "session", "url", "payment_intent", "refunded", "disputed", "movements")
Part = tuple[str, Columns]


async def with_owners(connection: Connection, keys: Keys) -> Keys:
    """Return the keys with the accounts of the purchases' owners.

    A debt account is included if credits may be taken from the owner.
    """
    asked = keys.purchases
    named = (list(asked.ids), list(asked.sessions), list(asked.intents))
    accounts: set[str] = set()
    for row in await connection.fetch(QUERIES["books_purchase_owners"], *named):
        accounts.add(f"user:{row['user_id']}")
        if row["reversed"] or asked.reversals:
            accounts.add(f"debt:{row['user_id']}")
    return attrs.evolve(keys, accounts=keys.accounts | accounts)


async def lock_purchases(connection: Connection, asked: PurchaseKeys, rows: Rows) -> None:
    """Read the rows that the account locks protect. Raises Conflict if a lock is missing."""
    named = (asked.ids, asked.sessions, asked.intents, asked.reversals, asked.events)
    query = QUERIES["books_purchases_lock"]
    found = await connection.fetchrow(query, *(list(names) for names in named))
    assert found is not None, "it answers one row"
    for row in found["purchases"]:
        purchase = PurchaseRow(**row_values(PurchaseRow, row))
        rows.purchases[purchase.id] = purchase
    for row in found["reversals"]:
        reversal = ReversalRow(**row_values(ReversalRow, row))
        rows.reversals[reversal.id] = reversal
    for row in found["events"]:
        rows.events[row["id"]] = StripeEventRow(**row_values(StripeEventRow, row))
    check_owners(asked, rows)


def check_owners(asked: PurchaseKeys, rows: Rows) -> None:
    """Raise Conflict for a purchase that was created since its owner was looked up."""
    intents = {reversal.payment_intent for reversal in rows.reversals.values()}
    for purchase in rows.purchases.values():
        needed = {f"user:{purchase.user_id}"}
        if asked.reversals or purchase.payment_intent in intents:
            needed.add(f"debt:{purchase.user_id}")
        if not needed <= rows.accounts.keys():
            raise Conflict("a purchase was created since its owner was looked up")


def purchase_parts(changes: Changes) -> Iterator[Part]:
    """Yield the writes, each with a column of values per parameter."""
    new = [row for row in changes.purchases if row.id in changes.new_purchases]
    old = [row for row in changes.purchases if row.id not in changes.new_purchases]
    yield "books_purchases_insert", columns_of(new, *_FIXED, *_CHANGING, "paid_at")
    yield "books_purchases_update", columns_of(old, "id", *_CHANGING, "paid_at")
    yield "books_reversals_put", columns_of(changes.reversals, *_names(ReversalRow))
    yield "books_events_insert", columns_of(changes.events, *_names(StripeEventRow))


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in attrs.fields(kind)]

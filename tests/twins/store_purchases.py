"""Purchases in the in-memory database, and their audit."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from sql.fsck import Finding
from sql.purchases import PurchaseKeys, PurchaseRow, ReversalRow

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin

Found: TypeAlias = tuple[dict[UUID, PurchaseRow], dict[str, ReversalRow], set[str]]


def find_purchases(store: "StoreTwin", asked: PurchaseKeys) -> Found:
    """Return the requested purchases, their reversals, and the accounts of their buyers."""
    purchases = {row.id: row for row in store.purchases.values() if asked.named(row)}
    intents = {row.payment_intent for row in purchases.values()} | asked.intents
    reversals = {
        row.id: row
        for row in store.reversals.values()
        if row.id in asked.reversals or row.payment_intent in intents
    }
    owners = {f"user:{row.user_id}" for row in purchases.values()}
    if reversals or asked.reversals:
        owners |= {f"debt:{row.user_id}" for row in purchases.values()}
    return purchases, reversals, owners


def audit_purchases(store: "StoreTwin") -> Iterator[Finding]:
    """Yield violations of I11.

    Each paid session is credited once, reversals match the purchases, and no user has both a debt
    and an available balance.
    """
    paid = {row.session: row for row in store.purchases.values() if row.state == "PAID"}
    credited = {
        transfer.reference: transfer
        for transfer in store.transfers.values()
        if transfer.subject == "purchases" and transfer.kind == "STRIPE"
    }
    for session in paid.keys() | credited.keys():
        row, transfer = paid.get(session), credited.get(session or "")
        found = None if transfer is None else (transfer.credit, transfer.amount)
        if row is None or found != (f"user:{row.user_id}", row.units):
            yield Finding("I11", f"session {session}", f"{row} but {transfer}")
    for platform, figure in (("purchases", "refunded"), ("disputes", "disputed")):
        taken = sum(
            transfer.amount if transfer.credit == platform else -transfer.amount
            for transfer in store.transfers.values()
            if transfer.subject == platform and transfer.kind == "REFUND"
        )
        told = sum(getattr(row, figure) for row in store.purchases.values())
        if taken != told:
            yield Finding("I11", platform, f"took {taken}, purchases say {told}")
    for name, debt in store.accounts.items():
        if name.startswith("debt:") and debt.balance < 0:
            user = store.accounts[name.replace("debt:", "user:")]
            if user.available > 0:
                yield Finding("I11", name, f"owes {-debt.balance} and has {user.available}")

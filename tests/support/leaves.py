"""Leaves of transfers between two accounts, and the openings of both sides."""

from datetime import UTC, datetime
from typing import Final

from rendertrust.leaf import Side, commitment, leaf_bytes, private_bytes

TIME: Final = datetime(2026, 3, 13, 12, tzinfo=UTC)
SALTS: Final[dict[Side, bytes]] = {"debit": bytes(range(32)), "credit": bytes(range(32, 64))}


def private_of(side: Side) -> bytes:
    """Return the private part of a side of the leaves made here."""
    if side == "debit":
        return private_bytes("user:jane", 1, 10, 5, reference="a", description="b")
    return private_bytes("revenue", 7, 70, 75, reference="a", description="b")


def leaf(transfer: int) -> bytes:
    """Return the leaf of a transfer of 5 units."""
    debit = commitment(SALTS["debit"], private_of("debit"))
    credit = commitment(SALTS["credit"], private_of("credit"))
    return leaf_bytes(transfer, TIME, "USAGE", 5, debit=debit, credit=credit)

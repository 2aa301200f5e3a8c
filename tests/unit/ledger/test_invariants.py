"""The final check of a batch finds entries that differ from their transfer, and overdrawn
accounts.
"""

from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import attrs
import pytest

from actors.ledger.actor import violation
from sql.books import AccountRow, Changes, EntryRow, Rows, TransferRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAYER, PAYEE = "user:a", "user:b"
TRANSFER = TransferRow(1, PAYER, PAYEE, PAYER, 5, "USAGE", "work:1", "a frame", NOW)


def batch(paid: int, received: int, *, balance: int = 10) -> tuple[Rows, Changes]:
    """Return a transfer of an amount of five, with entries of these amounts."""
    before = {name: AccountRow(n, name, balance) for n, name in enumerate((PAYER, PAYEE))}
    entries = [
        EntryRow(n, UUID(int=n), 1, name, 1, amount, balance, balance + amount, NOW)
        for n, (name, amount) in enumerate([(PAYER, -paid), (PAYEE, received)])
    ]
    accounts = [
        attrs.evolve(before[entry.account], balance=entry.after, version=1) for entry in entries
    ]
    rows = Rows(before, {}, {}, {}, {}, {}, count(1), count(1), NOW)
    return rows, Changes(tuple(accounts), transfers=(TRANSFER,), entries=tuple(entries))


def test_a_transfer_with_its_amount_on_either_side_is_sound() -> None:
    assert violation(*batch(5, 5)) is None


@pytest.mark.parametrize(("paid", "received"), [(3, 3), (5, 4), (0, 0)])
def test_entries_that_are_not_their_transfers_are_found(paid: int, received: int) -> None:
    assert str(violation(*batch(paid, received))).startswith("I1")


def test_an_overdrawn_account_is_found() -> None:
    assert violation(*batch(5, 5, balance=4)) == f"I2: {PAYER} is overdrawn"

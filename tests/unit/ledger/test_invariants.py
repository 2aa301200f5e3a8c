"""The final check of a batch finds unsound transfers, wrong balances and overdrawn accounts."""

from datetime import UTC, datetime
from uuid import UUID

import attrs
import pytest

from actors.ledger.actor import violation
from sql.books import AccountRow, Changes, Rows, TransferRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAYER, PAYEE = "user:a", "user:b"
OF_TRANSFER = (PAYER, PAYEE, PAYER, 5, "USAGE", "work:1", "a frame", NOW, UUID(int=2))


def batch(paid: int, received: int, *, balance: int = 10) -> tuple[Rows, Changes]:
    """Return a transfer of an amount of five, after which the accounts changed by these amounts."""
    before = {name: AccountRow(n, name, balance) for n, name in enumerate((PAYER, PAYEE))}
    transfer = TransferRow(*OF_TRANSFER, 1, 1, balance - paid, balance + received)
    accounts = [
        attrs.evolve(before[side.account], balance=side.after, version=1) for side in transfer.sides
    ]
    rows = Rows(before, {}, {}, {}, {}, {}, NOW)
    return rows, Changes(tuple(accounts), transfers=(transfer,))


def test_a_transfer_with_its_amount_on_either_side_is_sound() -> None:
    assert violation(*batch(5, 5)) is None


@pytest.mark.parametrize(("paid", "received"), [(3, 3), (5, 4), (0, 0)])
def test_balances_that_do_not_change_by_the_amount_are_found(paid: int, received: int) -> None:
    assert str(violation(*batch(paid, received))).startswith("I2")


def test_a_version_that_is_left_out_is_found() -> None:
    rows, changes = batch(5, 5)
    [transfer] = changes.transfers
    skipped = attrs.evolve(transfer, credit_version=2)
    assert str(violation(rows, attrs.evolve(changes, transfers=(skipped,)))).startswith("I2")


def test_an_account_that_is_not_written_is_found() -> None:
    rows, changes = batch(5, 5)
    forgotten = attrs.evolve(changes, accounts=changes.accounts[:1])
    assert str(violation(rows, forgotten)).startswith("I2")


def test_a_transfer_from_an_account_to_itself_is_found() -> None:
    rows, changes = batch(5, 5)
    circle = attrs.evolve(changes.transfers[0], credit=PAYER)
    assert str(violation(rows, attrs.evolve(changes, transfers=(circle,)))).startswith("I1")


def test_an_overdrawn_account_is_found() -> None:
    assert violation(*batch(5, 5, balance=4)) == f"I2: {PAYER} is overdrawn"

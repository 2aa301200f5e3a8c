"""Canonical bytes of transfers, in addition to the transfers in the golden files."""

from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest

from rendertrust.leaf import commitment, leaf_bytes, private_bytes, salt_of, side_of, signed_amount
from sql.books import TransferRow
from sql.log import leaf_text, private_text
from tests.golden.signed import CREDIT, DEBIT, LEAF, SALTS, SHARED, USER

PRIVATE: dict[str, Any] = {
    "account": f"user:{USER}",
    "version": 3,
    "before": 1_000_000,
    "after": 900_000,
    **SHARED,
}
ROW = TransferRow(
    debit=f"user:{USER}",
    credit="revenue:7",
    subject=f"user:{USER}",
    amount=LEAF["amount"],
    kind=LEAF["kind"],
    **SHARED,
    created_at=LEAF["time"],
    key=UUID(int=0),
    debit_version=3,
    credit_version=41,
    debit_after=900_000,
    credit_after=5_100_000,
    id=LEAF["transfer"],
)


def test_the_same_moment_in_another_zone_is_the_same_leaf() -> None:
    east = LEAF["time"].astimezone(timezone(timedelta(hours=5)))
    elsewhere: dict[str, Any] = {**LEAF, "time": east}
    assert leaf_bytes(**elsewhere) == leaf_bytes(**LEAF)


@pytest.mark.parametrize("field", PRIVATE)
def test_every_private_field_counts(field: str) -> None:
    value = PRIVATE[field]
    other = value + 1 if isinstance(value, int) else value + "x"
    changed: dict[str, Any] = {**PRIVATE, field: other}
    assert private_bytes(**changed) != private_bytes(**PRIVATE) == DEBIT
    assert commitment(bytes(32), DEBIT) != commitment(SALTS[:32], DEBIT)


def test_a_salt_that_is_too_short_hides_nothing() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(b"short", DEBIT)
    with pytest.raises(ValueError, match="32 bytes"):
        leaf_text(ROW, SALTS[:32])


def test_a_newline_cannot_make_another_field() -> None:
    public: dict[str, Any] = {**LEAF, "kind": "USAGE\namount 5"}
    private: dict[str, Any] = {**PRIVATE, "account": "user:x\nversion 1"}
    with pytest.raises(ValueError, match="newline"):
        leaf_bytes(**public)
    with pytest.raises(ValueError, match="newline"):
        private_bytes(**private)


@pytest.mark.parametrize("receipt", [None, bytes(range(32))])
def test_a_transfer_is_the_leaf_of_its_two_sides(receipt: bytes | None) -> None:
    assert (private_text(ROW, "debit"), private_text(ROW, "credit")) == (DEBIT, CREDIT)
    found = leaf_text(attrs.evolve(ROW, receipt=receipt), SALTS)
    assert found == leaf_bytes(**LEAF, receipt=receipt)
    for side in ("debit", "credit"):
        sealed = commitment(salt_of(SALTS, side), private_text(ROW, side)).hex()
        assert f"\n{side} {sealed}\n" in found.decode()


def test_an_entry_is_a_side_of_its_transfer() -> None:
    assert [side_of(number) for number in (1, 2, 3, 4)] == [
        (1, "debit"),
        (1, "credit"),
        (2, "debit"),
        (2, "credit"),
    ]
    assert (signed_amount(5, "debit"), signed_amount(5, "credit")) == (-5, 5)

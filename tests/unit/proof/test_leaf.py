"""The canonical bytes of entries, held to files that may never change."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.leaf import Leaf, PrivatePart
from rendertrust.merkle import leaf_hash
from sql.log import LogEntry

GOLDEN = Path(__file__).parent / "golden"
SALT = bytes(range(32))
PRIVATE = PrivatePart(
    account="user:7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11",
    version=3,
    before=1_000_000,
    after=900_000,
    reference="job:0b0e9a8e-8a55-4f8a-9a46-0e2a3b7c9d10:0",
    description='Rendering "Wald & Wiese", \u00fcber Nacht\n',
)
LEAF = Leaf(
    entry_id=42,
    time=datetime(2026, 3, 13, 12, 0, 0, 5, UTC),
    kind="USAGE",
    amount=-100_000,
    private=PRIVATE.digest(SALT),
)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("private.txt", PRIVATE.canonical),
        ("entry.txt", LEAF.canonical),
        ("entry-with-receipt.txt", attrs.evolve(LEAF, receipt=bytes(range(32, 64))).canonical),
    ],
)
def test_the_bytes_are_what_they_always_were(name: str, canonical: bytes) -> None:
    assert canonical == (GOLDEN / name).read_bytes()


def test_the_same_moment_in_another_zone_is_the_same_leaf() -> None:
    east = LEAF.time.astimezone(timezone(timedelta(hours=5)))
    assert attrs.evolve(LEAF, time=east).canonical == LEAF.canonical


@pytest.mark.parametrize("field", attrs.fields(PrivatePart))
def test_every_private_field_counts(field: "attrs.Attribute[object]") -> None:
    value: Any = getattr(PRIVATE, field.name)
    other: Any = value + 1 if isinstance(value, int) else value + "x"
    changed = attrs.evolve(PRIVATE, **{field.name: other})
    assert changed.digest(SALT) != PRIVATE.digest(SALT)
    assert PRIVATE.digest(bytes(32)) != PRIVATE.digest(SALT)


def test_a_salt_that_is_too_short_hides_nothing() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PRIVATE.digest(b"short")


def test_a_newline_cannot_make_another_field() -> None:
    with pytest.raises(ValueError, match="newline"):
        _ = attrs.evolve(LEAF, kind="USAGE\namount 5").canonical


def test_an_entry_is_hashed_as_its_leaf_is() -> None:
    public = (LEAF.entry_id, LEAF.time, LEAF.kind, LEAF.amount)
    for receipt in (None, bytes(range(32))):
        entry = LogEntry(*public, receipt, *attrs.astuple(PRIVATE))
        assert entry.leaf_hash(SALT) == leaf_hash(entry.leaf(SALT).canonical)
        assert entry.leaf(SALT).canonical == attrs.evolve(LEAF, receipt=receipt).canonical

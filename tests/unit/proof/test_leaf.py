"""Canonical bytes of entries, in addition to the entries in the golden files."""

from datetime import timedelta, timezone
from typing import Any

import attrs
import pytest

from rendertrust.leaf import PrivatePart
from rendertrust.merkle import leaf_hash
from sql.log import LogEntry
from tests.golden.signed import LEAF, PRIVATE, SALT


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

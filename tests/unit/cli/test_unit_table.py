"""A unit in the command line's table."""

from typing import Any

import pytest

from rendertrust.api.preflights import Waiting
from rendertrust.api.units import Unit
from rendertrust.cli import unit_table
from tests.support.answers import whole


def unit(**more: Any) -> Unit:
    usual: dict[str, Any] = {
        "number": 3,
        "frames": "7",
        "tile": None,
        "state": "QUEUED",
        "attempt": 0,
        "node_id": None,
        "price": "10.0000",
        "charged": "0.0000",
    }
    return Unit(**whole(Unit, usual | more))


def row_of(one: Unit) -> tuple[str, ...]:
    return unit_table.cells(one, {})


@pytest.mark.parametrize(
    ("frames", "tile", "words", "several"),
    [
        ("7", None, "frame 7", False),
        ("-7", None, "frame -7", False),
        ("7-8", None, "frames 7-8", True),
        ("7,9", None, "frames 7,9", True),
        ("7", 2, "frame 7 tile 2", False),
        (None, None, "unit 3", False),
    ],
)
def test_it_is_named_by_its_frames(
    frames: str | None, tile: int | None, words: str, several: bool
) -> None:
    one = unit(frames=frames, tile=tile)
    assert (unit_table.named(one), unit_table.is_several(one)) == (words, several)


def test_what_waits_says_why() -> None:
    waiting = Waiting("no_node", "No node is there that renders.")
    assert "No node is there that renders." in row_of(unit(waiting=waiting))
    late = Waiting("checked", "3 other results wait before it.", None, "queue")
    assert late.words in row_of(unit(state="VERIFYING", waiting=late))
    failed = unit(state="FAILED", error_message="no camera", waiting=waiting)
    assert "no camera" in row_of(failed)


def test_what_is_not_verified_says_why() -> None:
    row = row_of(unit(state="COMPLETED", unverified_reason="scene-fails"))
    assert row[-1] == "not verified: the verifiers cannot render the scene"
    assert row_of(unit(state="COMPLETED", unverified_reason=None))[-1] == ""


def test_what_was_given_back_says_why() -> None:
    row = row_of(unit(state="COMPLETED", given_back="a check found that the result is invalid"))
    assert row[-1] == "refunded: a check found that the result is invalid"

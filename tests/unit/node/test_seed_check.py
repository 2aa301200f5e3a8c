"""Outcomes of a check across devices: for the same seed, and over all view layers."""

from typing import Any

import pytest

from rendertrust.node.worker.checks.exchangeability import (
    ACCEPTED,
    FEW_CELLS,
    FEW_NOISY,
    REFUSED,
    UNSAID,
)
from rendertrust.node.worker.checks.exchangeability import Exchangeability as Seen
from rendertrust.node.worker.checks.seed_check import same_seed, together

SAME = {"equal": True, "off": None}
GOOD, BAD = Seen(3, 200, 150), Seen(3, 200, 150, reasons=("smoothed",))
FLAT, HALF_FLAT = Seen(3, 200, unsaid=FEW_NOISY), Seen(3, 200, 30, unsaid=FEW_NOISY)


def apart(off: float | None) -> dict[str, Any]:
    return {"equal": False, "off": off}


@pytest.mark.parametrize(
    ("crops", "outcome"),
    [
        ([SAME, SAME], "exact"),
        ([SAME, apart(0.3)], "consistent"),
        ([apart(0.16), apart(0.04)], "consistent"),
        ([SAME, apart(0.31)], None),
        ([SAME, apart(None)], None),
        ([apart(float("inf"))], None),
    ],
)
def test_the_same_seed_decides_where_it_is_near(
    crops: list[dict[str, Any]], outcome: str | None
) -> None:
    assert same_seed(crops) == outcome


@pytest.mark.parametrize(
    ("layers", "outcome"),
    [
        ([GOOD], ACCEPTED),
        ([GOOD, BAD], REFUSED),
        ([BAD, FLAT], REFUSED),
        ([GOOD, FLAT], ACCEPTED),  # nothing differs in the second layer
        ([GOOD, HALF_FLAT], UNSAID),
        ([FLAT], UNSAID),
        ([Seen(3, 80, unsaid=FEW_CELLS)], UNSAID),
        ([], UNSAID),
    ],
)
def test_one_layer_that_is_refused_refuses_all(layers: list[Seen], outcome: str) -> None:
    assert together({str(number): of for number, of in enumerate(layers)}) == outcome

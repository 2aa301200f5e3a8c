"""Honest nodes with different pixels are compared by a verifier, and no node is blamed: 500 units
by night.
"""

from pathlib import Path

import pytest

from bench.honest import MACHINES, Tally, honest
from bench.verify_scenes import SCENES

pytestmark = [pytest.mark.render, pytest.mark.heavy]


def check(tally: Tally, units: int) -> None:
    assert tally.units >= units, tally
    assert tally.is_good, tally
    assert len(tally.classes) == 2, "a machine without AVX2 has a device class of its own"


@pytest.mark.nightly  # takes a minute alone, and four beside other tests
@pytest.mark.timeout(600)
async def test_a_dozen_honest_units_of_two_classes_are_all_valid(tmp_path: Path) -> None:
    check(await honest(tmp_path, ("glass",), 12, within=480), 12)


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
async def test_five_hundred_honest_units_are_all_valid(tmp_path: Path) -> None:
    tally = await honest(tmp_path, list(SCENES), 50, within=3 * 3600)
    check(tally, 500)
    assert all(tally.verdicts[machine.name] for machine in MACHINES), tally.verdicts

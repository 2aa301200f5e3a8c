"""Tests that parsers of untrusted input take linear CPU time and bounded memory.

The inputs have a fixed seed. The end of the test run reports which inputs cost the most per byte.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.cost import cost_of, judge
from tests.fuzz.hostile_inputs import CASES


@pytest.mark.parametrize("name", CASES)
def test_the_cost_of_parsing_is_linear(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    judge(
        (cost_of(case.label, case.make, case.run, case.largest) for case in CASES[name](tmp_path)),
        record_property,
    )

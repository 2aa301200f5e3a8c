"""Tests that formats on which others depend are byte for byte unchanged.

A failure here means that a format has changed, not that the test is wrong. ``python -m
tests.golden`` shows the differences and says how to accept an intended change.
"""

import pytest

from tests.golden.files import ACCEPT, FAMILIES, kept
from tests.golden.relay import read_again


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bytes_are_what_they_were(family: str) -> None:
    made, before = FAMILIES[family](), kept(family)
    assert made.keys() == before.keys()
    for name, content in made.items():
        assert content == before[name], f"{family}/{name} changed; intended? {ACCEPT} {family}"


@pytest.mark.parametrize("name", kept("relay"))
def test_a_frame_is_read_as_it_was_written(name: str) -> None:
    for line in kept("relay")[name].splitlines():
        assert read_again(name, line) == line.decode()

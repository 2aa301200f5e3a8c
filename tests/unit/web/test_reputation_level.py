"""Levels of a node's reputation say what its checks are."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.reputation_rules import INVALID, REJECTED, VALID, Record, strikes_of
from sql.sampling import odds_of
from web.nodes.reputation_level import EVERY, level_of

CPU = "cpu/x86_64/avx2/5.2"
LEAST = 0.02


def of(letters: str, device_class: str = CPU) -> Record:
    return Record(UUID(int=1), device_class, False, "", letters, len(letters))


@given(st.text(VALID + INVALID + REJECTED, max_size=80), st.sampled_from((CPU, "cuda/sm_89")))
def test_a_level_says_whether_every_result_is_compared(letters: str, device_class: str) -> None:
    record = of(letters, device_class)
    level = level_of(record, strikes_of([record]), LEAST)
    always = odds_of([record], device_class, 0.0, LEAST) == 1.0
    assert always == (level.name in ("New", "On watch"))


@pytest.mark.parametrize(
    ("letters", "name", "said"),
    [
        ("", "New", "10 more valid results in a row"),
        (VALID * 9, "New", "1 more valid result in a row"),
        (VALID * 12, "Known", "1 in 12"),
        (VALID * 60, "Proven", "1 in 50"),
        (VALID * 12 + INVALID, "On watch", "1 of 3 strikes"),
    ],
)
def test_levels(letters: str, name: str, said: str) -> None:
    record = of(letters)
    level = level_of(record, strikes_of([record]), LEAST)
    assert level.name == name
    assert said in f"{level.unlocked} {level.next}"
    assert (EVERY in level.unlocked) == (name in ("New", "On watch"))

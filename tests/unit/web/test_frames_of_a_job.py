"""Limit of the frames of a job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.frame_range import FRAMES_MAX
from rendertrust.job_spec import CHUNK_MAX
from tests.support.plans import in_frames
from web.jobs.pricing import Tariff
from web.jobs.unit_plan import UnitPlan, split_into_units


def never(_frame: int) -> int:
    raise AssertionError("a frame was priced")


@pytest.mark.parametrize("frames", ["1-99999", f"1-{FRAMES_MAX},1", "1-29999x2,2-29999x2"])
@pytest.mark.parametrize("chunk", [1, CHUNK_MAX])
def test_a_job_of_too_many_frames_is_refused_before_any_is_priced(frames: str, chunk: int) -> None:
    found = split_into_units(in_frames(frames, chunk), never)
    assert isinstance(found, list)
    assert [(fault.field, fault.code) for fault in found] == [("frames", "value")]
    assert f"a job has at most {FRAMES_MAX:,}" in found[0].message


def test_the_most_frames_that_a_job_may_have_are_planned() -> None:
    plan = split_into_units(in_frames(f"1-{FRAMES_MAX}", CHUNK_MAX), 3)
    assert isinstance(plan, UnitPlan)
    assert plan.frames == (*range(1, FRAMES_MAX + 1),)
    assert sum(piece.price for piece in plan.units) == 3 * FRAMES_MAX


@given(st.integers(1, 200), st.integers(1, CHUNK_MAX), st.sampled_from([None, "2x2"]))
def test_a_price_of_all_frames_is_the_same_as_one_of_each(
    last: int, chunk: int, tiles: str | None
) -> None:
    cut = in_frames(f"1-{last}", 1 if tiles else chunk, tiles, width=64, height=64)
    assert split_into_units(cut, 7) == split_into_units(cut, lambda _: 7)


def test_a_tariff_without_work_prices_no_frame_by_itself() -> None:
    assert Tariff(7, "by the table").cost == 7
    assert Tariff(7, "by the table").ends((3, 4)) == (7, 7)

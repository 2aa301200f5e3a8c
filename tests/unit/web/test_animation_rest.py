"""The frames that a job of test frames leaves."""

import pytest

from rendertrust.job_spec import JobSpec
from web.console.animation_rest import frames_left

FACTS = {"opened": True, "frame_start": 1, "frame_end": 10}


@pytest.mark.parametrize(
    ("frames", "facts", "left"),
    [
        ("1,6", FACTS, [2, 3, 4, 5, 7, 8, 9, 10]),
        ("1,7", {**FACTS, "frame_step": 3}, [4, 10]),
        ("1-10", FACTS, []),
        ("1,11", FACTS, []),  # a frame outside the range: no test of the animation
        ("1,6", {**FACTS, "frame_step": 2}, []),
        ("1,6", {"opened": False}, []),
        ("1,6", {**FACTS, "frame_end": 1_000_000}, []),
        ("1-11", {**FACTS, "frame_end": 100}, []),  # too many for a test
        (None, FACTS, []),
    ],
)
def test_frames_left(frames: str | None, facts: dict[str, object], left: list[int]) -> None:
    assert list(frames_left(JobSpec("render", frames=frames), facts)) == left

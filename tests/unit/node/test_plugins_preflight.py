"""Frames that a preflight measures, and the parameter that names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.preflight import PreflightPlugin, frames_of
from rendertrust.node.plugins.render import RenderPlugin
from tests.unit.node.test_plugins_render import task

RANGES = st.tuples(st.integers(-99, 99), st.integers(0, 99))


def scene(first: int, last: int, *, opened: bool = True) -> dict[str, Any]:
    return {"opened": opened, "frame_start": first, "frame_end": last}


@pytest.mark.parametrize(
    ("asked", "measured"),
    [
        ((), range(1, 251)),
        ((100, 101), range(1, 251)),  # as for every other job
        ((250, 251), (250, 251)),
        ((0, 300), (0, 300)),
    ],
    ids=["none", "inside", "over-the-end", "around"],
)
def test_the_scenes_frames_are_measured_unless_a_job_names_others(
    asked: Sequence[int], measured: Sequence[int]
) -> None:
    assert frames_of(scene(1, 250), asked) == measured


def test_a_scene_that_cannot_be_opened_has_no_frames() -> None:
    assert frames_of(scene(1, 250, opened=False), (7,)) == ()


@given(RANGES, st.sets(st.integers(-200, 200), max_size=20))
def test_the_measured_range_holds_all_frames_that_a_job_names(
    ranges: tuple[int, int], named: set[int]
) -> None:
    first, many = ranges
    asked = sorted(named)
    found = frames_of(scene(first, first + many), asked)
    assert all(found[0] <= frame <= found[-1] for frame in asked)


@pytest.mark.parametrize(
    ("frames", "said"),
    [("9-1", "write 1-9"), ([1, 2], "must be a text"), ("", "no frames are named")],
    ids=["backwards", "list", "empty"],
)
async def test_frames_that_cannot_be_read_fail_the_preflight(
    tmp_path: Path, frames: object, said: str
) -> None:
    plugin = PreflightPlugin(render=RenderPlugin(scratch=tmp_path))
    result = await plugin.run(task("s.blend", scene="s.blend", for_frames=frames))
    assert isinstance(result, Failed)
    assert (result.failure, said in result.error) == ("scene", True), result

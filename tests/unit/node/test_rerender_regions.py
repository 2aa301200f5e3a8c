"""Placement of rerendered regions in a frame, without Blender."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.worker.checks.crop_placement import Crop
from rendertrust.node.worker.checks.frame_crops import RenderedCrop
from rendertrust.node.worker.checks.frame_sheet import DeliveredPicture
from rendertrust.node.worker.checks.rerender import (
    BLOCK,
    aligned,
    box,
    cells_of,
    paste,
)
from tests.support.examples import examples

sides = st.integers(4, 400)
shares = st.floats(0, 0.999)


def crop_of(width: int, height: int, x: float, y: float) -> Crop:
    across, down = max(width // 10, 1), max(height // 10, 1)
    return int(x * (width - across + 1)), int(y * (height - down + 1)), across, down


@examples(2)
@given(sides, sides)
def test_the_parts_of_a_whole_frame_are_all_of_it_once(width: int, height: int) -> None:
    seen = np.zeros((height, width), int)
    for crop in cells_of((width, height)):
        box(seen, crop)[:] += 1
    assert (seen == 1).all()
    assert len(cells_of((width, height))) <= 100


@examples(2)
@given(sides, sides, shares, shares)
def test_a_jpeg_is_compared_by_whole_blocks(width: int, height: int, x: float, y: float) -> None:
    crop = crop_of(width, height, x, y)
    theirs = DeliveredPicture("", ".jpg", (width, height), 1 / 255, {})
    left, top, across, down = aligned(crop, theirs)
    assert (left % BLOCK, top % BLOCK) == (0, 0)
    assert left + across in (width, (left + across) // BLOCK * BLOCK)
    assert top + down in (height, (top + down) // BLOCK * BLOCK)
    assert left <= crop[0]
    assert left + across >= crop[0] + crop[2]
    assert top <= crop[1]
    assert top + down >= crop[1] + crop[3]
    assert left + across <= width
    assert top + down <= height
    assert aligned(crop, theirs._replace(suffix=".png")) == crop


@examples(2)
@given(sides, sides, shares, shares, st.integers(0, 16))
def test_a_region_lies_in_the_empty_frame_where_it_lay_in_its_own(
    width: int, height: int, x: float, y: float, margin: int
) -> None:
    """The place is the same whatever margin was rendered; the first row is the lowest."""
    crop = crop_of(width, height, x, y)
    left, top = max(crop[0] - margin, 0), max(crop[1] - margin, 0)
    right, below = min(crop[0] + crop[2] + margin, width), min(crop[1] + crop[3] + margin, height)
    area = (left, top, right - left, below - top)
    frame = np.arange(width * height, dtype=np.float32).reshape(height, width, 1) + 1
    empty = {"layer": {"Combined": np.zeros_like(frame)}}
    paste(empty, RenderedCrop(crop, area, ""), {"layer": {"Combined": box(frame, area)}})
    put = empty["layer"]["Combined"]
    assert np.array_equal(box(put, crop), box(frame, crop))
    assert np.count_nonzero(put) == crop[2] * crop[3]


def test_pixels_that_a_decoder_mixes_are_left_out_but_for_the_frames_edge() -> None:
    frame = np.arange(32 * 32).reshape(32, 32)
    assert box(frame, (0, 0, 16, 16), 2).shape == (14, 14)
    assert box(frame, (16, 0, 16, 16), 2).shape == (14, 14)
    assert box(frame, (0, 0, 32, 32), 2).shape == (32, 32)
    assert box(frame, (0, 0, 16, 16), 2)[-1, 0] == 31 * 32, "the frame's upper left corner"

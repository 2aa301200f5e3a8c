"""Placement of the regions of a check: whole cells within the frame, and enough cells."""

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.worker.checks.crop_placement import CELL, Crop, enlarged, place

SHARES = st.floats(0, 1, exclude_max=True)
SIDES = st.integers(1, 700)


def cells(boxes: list[Crop]) -> set[tuple[int, int]]:
    return {
        (x // CELL + column, y // CELL + row)
        for x, y, width, height in boxes
        for column in range(width // CELL)
        for row in range(height // CELL)
    }


@given(SIDES, SIDES, st.lists(st.tuples(SHARES, SHARES, st.none()), min_size=1, max_size=4))
def test_regions_have_enough_cells_and_lie_in_the_frame(
    width: int, height: int, drawn: list[tuple[float, float, None]]
) -> None:
    crops = [place(one, (width, height), []) for one in drawn]
    found = enlarged(crops, (width, height), 120)
    for x, y, across, down in found:
        assert x % CELL == y % CELL == across % CELL == down % CELL == 0
        assert across >= CELL <= down
        assert x + across <= width
        assert y + down <= height
    whole = (width // CELL) * (height // CELL)
    assert len(cells(found)) >= min(120, whole)


def test_a_large_crop_stays_what_it_is() -> None:
    crops = [(100, 52, 192, 108), (800, 400, 192, 108)]
    assert enlarged(crops, (1920, 1080), 120) == [(96, 48, 200, 112), (800, 400, 192, 112)]


def test_small_crops_grow_each_way_where_there_is_room() -> None:
    found = enlarged([(0, 0, 16, 16), (320, 320, 16, 16)], (640, 640), 120)
    assert found == [(0, 0, 48, 48), (288, 288, 80, 80)]


def test_a_small_frame_is_taken_whole() -> None:
    assert enlarged([(3, 3, 8, 8)], (130, 99), 120) == [(0, 0, 128, 96)]
    assert enlarged([(0, 0, 7, 7)], (7, 7), 120) == []

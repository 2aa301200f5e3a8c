"""Tiles cover every pixel exactly once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.tiling import SIDE_LEAST, TILES_MAX, Tile, grid

SIDE = st.integers(4, 600)
COUNT = st.integers(1, 8)


@given(SIDE, SIDE, COUNT, COUNT)
def test_each_pixel_lies_in_one_tile(width: int, height: int, columns: int, rows: int) -> None:
    try:
        tiles = grid(width, height, columns, rows)
    except ValueError:
        too_small = columns * SIDE_LEAST > width or rows * SIDE_LEAST > height
        assert too_small or columns * rows > TILES_MAX
        return
    covered = np.zeros((height, width), int)
    for tile in tiles:
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert (covered == 1).all()
    assert len(tiles) == columns * rows
    widths = {tile.width for tile in tiles}
    assert max(widths) - min(widths) <= 1


def test_a_frame_smaller_than_a_tile_is_one_tile() -> None:
    assert grid(8, 4, 1, 1) == (Tile(0, 0, 8, 4),)
    assert grid(8, 4, 1, 1)[0].members == [0, 0, 8, 4]


@pytest.mark.parametrize(("columns", "rows"), [(0, 1), (7, 7), (5, 1)])
def test_too_many_or_too_small_tiles_are_refused(columns: int, rows: int) -> None:
    with pytest.raises(ValueError, match="tile"):
        grid(64, 64, columns, rows)

"""Tiling of a frame: rectangles that cover each pixel exactly once.

Coordinates begin at the upper left corner, as in image files. Blender's begin at the lower left.
"""

from itertools import pairwise
from typing import Final

import attrs

TILES_MAX: Final = 48  # one unit fetches and assembles all tiles of a frame
SIDE_LEAST: Final = 16


@attrs.frozen(order=True)
class Tile:
    """Rectangle of ``width`` by ``height`` pixels with its upper left corner at ``x``, ``y``."""

    x: int
    y: int
    width: int
    height: int

    @property
    def members(self) -> list[int]:
        """Return the tile as the parameters of a unit contain it."""
        return [self.x, self.y, self.width, self.height]


def grid(width: int, height: int, columns: int, rows: int) -> tuple[Tile, ...]:
    """Return ``columns`` by ``rows`` tiles of a frame, row by row, as equal as possible.

    Raises ValueError if the tiles would be too many or too small.
    """
    if min(columns, rows) < 1 or columns * rows > TILES_MAX:
        raise ValueError(f"a frame can have 1 to {TILES_MAX} tiles")
    if columns * SIDE_LEAST > max(width, SIDE_LEAST) or rows * SIDE_LEAST > max(height, SIDE_LEAST):
        raise ValueError(
            f"a tile must be at least {SIDE_LEAST} pixels wide and high; ask for fewer tiles"
        )
    xs, ys = _cuts(width, columns), _cuts(height, rows)
    return tuple(
        Tile(left, top, right - left, bottom - top)
        for top, bottom in pairwise(ys)
        for left, right in pairwise(xs)
    )


def _cuts(length: int, parts: int) -> list[int]:
    return [length * part // parts for part in range(parts + 1)]

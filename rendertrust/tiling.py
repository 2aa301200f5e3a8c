"""A frame cut into rectangles that cover it exactly: each pixel lies in one tile.

Pixels count from the upper left corner, as in the files; Blender's own count from below.
"""

from itertools import pairwise
from typing import Final

import attrs

TILES_MAX: Final = 48  # each is a file that the finishing unit fetches
SIDE_LEAST: Final = 16


@attrs.frozen(order=True)
class Tile:
    """``width`` by ``height`` pixels whose upper left one is at ``x``, ``y``."""

    x: int
    y: int
    width: int
    height: int

    @property
    def members(self) -> list[int]:
        """As it stands in a unit's parameters."""
        return [self.x, self.y, self.width, self.height]


def grid(width: int, height: int, columns: int, rows: int) -> tuple[Tile, ...]:
    """``columns`` by ``rows`` tiles of a frame, row by row, as equal as whole pixels can be.

    Raises ValueError where there would be too many tiles, or too small ones.
    """
    if min(columns, rows) < 1 or columns * rows > TILES_MAX:
        raise ValueError(f"a frame has 1 to {TILES_MAX} tiles")
    if columns * SIDE_LEAST > max(width, SIDE_LEAST) or rows * SIDE_LEAST > max(height, SIDE_LEAST):
        raise ValueError(f"a tile is {SIDE_LEAST} pixels wide and high at least; ask for fewer")
    xs, ys = _cuts(width, columns), _cuts(height, rows)
    return tuple(
        Tile(left, top, right - left, bottom - top)
        for top, bottom in pairwise(ys)
        for left, right in pairwise(xs)
    )


def _cuts(length: int, parts: int) -> list[int]:
    return [length * part // parts for part in range(parts + 1)]

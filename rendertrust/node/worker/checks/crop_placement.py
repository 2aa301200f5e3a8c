"""Placement of crops in a frame, by random numbers and the variance in the frame."""

from bisect import bisect_right
from itertools import accumulate

SIDE = 10  # a crop has 1/10 of the width and height: a hundredth of the pixels
SIDE_LEAST = 8  # minimum side of a crop in pixels, if the frame is large enough
CELL = 8  # side of a cell in pixels
Crop = tuple[int, int, int, int]  # x, y from the upper left corner, width, height
# x, y and cell, each in [0, 1). If cell is None, the crop may lie anywhere in the frame.
Drawn = tuple[float, float, float | None]


def place(drawn: Drawn, size: tuple[int, int], variance: list[list[float]]) -> Crop:
    """Return the crop for a draw, within a frame of ``size`` (width, height).

    ``variance``: rows of a grid of equal cells, from the top. If the grid is empty or its values
    are all 0, the crop may lie anywhere. Raises ValueError for a frame without pixels.
    """
    if min(size) < 1:
        raise ValueError("the frame has no pixels")
    across, down = (min(max(side // SIDE, SIDE_LEAST), side) for side in size)
    x, y, share = drawn
    cell = None if share is None else _cell(variance, share)
    if cell is None:
        return (
            min(int(x * (size[0] - across + 1)), size[0] - across),
            min(int(y * (size[1] - down + 1)), size[1] - down),
            across,
            down,
        )
    row, column, rows, columns = cell
    left = int((column + x) / columns * size[0]) - across // 2
    top = int((row + y) / rows * size[1]) - down // 2
    left = min(max(left, 0), size[0] - across)
    return left, min(max(top, 0), size[1] - down), across, down


def _cell(variance: list[list[float]], share: float) -> tuple[int, int, int, int] | None:
    """Return row and column of the drawn cell, and the grid's size.

    A cell's chance is proportional to the cell's variance.
    """
    columns = len(variance[0]) if variance else 0
    weights = [max(value, 0.0) for row in variance for value in row]
    sums = list(accumulate(weights))
    if not sums or sums[-1] <= 0.0 or len(weights) != columns * len(variance):
        return None
    found = min(bisect_right(sums, share * sums[-1]), len(weights) - 1)
    return found // columns, found % columns, len(variance), columns


def picked(shares: list[float], count: int) -> list[int]:
    """Return a different index below ``count`` for each share in [0, 1), in ascending order."""
    left, found = list(range(count)), list[int]()
    for share in shares[:count]:
        found.append(left.pop(min(int(share * len(left)), len(left) - 1)))
    return sorted(found)


def enlarged(crops: list[Crop], size: tuple[int, int], least: int) -> list[Crop]:
    """Return the crops as rectangles of whole cells.

    The rectangles are enlarged until they cover ``least`` different cells. In a small frame of
    ``size``, the result is one rectangle with all cells.
    """
    columns, rows = size[0] // CELL, size[1] // CELL
    if columns * rows <= 2 * least:
        return [(0, 0, columns * CELL, rows * CELL)] if columns and rows else []
    boxes = [
        (x // CELL, y // CELL, -(-(x + w) // CELL), -(-(y + h) // CELL)) for x, y, w, h in crops
    ]
    boxes = [_clamped(box, columns, rows) for box in boxes]
    while boxes and len(_union(boxes)) < least:
        grown = [(left - 1, top - 1, right + 1, below + 1) for left, top, right, below in boxes]
        boxes = [_clamped(box, columns, rows) for box in grown]
    return [
        (left * CELL, top * CELL, (right - left) * CELL, (below - top) * CELL)
        for left, top, right, below in boxes
    ]


def _clamped(box: Crop, columns: int, rows: int) -> Crop:
    left, top, right, below = box
    left, top = min(max(left, 0), columns - 1), min(max(top, 0), rows - 1)
    return left, top, max(min(right, columns), left + 1), max(min(below, rows), top + 1)


def _union(boxes: list[Crop]) -> set[tuple[int, int]]:
    return {
        (column, row)
        for left, top, right, below in boxes
        for column in range(left, right)
        for row in range(top, below)
    }

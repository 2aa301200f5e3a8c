"""A comparison sheet: delivered, rendered again, and the difference side by side, as a PNG file.

Each column shows the frame with its regions outlined. Below, the region that differs most is
enlarged. The difference is amplified by a power of two, which the caption states.
"""

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

Array = Any
Box = tuple[int, int, int, int]  # x, y from the upper left corner, width, height
WIDE, HIGH = 640, 720  # largest size of a column's picture
ENLARGED_HIGH = 480  # largest height of the enlarged region with its surroundings
WIDE_LEAST = 320  # smaller pictures are enlarged by whole pixels
GAP, LINE = 12, 30  # pixels between columns; height of a line of text
LETTERS = 17
AMPLIFIED_MOST = 256
# The difference is amplified so that the percentile MOST_OF_IT is at most as bright as VISIBLE.
VISIBLE, MOST_OF_IT = 0.7, 98
FAINT = 0.25  # brightness factor of parts that were not rendered again
BEHIND, PAPER, INK = 0.18, (24, 24, 27), (235, 235, 235)
GOOD, BAD = (70, 200, 120), (240, 80, 70)


class MarkedRegion(NamedTuple):
    """A region, whether it differs too much, and its caption."""

    crop: Box
    is_off: bool
    words: str


class PicturePair(NamedTuple):
    """The delivered picture and the new render, the lowest row first.

    ``is_linear``: the values are linear light. ``is_whole``: the whole frame was rendered again,
    not only the marked regions.
    """

    theirs: Array
    ours: Array
    is_linear: bool
    is_whole: bool


def write(path: str, pair: PicturePair, marks: list[MarkedRegion]) -> int:
    """Write the picture; return the factor by which the difference is amplified."""
    theirs, ours = (on_screen(of, is_linear=pair.is_linear) for of in (pair.theirs, pair.ours))
    seen = np.ones(theirs.shape[:2], bool) if pair.is_whole else covered(theirs.shape, marks)
    apart = np.abs(theirs - ours).max(axis=2) * seen
    again = np.where(seen[..., None], ours, theirs * FAINT)
    last, factor = amplified(apart)
    wide = max(int(scaled(theirs)[0].shape[1]), WIDE_LEAST)
    titles = ("Delivered", "Rendered again", _difference(apart, factor))
    rows = [_titles(titles, wide), _frames((theirs, again, last), marks, wide)]
    worst = next((n for n, mark in enumerate(marks) if mark.is_off), None)
    if worst is not None:
        rows += _enlarged((theirs, again), apart, (worst, marks[worst]), wide)
    with open(path, "wb") as file:
        file.write(png(_stacked(rows)))
    return factor


def on_screen(picture: Array, *, is_linear: bool) -> Array:
    """Return a picture as displayed: (height, width, 3) from 0 to 1, the top row first."""
    found = np.nan_to_num(picture[::-1].astype(np.float32), posinf=1.0, neginf=0.0)
    colours = found[..., :3] if found.shape[2] >= 3 else np.repeat(found[..., :1], 3, axis=2)
    if is_linear:
        light = colours.clip(0, 1)
        colours = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    if found.shape[2] == 4:
        alpha = found[..., 3:].clip(0, 1)
        colours = colours * alpha + BEHIND * (1 - alpha)
    return colours.clip(0, 1)


def covered(shape: tuple[int, ...], marks: list[MarkedRegion]) -> Array:
    """Return a mask that is True for pixels in marked regions."""
    found = np.zeros(shape[:2], bool)
    for (x, y, across, down), *_ in marks:
        found[y : y + down, x : x + across] = True
    return found


def amplified(apart: Array) -> tuple[Array, int]:
    """Return the amplified difference in grey, and the factor."""
    factor = amplification(apart)
    return np.repeat((apart * factor).clip(0, 1)[..., None], 3, axis=2), factor


def _difference(apart: Array, factor: int) -> str:
    return f"Difference, amplified {factor} times" if apart.any() else "No difference"


def amplification(apart: Array) -> int:
    """Return the power of two that makes the difference visible."""
    there = apart[apart > 0]
    least = float(np.percentile(there, MOST_OF_IT)) if there.size else 1.0
    factor = 1
    while factor * 2 * least <= VISIBLE and factor < AMPLIFIED_MOST:
        factor *= 2
    return factor


# ── rows of the picture ───────────────────────────────────────────────────────────────────────────


def scaled(picture: Array, *, is_apart: bool = False) -> tuple[Array, float]:
    """Scale a picture to a column; return the scaled picture and the factor.

    Enlarging repeats whole pixels. Shrinking takes the mean of each block, or the maximum if the
    picture is a difference (``is_apart``).
    """
    height, width = picture.shape[:2]
    times = min(-(-WIDE_LEAST // width), max(WIDE // width, 1), max(HIGH // height, 1))
    if width <= WIDE and height <= HIGH:
        return picture.repeat(times, axis=0).repeat(times, axis=1), float(times)
    by = max(-(-width // WIDE), -(-height // HIGH))
    padded = np.pad(picture, ((0, -height % by), (0, -width % by), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // by, by, padded.shape[1] // by, by, 3)
    return (blocks.max(axis=(1, 3)) if is_apart else blocks.mean(axis=(1, 3))), 1 / by


def _titles(titles: tuple[str, ...], wide: int) -> Array:
    return _beside([_line(title, wide) for title in titles])


def _frames(shown: tuple[Array, ...], marks: list[MarkedRegion], wide: int) -> Array:
    """Return the three frames, with each region outlined and numbered."""
    made = list[Array]()
    for column, picture in enumerate(shown):
        small, share = scaled(picture, is_apart=column == 2)
        canvas = _bytes(small)
        for number, mark in enumerate(marks):
            x, y, across, down = (int(side * share) for side in mark.crop)
            colour = BAD if mark.is_off else GOOD
            if column == 0:
                _write(canvas, str(number + 1), (x + 2, y + 1), colour, darkens=True)
            _outline(canvas, (x, y, across, down), colour)
        made.append(_widened(canvas, wide))
    return _beside(made)


def _enlarged(
    shown: tuple[Array, Array], apart: Array, worst: tuple[int, MarkedRegion], wide: int
) -> list[Array]:
    """Return rows that show the region with the largest difference, and its surroundings."""
    number, mark = worst
    height, width = apart.shape
    x, y, across, down = mark.crop
    around = max(across // 4, down // 4, 2)
    left, top = max(x - around, 0), max(y - around, 0)
    right, below = min(x + across + around, width), min(y + down + around, height)
    times = max(min(wide // (right - left), ENLARGED_HIGH // (below - top)), 1)
    near = apart[top:below, left:right]
    last, factor = amplified(near)
    made = list[Array]()
    for picture in (*(of[top:below, left:right] for of in shown), last):
        part = _bytes(picture).repeat(times, axis=0).repeat(times, axis=1)
        place = ((x - left) * times, (y - top) * times, across * times, down * times)
        _outline(part, place, BAD if mark.is_off else GOOD)
        made.append(_widened(part[:ENLARGED_HIGH, :wide], wide))
    what = f"Region {number + 1}: {across} by {down} pixels at {x}, {y}"
    titles = (what, mark.words, _difference(near, factor))
    return [_titles(titles, wide), _beside(made)]


def _bytes(picture: Array) -> Array:
    return (picture * 255 + 0.5).astype(np.uint8)


def _outline(canvas: Array, place: Box, colour: tuple[int, int, int]) -> None:
    """Draw a line of one pixel around the rectangle ``place``."""
    x, y, across, down = place
    high, wide = canvas.shape[:2]
    left, top = max(x - 1, 0), max(y - 1, 0)
    right, below = min(x + across, wide - 1), min(y + down, high - 1)
    for row in (top, below):
        canvas[row, left : right + 1] = colour
    for column in (left, right):
        canvas[top : below + 1, column] = colour


def _widened(canvas: Array, wide: int) -> Array:
    made = np.full((canvas.shape[0], wide, 3), PAPER, np.uint8)
    made[:, : canvas.shape[1]] = canvas
    return made


def _beside(columns: list[Array]) -> Array:
    gap = np.full((columns[0].shape[0], GAP, 3), PAPER, np.uint8)
    parts = [part for column in columns for part in (gap, column)]
    return np.concatenate([*parts[1:]], axis=1)


def _stacked(rows: list[Array]) -> Array:
    wide = max(row.shape[1] for row in rows)
    padded = [_widened(row, wide) for row in rows]
    inner = np.concatenate(padded, axis=0)
    made = np.full((inner.shape[0] + 2 * GAP, wide + 2 * GAP, 3), PAPER, np.uint8)
    made[GAP:-GAP, GAP:-GAP] = inner
    return made


# ── text, and the file ────────────────────────────────────────────────────────────────────────────


def _line(words: str, wide: int) -> Array:
    canvas = np.full((LINE, wide, 3), PAPER, np.uint8)
    _write(canvas, words, (0, 4), INK)
    return canvas


def _write(
    canvas: Array,
    words: str,
    place: tuple[int, int],
    colour: tuple[int, int, int],
    *,
    darkens: bool = False,
) -> None:
    """Write text with Blender's font. ``place``: the upper left corner.

    Blender before 5.2 writes nothing.
    """
    ink = _letters(words)
    if ink is None:
        return
    x, y = place
    part = canvas[max(y, 0) : y + ink.shape[0], max(x, 0) : x + ink.shape[1]]
    ink = ink[: part.shape[0], : part.shape[1], None]
    part[:] = part // 3 if darkens else part
    part[:] = (part * (1 - ink) + np.array(colour) * ink + 0.5).astype(np.uint8)


def _letters(words: str) -> Array | None:
    """Return the coverage of each pixel by the text, 0 to 1, the top row first.

    Return None if Blender cannot draw text.
    """
    try:
        import blf  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        import imbuf  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        blf.size(0, LETTERS)
        wide = int(blf.dimensions(0, words)[0]) + 4
        image = imbuf.new((wide, LETTERS + 8))
        with blf.bind_imbuf(0, image):
            blf.color(0, 1.0, 1.0, 1.0, 1.0)
            blf.position(0, 1, 6, 0)
            blf.draw_buffer(0, words)
        with image.with_buffer() as pixels:
            return np.asarray(pixels)[::-1, :, 0].astype(np.float32) / 255
    except (ImportError, AttributeError, TypeError):
        return None


def png(canvas: Array) -> bytes:
    """Return a PNG file of an array of bytes (height, width, 3), the top row first."""
    height, width = canvas.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), canvas.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

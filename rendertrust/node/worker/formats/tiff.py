"""Size of a TIFF file's first picture, which Blender shows (TIFF 6.0, "Structure").

A file is refused if it has features that Blender does not write and that cost a decoder memory.
"""

import struct
from typing import Any

from .bounds import NoPixels, read_exactly

ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
ENTRIES_MAX = 256
SHORT, LONG = 3, 4
WIDTH, HEIGHT, BITS, PACKING, SHOWS, CHANNELS, ROWS = 256, 257, 258, 259, 262, 277, 278
# Tags of tiled pictures and of sliced pictures.
TILES, DEPTHS = (322, 323, 324, 325), (32997, 32998)
PACKINGS = (1, 5, 8, 32773, 32946)  # uncompressed, LZW, Deflate (two numbers), PackBits
GREY_OR_RGB = (0, 1, 2)
CHANNELS_MAX, BITS_OF_ALL_MAX = 4, 128
ROWS_MORE = 64  # a strip may have this many more rows than the picture
Entries = dict[int, tuple[int, int, bytes]]


def size_of(path: str) -> tuple[int, int]:
    """Return width and height. Raises OSError, and NoPixels for an unsupported file."""
    with open(path, "rb") as file:
        order = ORDERS.get(file.read(4))
        if order is None:
            raise NoPixels("the file is not a TIFF file")
        found = _entries(file, order)
        width, height = (_number(order, found, tag, 0) for tag in (WIDTH, HEIGHT))
        if not _is_plain(order, found, height) or _bits(file, order, found) > BITS_OF_ALL_MAX:
            raise NoPixels("the file is an unsupported TIFF file")
        return width, height


def _entries(file: Any, order: str) -> Entries:
    """Return type, count and four bytes for each tag of the first picture.

    The four bytes are the value or its offset.
    """
    (place,) = struct.unpack(f"{order}I", read_exactly(file, 4))
    file.seek(place)
    (count,) = struct.unpack(f"{order}H", read_exactly(file, 2))
    found: Entries = {}
    for _ in range(min(count, ENTRIES_MAX + 1)):
        tag, kind, many, value = struct.unpack(f"{order}HHI4s", read_exactly(file, 12))
        found[tag] = kind, many, value
    if len(found) != count:
        raise NoPixels("the file has repeated or too many tags")
    return found


def _is_plain(order: str, found: Entries, height: int) -> bool:
    return (
        not any(tag in found for tag in (*TILES, *DEPTHS))
        and _number(order, found, PACKING, 1) in PACKINGS
        and _number(order, found, SHOWS, 1) in GREY_OR_RGB
        and 1 <= _number(order, found, CHANNELS, 1) <= CHANNELS_MAX
        and 1 <= _number(order, found, ROWS, height) <= height + ROWS_MORE
    )


def _number(order: str, found: Entries, tag: int, otherwise: int) -> int:
    if tag not in found:
        return otherwise
    kind, many, value = found[tag]
    if many != 1 or kind not in (SHORT, LONG):
        raise NoPixels("one of the file's numbers is invalid")
    return int(struct.unpack_from(f"{order}{'H' if kind == SHORT else 'I'}", value)[0])


def _bits(file: Any, order: str, found: Entries) -> int:
    """Return the bits of all channels of a pixel."""
    kind, many, value = found.get(BITS, (SHORT, 1, struct.pack(f"{order}HH", 1, 0)))
    if kind != SHORT or many != _number(order, found, CHANNELS, 1):
        raise NoPixels("the file does not declare the bits of its channels")
    if many > 2:
        file.seek(struct.unpack(f"{order}I", value)[0])
        value = read_exactly(file, 2 * many)
    return sum(struct.unpack_from(f"{order}{many}H", value))

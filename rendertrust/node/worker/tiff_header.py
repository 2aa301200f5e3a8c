"""How large a TIFF file says that its first picture is (TIFF 6.0, "Structure"): which is the one
that Blender shows. What Blender does not write, and a decoder would take memory for, is refused.
"""

import struct
from typing import Any

from .png_pixels import NoPixels

ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
ENTRIES_MAX = 256
SHORT, LONG = 3, 4
WIDTH, HEIGHT, BITS, PACKING, SHOWS, CHANNELS, ROWS = 256, 257, 258, 259, 262, 277, 278
TILES, DEPTHS = (322, 323, 324, 325), (32997, 32998)  # pictures in tiles, and of several slices
PACKINGS = (1, 5, 8, 32773, 32946)  # none, LZW, Deflate by both its numbers, PackBits
GREY_OR_RGB = (0, 1, 2)
CHANNELS_MAX, BITS_OF_ALL_MAX = 4, 128
ROWS_MORE = 64  # a strip may be thought higher than a low picture is
Entries = dict[int, tuple[int, int, bytes]]


def size_of(path: str) -> tuple[int, int]:
    """Width and height. OSError; NoPixels for another file, or one of a kind that is not read."""
    with open(path, "rb") as file:
        order = ORDERS.get(file.read(4))
        if order is None:
            raise NoPixels("it is no TIFF file")
        found = _entries(file, order)
        width, height = (_number(order, found, tag, 0) for tag in (WIDTH, HEIGHT))
        if not _is_plain(order, found, height) or _bits(file, order, found) > BITS_OF_ALL_MAX:
            raise NoPixels("it is a TIFF file of a kind that is not read")
        return width, height


def _entries(file: Any, order: str) -> Entries:
    """Of each tag of the first picture its type, how many values it has, and its last four bytes:
    the value, or where it is.
    """
    (place,) = struct.unpack(f"{order}I", _read(file, 4))
    file.seek(place)
    (count,) = struct.unpack(f"{order}H", _read(file, 2))
    found: Entries = {}
    for _ in range(min(count, ENTRIES_MAX + 1)):
        tag, kind, many, value = struct.unpack(f"{order}HHI4s", _read(file, 12))
        found[tag] = kind, many, value
    if len(found) != count:
        raise NoPixels("it names one thing twice, or too many")
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
        raise NoPixels("one of its numbers is none")
    return int(struct.unpack_from(f"{order}{'H' if kind == SHORT else 'I'}", value)[0])


def _bits(file: Any, order: str, found: Entries) -> int:
    """Of all channels of a pixel."""
    kind, many, value = found.get(BITS, (SHORT, 1, struct.pack(f"{order}HH", 1, 0)))
    if kind != SHORT or many != _number(order, found, CHANNELS, 1):
        raise NoPixels("it does not say how many bits its channels have")
    if many > 2:
        file.seek(struct.unpack(f"{order}I", value)[0])
        value = _read(file, 2 * many)
    return sum(struct.unpack_from(f"{order}{many}H", value))


def _read(file: Any, size: int) -> bytes:
    found: bytes = file.read(size)
    if len(found) != size:
        raise NoPixels("it breaks off in the head of a TIFF file")
    return found

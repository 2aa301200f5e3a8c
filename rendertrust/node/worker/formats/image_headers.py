"""Sizes of pictures from their headers, read before anything decodes the pictures.

A file is untrusted, and a decoder allocates memory by the header. Therefore each header must be as
Blender writes it, and any other header is refused. ``png``, ``jpeg``, ``exr`` and ``tiff`` read the
more complex formats.
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from . import exr, jpeg, png, tiff
from .bounds import NoPixels

Size = tuple[int, int]
HEAD_MAX = 4096
BITMAP_HEADS = (40, 108, 124)
PALETTE_MAX = 256
TARGA_GREY, TARGA_COLOUR = (3, 11), (2, 10)
RADIANCE = re.compile(
    rb"#\?(?:RADIANCE|RGBE)\n(?:[^\r\n\0]{1,200}\n)*\n-Y ([0-9]{1,6}) \+X ([0-9]{1,6})\n"
)
ANIMATED = 0x02  # flag of an animated WebP


def size_of(path: str, suffix: str) -> Size | None:
    """Return width and height in pixels; None for an unknown suffix.

    Raises OSError, and NoPixels for an unsupported file or an invalid size.
    """
    read = READERS.get(suffix)
    if read is None:
        return None
    width, height = read(path)
    if width < 1 or height < 1:
        raise NoPixels("the file has no pixels")
    return width, height


def showing_of(path: str, suffix: str) -> set[bytes]:
    """Return the metadata that changes how viewers show the picture, such as its profile.

    Empty for formats of which no such metadata is read. Raises OSError and NoPixels.
    """
    read = SHOWING.get(suffix)
    if read is None:
        return set()
    with open(path, "rb") as file:
        return read(file)


def _by_head(of: Callable[[bytes], Size], name: str) -> Callable[[str], Size]:
    """Return a function that reads a file's first bytes and passes them to ``of``."""

    def read(path: str) -> Size:
        with open(path, "rb") as file:
            head = file.read(HEAD_MAX)
        try:
            return of(head)
        except struct.error as fault:
            raise NoPixels(f"the file's {name} header is truncated") from fault

    return read


def _of_bitmap(head: bytes) -> Size:
    length, width, height, planes, bits = struct.unpack_from("<IiiHH", head, 14)
    (packing,) = struct.unpack_from("<I", head, 30)
    (colours,) = struct.unpack_from("<I", head, 46)
    is_such = head[:2] == b"BM" and length in BITMAP_HEADS and planes == 1 and packing == 0
    if not is_such or bits not in (8, 24, 32) or colours > PALETTE_MAX:
        raise NoPixels("the file is not a supported BMP file")
    return width, abs(height)  # the height is negative if the top row comes first


def _of_targa(head: bytes) -> Size:
    """Read a TGA header. All values must be plausible, because TGA has no magic number."""
    _, palette, kind = struct.unpack_from("<BBB", head)
    width, height, bits = struct.unpack_from("<HHB", head, 12)
    is_such = kind in TARGA_GREY and bits == 8
    is_such |= kind in TARGA_COLOUR and bits in (24, 32)
    if palette or any(head[3:8]) or not is_such:
        raise NoPixels("the file is not a supported TGA file")
    return width, height


def _of_radiance(head: bytes) -> Size:
    found = RADIANCE.match(head)
    if not found:
        raise NoPixels("the file is not a supported Radiance HDR file")
    return int(found[2]), int(found[1])


def _of_webp(head: bytes) -> Size:
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        raise NoPixels("the file is not a WebP file")
    kind, data = head[12:16], head[20:]
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and data[:1] == b"\x2f":
        (told,) = struct.unpack_from("<I", data, 1)
        return (told & 0x3FFF) + 1, (told >> 14 & 0x3FFF) + 1
    if (
        kind == b"VP8X" and not _three(data, 0) & ANIMATED
    ):  # decoders require that the picture is as large as the canvas
        return _three(data, 4) + 1, _three(data, 7) + 1
    raise NoPixels("the file is an unsupported WebP file")


def _three(data: bytes, place: int) -> int:
    low, high = struct.unpack_from("<HB", data, place)
    return int(low | high << 16)


SHOWING: Mapping[str, Callable[[Any], set[bytes]]] = {
    ".png": png.showing_of,
    ".jpg": jpeg.showing_of,
    ".exr": exr.showing_of,
}
READERS: Mapping[str, Callable[[str], Any]] = {
    ".png": png.size_of,
    ".jpg": jpeg.size_of,
    ".exr": exr.size_of,
    ".tif": tiff.size_of,
    ".bmp": _by_head(_of_bitmap, "BMP"),
    ".tga": _by_head(_of_targa, "TGA"),
    ".hdr": _by_head(_of_radiance, "HDR"),
    ".webp": _by_head(_of_webp, "WebP"),
}

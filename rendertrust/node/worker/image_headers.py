"""How large a picture says that it is, by its head alone: read before anything unpacks it.

The file is a stranger's. A decoder takes memory for what a head says, so each kind is read strictly
as Blender writes it, and whatever else might be at the head of such a file is refused. PNG and JPEG
are read in ``pixels`` and ``coded``, OpenEXR in ``headers``.
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from . import exr_headers, image_digest, png_pixels, tiff_header
from .png_pixels import NoPixels

Size = tuple[int, int]
HEAD_MAX = 4096
BITMAP_HEADS = (40, 108, 124)
PALETTE_MAX = 256
TARGA_GREY, TARGA_COLOUR = (3, 11), (2, 10)
RADIANCE = re.compile(
    rb"#\?(?:RADIANCE|RGBE)\n(?:[^\r\n\0]{1,200}\n)*\n-Y ([0-9]{1,6}) \+X ([0-9]{1,6})\n"
)
ANIMATED = 0x02  # a flag of WebP's


def size_of(path: str, suffix: str) -> Size | None:
    """Width and height in pixels; None for a suffix that no picture has. OSError; NoPixels for
    another file, or one of a size that makes no sense.
    """
    read = READERS.get(suffix)
    if read is None:
        return None
    width, height = read(path)
    if width < 1 or height < 1:
        raise NoPixels("it has no pixels")
    return width, height


def _of_exr(path: str) -> Size:
    try:
        return exr_headers.window_of(path)[:2]
    except exr_headers.NoHeader as fault:
        raise NoPixels(str(fault)) from fault


def _by_head(of: Callable[[bytes], Size], name: str) -> Callable[[str], Size]:
    """What reads a file by its first bytes."""

    def read(path: str) -> Size:
        with open(path, "rb") as file:
            head = file.read(HEAD_MAX)
        try:
            return of(head)
        except struct.error as fault:
            raise NoPixels(f"it breaks off in the head of a {name} file") from fault

    return read


def _of_bitmap(head: bytes) -> Size:
    length, width, height, planes, bits = struct.unpack_from("<IiiHH", head, 14)
    (packing,) = struct.unpack_from("<I", head, 30)
    (colours,) = struct.unpack_from("<I", head, 46)
    is_such = head[:2] == b"BM" and length in BITMAP_HEADS and planes == 1 and packing == 0
    if not is_such or bits not in (8, 24, 32) or colours > PALETTE_MAX:
        raise NoPixels("it is no BMP file, or of a kind that is not read")
    return width, abs(height)  # below zero: its first row is the uppermost


def _of_targa(head: bytes) -> Size:
    """It has nothing that tells it from other files but that it makes sense."""
    _, palette, kind = struct.unpack_from("<BBB", head)
    width, height, bits = struct.unpack_from("<HHB", head, 12)
    is_such = kind in TARGA_GREY and bits == 8
    is_such |= kind in TARGA_COLOUR and bits in (24, 32)
    if palette or any(head[3:8]) or not is_such:
        raise NoPixels("it is no TGA file, or of a kind that is not read")
    return width, height


def _of_radiance(head: bytes) -> Size:
    found = RADIANCE.match(head)
    if not found:
        raise NoPixels("it is no Radiance HDR file, or of a kind that is not read")
    return int(found[2]), int(found[1])


def _of_webp(head: bytes) -> Size:
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        raise NoPixels("it is no WebP file")
    kind, data = head[12:16], head[20:]
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and data[:1] == b"\x2f":
        (told,) = struct.unpack_from("<I", data, 1)
        return (told & 0x3FFF) + 1, (told >> 14 & 0x3FFF) + 1
    if (
        kind == b"VP8X" and not _three(data, 0) & ANIMATED
    ):  # a decoder asks that its picture be of it
        return _three(data, 4) + 1, _three(data, 7) + 1
    raise NoPixels("it is a WebP file of a kind that is not read")


def _three(data: bytes, place: int) -> int:
    low, high = struct.unpack_from("<HB", data, place)
    return int(low | high << 16)


READERS: Mapping[str, Callable[[str], Any]] = {
    ".png": png_pixels.size_of_png,
    ".jpg": image_digest.size_of_jpeg,
    ".exr": _of_exr,
    ".tif": tiff_header.size_of,
    ".bmp": _by_head(_of_bitmap, "BMP"),
    ".tga": _by_head(_of_targa, "TGA"),
    ".hdr": _by_head(_of_radiance, "HDR"),
    ".webp": _by_head(_of_webp, "WebP"),
}

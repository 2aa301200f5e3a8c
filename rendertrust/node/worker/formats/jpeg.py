"""Size of a JPEG file (ITU-T T.81), and the hash of its coded picture.

The standard leaves the accuracy of the transform open, so decoded pixels are not defined to the
last bit. The hash is over ``rendertrust-coded-v1 jpeg {width} {height}``, a newline, and segments
and scans in the file's order. Comments and application segments are left out, except Adobe's
segment, which says how colours are coded.
"""

import hashlib
import struct
from typing import Any

from .bounds import NoPixels, check_size, read_exactly

NAME = "rendertrust-coded-v1"
BEGIN = b"\xff\xd8"
SEGMENTS_MAX = 256  # maximum number of segments before the frame header
PIECE = 1 << 20
FIRST_PIECE = 256  # first bytes to read of a scan, because a file can have very many short scans
SCANS = (0xD8, *range(0xD0, 0xD8), 0x01)  # markers without a length
END, SCAN, COMMENT, ADOBE = 0xD9, 0xDA, 0xFE, 0xEE
SHOWING = (0xE1, 0xE2)  # Exif and XMP; profiles and further pictures
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def digest_of(file: Any) -> dict[str, Any]:
    """Return sha256, width, height, channels and bits per channel. Raises NoPixels."""
    return _jpeg(file, hashed=True)


def size_of(path: str) -> tuple[int, int]:
    """Return width and height from the header. Raises OSError and NoPixels."""
    with open(path, "rb") as file:
        found = head_of(file)
        return found["width"], found["height"]


def head_of(file: Any) -> dict[str, int]:
    """Return width, height, channels and bits from the header. Raises NoPixels."""
    return _jpeg(file, hashed=False)


def showing_of(file: Any) -> set[bytes]:
    """Return the segments before the first scan that can change how viewers show the picture: its
    profile, orientation, or a brighter version. Raises NoPixels.
    """
    if read_exactly(file, 2) != BEGIN:
        raise NoPixels("the file is not a JPEG file")
    found = set[bytes]()
    for _ in range(SEGMENTS_MAX):
        marker = _marker(file)
        if marker == SCAN:  # viewers obey segments before the first scan
            return found
        body = _segment(file)
        if marker in SHOWING:
            found.add(bytes([marker]) + body)
    raise NoPixels("the file has too many segments before its picture")


def _jpeg(file: Any, *, hashed: bool) -> dict[str, Any]:
    if read_exactly(file, 2) != BEGIN:
        raise NoPixels("the file is not a JPEG file")
    kept: list[bytes] = []  # segments before the frame header
    digest, found = hashlib.sha256(), None
    marker = _marker(file)
    while marker != END:
        body = _segment(file)
        if marker in FRAMES and found is None:
            found = _frame(body)
            digest.update(f"{NAME} jpeg {found['width']} {found['height']}\n".encode())
            if not hashed:
                return found
            for part in kept:
                digest.update(part)
        if marker != COMMENT and (not 0xE0 <= marker <= 0xEF or marker == ADOBE):
            part = bytes([0xFF, marker]) + body
            if found is None:
                if len(kept) == SEGMENTS_MAX:
                    raise NoPixels("the file has too many segments before its picture")
                kept.append(part)
            else:
                digest.update(part)
        marker = _scan(file, digest) if marker == SCAN else _marker(file)
    if found is None:
        raise NoPixels("the file has no size")
    return {"sha256": digest.hexdigest(), **found}


def _frame(body: bytes) -> dict[str, int]:
    if len(body) < 8:
        raise NoPixels("the file's header is truncated")
    bits, height, width, channels = struct.unpack(">BHHB", body[2:8])
    check_size(width, height)
    return {"width": width, "height": height, "channels": channels, "bits": bits}


def _marker(file: Any) -> int:
    found = read_exactly(file, 2)
    if found[0] != 0xFF:
        raise NoPixels("the file is damaged")
    while found[1] == 0xFF:  # fill bytes
        found = found[1:] + read_exactly(file, 1)
    marker = int(found[1])
    if marker in SCANS or marker == 0:
        raise NoPixels("the file is damaged")
    return marker


def _segment(file: Any) -> bytes:
    """Read a segment, including its length."""
    head = read_exactly(file, 2)
    length = int.from_bytes(head, "big")
    if length < 2:
        raise NoPixels("the file is damaged")
    return head + read_exactly(file, length - 2)


def _scan(file: Any, digest: Any) -> int:
    """Hash the coded data up to the next marker; return the marker."""
    last, size = b"", FIRST_PIECE
    while True:
        piece: bytes = last + file.read(size)
        size = min(2 * size, PIECE)
        if len(piece) == len(last):
            raise NoPixels("the file is truncated")
        place = piece.find(b"\xff")
        while place != -1 and place + 1 < len(piece):
            following = int(piece[place + 1])
            if following == 0xFF:  # fill bytes
                place += 1
                continue
            if following != 0 and not 0xD0 <= following <= 0xD7:
                digest.update(piece[:place])
                file.seek(place + 2 - len(piece), 1)
                return following
            place = piece.find(b"\xff", place + 2)
        end = len(piece) - 1 if piece.endswith(b"\xff") else len(piece)
        digest.update(piece[:end])
        last = piece[end:]

"""Hashes of the coded pictures in JPEG and OpenEXR files, computed without a library.

Their decoded pixels are not defined to the last bit: JPEG (ITU-T T.81) leaves the accuracy of the
transform open, and some OpenEXR compressions are lossy. So the coded picture is hashed, without
metadata and independent of the lossless packing.

JPEG: ``rendertrust-coded-v1 jpeg {width} {height}``, a newline, and all segments and scans in the
file's order, but for comments and application segments other than Adobe's, which says how colours
are coded.

OpenEXR of one part, in scan lines: ``rendertrust-coded-v1 exr {width} {height} {compression}``, a
newline, the value of ``channels``, and the blocks from the top, each after its length in four
bytes. Deflated blocks (ZIPS, ZIP) are inflated first, others are hashed as stored.

OpenEXR of several parts: ``rendertrust-coded-v1 exr-parts {number}``, a newline, and of each part
in the file's order its name, a newline, and what is hashed of a file of that part alone.
"""

import hashlib
import itertools
import struct
import zlib
from typing import Any

from .exr_headers import Head, NoHeader, heads_of, window_in
from .png_pixels import PIXELS_MAX, SIDE_MAX, NoPixels

NAME = "rendertrust-coded-v1"
BEGIN = b"\xff\xd8"
SEGMENTS_MAX = 256  # before the frame header
PIECE = 1 << 20
FIRST_PIECE = 256  # of a scan: a file can have very many short ones
ZIPS, ZIP = 2, 3
LINES = {0: 1, 1: 1, ZIPS: 1, ZIP: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
SAMPLE_BYTES = {0: 4, 1: 2, 2: 4}  # of channels: whole numbers, half, float
STORED_MAX = 1 << 30
FILE_MAX = 1 << 40
SCANS = (0xD8, *range(0xD0, 0xD8), 0x01)  # markers without a length
END, SCAN, COMMENT, ADOBE = 0xD9, 0xDA, 0xFE, 0xEE
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


# ── JPEG ─────────────────────────────────────────────────────────────────────────────────────────


def of_jpeg(file: Any) -> dict[str, Any]:
    """Return sha256, width, height, channels and bits per channel. Raises NoPixels."""
    return _jpeg(file, hashed=True)


def size_of_jpeg(path: str) -> tuple[int, int]:
    """Return width and height from the header. Raises OSError and NoPixels."""
    with open(path, "rb") as file:
        found = _jpeg(file, hashed=False)
        return found["width"], found["height"]


def _jpeg(file: Any, *, hashed: bool) -> dict[str, Any]:
    if _read(file, 2) != BEGIN:
        raise NoPixels("it is not a JPEG file")
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
                    raise NoPixels("it has no size")
                kept.append(part)
            else:
                digest.update(part)
        marker = _scan(file, digest) if marker == SCAN else _marker(file)
    if found is None:
        raise NoPixels("it has no size")
    return {"sha256": digest.hexdigest(), **found}


def _frame(body: bytes) -> dict[str, int]:
    if len(body) < 8:
        raise NoPixels("its head breaks off")
    bits, height, width, channels = struct.unpack(">BHHB", body[2:8])
    _must_be_bounded(width, height)
    return {"width": width, "height": height, "channels": channels, "bits": bits}


def _marker(file: Any) -> int:
    found = _read(file, 2)
    if found[0] != 0xFF:
        raise NoPixels("it is damaged")
    while found[1] == 0xFF:  # filling
        found = found[1:] + _read(file, 1)
    marker = int(found[1])
    if marker in SCANS or marker == 0:
        raise NoPixels("it is damaged")
    return marker


def _segment(file: Any) -> bytes:
    """Read a segment, including its length."""
    head = _read(file, 2)
    length = int.from_bytes(head, "big")
    if length < 2:
        raise NoPixels("it is damaged")
    return head + _read(file, length - 2)


def _scan(file: Any, digest: Any) -> int:
    """Hash the coded data up to the next marker, and return that marker."""
    last, size = b"", FIRST_PIECE
    while True:
        piece: bytes = last + file.read(size)
        size = min(2 * size, PIECE)
        if len(piece) == len(last):
            raise NoPixels("it breaks off")
        place = piece.find(b"\xff")
        while place != -1 and place + 1 < len(piece):
            following = int(piece[place + 1])
            if following == 0xFF:  # filling
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


# ── OpenEXR ──────────────────────────────────────────────────────────────────────────────────────


def of_exr(file: Any) -> dict[str, Any]:
    """Return sha256, width, height, channels and bits of the widest channel. Raises NoPixels."""
    try:
        return _exr(file)
    except NoHeader as fault:
        raise NoPixels(str(fault)) from fault


def _exr(file: Any) -> dict[str, Any]:
    left = file.seek(0, 2)  # bound for all blocks, which a small file could make overlap
    file.seek(0)
    several, heads = heads_of(file)
    parts = [_ExrPart(head) for head in heads]
    if not parts or len({(part.width, part.height) for part in parts}) != 1:
        raise NoPixels("its parts are not all of one size")
    tables = [_offsets(file, part) for part in parts]
    digest = hashlib.sha256(f"{NAME} exr-parts {len(parts)}\n".encode() if several else b"")
    for number, (part, offsets) in enumerate(zip(parts, tables, strict=True)):
        if several:
            digest.update(part.name + b"\n")
        left -= _hash_part(
            file, part, offsets, digest, number=number if several else None, left=left
        )
    first, channels = parts[0], sum(len(part.widths) for part in parts)
    bits = 8 * max(width for part in parts for width in part.widths)
    told = {"width": first.width, "height": first.height, "channels": channels, "bits": bits}
    return {"sha256": digest.hexdigest(), **told}


class _ExrPart:
    """Layout of a part's blocks, from its header. Raises NoHeader, NoPixels."""

    def __init__(self, head: Head) -> None:
        self.width, self.height, count = window_in(head)
        _must_be_bounded(self.width, self.height)
        self.packing = head.get("compression", b"\xff")[0]
        if self.packing not in LINES:
            raise NoPixels("its OpenEXR compression is not supported")
        self.name, self.channels = head.get("name", b""), head["channels"]
        self.widths = _widths(self.channels, count)
        self.lines = LINES[self.packing]
        self.blocks = -(-self.height // self.lines)
        told = self.blocks.to_bytes(4, "little")
        if head.get("chunkCount", told) != told:
            raise NoPixels("its number of blocks does not match its size")


def _offsets(file: Any, part: _ExrPart) -> tuple[int, ...]:
    return struct.unpack(f"<{part.blocks}Q", _read(file, part.blocks * 8))


def _hash_part(
    file: Any,
    part: _ExrPart,
    offsets: tuple[int, ...],
    digest: Any,
    *,
    number: int | None,
    left: int,
) -> int:
    """Hash a part and return the bytes of its blocks in the file, ``left`` at most.

    ``number``: the part's number, which each block repeats; None in a single-part file.
    """
    taken = 0
    digest.update(f"{NAME} exr {part.width} {part.height} {part.packing}\n".encode())
    digest.update(part.channels)
    for row, offset in zip(range(0, part.height, part.lines), offsets, strict=True):
        rows = min(part.lines, part.height - row)
        size = rows * part.width * sum(part.widths)
        content = _stored(file, _own(file, offset, number), size)
        taken += len(content)
        if taken > left:
            raise NoPixels("its blocks overlap")
        block = _unpacked(content, size, part.packing)
        digest.update(len(block).to_bytes(4, "little") + block)
    return taken


def _own(file: Any, offset: int, number: int | None) -> int:
    """Return where the block begins, after its part's number, which must match."""
    if number is None:
        return offset
    if offset > FILE_MAX:
        raise NoPixels("one of its blocks lies nowhere")
    file.seek(offset)
    if int.from_bytes(_read(file, 4), "little") != number:
        raise NoPixels("one of its blocks belongs to another part")
    return offset + 4


def _widths(channels: bytes, count: int) -> list[int]:
    """Return the bytes per sample of each channel."""
    found: list[int] = []
    place = 0
    for _ in range(count):
        place = channels.index(b"\0", place) + 1
        kind, _, across, down = struct.unpack("<iiii", channels[place : place + 16])
        if kind not in SAMPLE_BYTES or (across, down) != (1, 1):
            raise NoPixels("it has unsupported channels")
        found.append(SAMPLE_BYTES[kind])
        place += 16
    return found


def _stored(file: Any, offset: int, size: int) -> bytes:
    if offset > FILE_MAX:
        raise NoPixels("one of its blocks lies nowhere")
    file.seek(offset)
    _, stored = struct.unpack("<iI", _read(file, 8))
    if stored > min(size, STORED_MAX):
        raise NoPixels("one of its blocks is too long")
    return _read(file, stored)


def _unpacked(content: bytes, size: int, packing: int) -> bytes:
    if packing not in (ZIPS, ZIP):
        return content
    return _sorted(content) if len(content) == size else _inflated(content, size)


def _inflated(content: bytes, size: int) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(content, size + 1)
    except zlib.error as fault:
        raise NoPixels("its data cannot be unpacked") from fault
    if len(found) != size:
        raise NoPixels("one of its blocks has a wrong length")
    return found


def _sorted(content: bytes) -> bytes:
    """Reorder a block as before deflation: even bytes first, each minus the previous one."""
    apart = content[0::2] + content[1::2]
    return apart[:1] + bytes((b - a + 128) & 255 for a, b in itertools.pairwise(apart))


def _must_be_bounded(width: int, height: int) -> None:
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX and width * height <= PIXELS_MAX):
        raise NoPixels("it has too many pixels or none")


def _read(file: Any, size: int) -> bytes:
    found: bytes = file.read(size)
    if len(found) != size:
        raise NoPixels("it breaks off")
    return found

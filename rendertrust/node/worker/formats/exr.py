"""Headers of OpenEXR files, and the hash of their coded pictures.

The files are untrusted. Headers are read before anything decodes the picture (OpenEXR file layout,
"Header"). A decoded picture cannot be larger than the window and channels in the header.

Some compressions are lossy, so decoded pixels are not defined to the last bit. Therefore the hash
is over the coded picture. The hash does not depend on metadata or lossless packing.

For a file of one part in scan lines, the hash is over ``rendertrust-coded-v1 exr {width} {height}
{compression}``, a newline, the value of ``channels``, and the blocks from the top. Each block
follows its length in four bytes. Deflated blocks (ZIPS, ZIP) are inflated first, other blocks are
hashed as stored.

For a file of several parts, the hash is over ``rendertrust-coded-v1 exr-parts {number}``, a
newline, and the following bytes of each part in the file's order. The bytes of a part are the
part's name, a newline, and the bytes that are hashed for a file of only this part.
"""

import hashlib
import itertools
import struct
import zlib
from typing import Any

from .bounds import NoPixels, check_size, read_exactly

MAGIC = b"\x76\x2f\x31\x01"
# Flags of the version field: OTHER_KINDS for tiled or deep files, PARTS for several parts.
OTHER_KINDS, PARTS = 0x0A00, 0x1000
PARTS_MAX = 256
NAME_MAX = 255
ATTRIBUTES_MAX = 256
VALUE_MAX = 1 << 16
CHANNELS_MAX = 512
Head = dict[str, bytes]
SHOWING = ("chromaticities", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio")
NAME = "rendertrust-coded-v1"
ZIPS, ZIP = 2, 3
LINES = {0: 1, 1: 1, ZIPS: 1, ZIP: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
# Bytes per sample, by the channel's type (0: whole number, 1: half, 2: float).
SAMPLE_BYTES = {0: 4, 1: 2, 2: 4}
STORED_MAX = 1 << 30
INFLATED_MAX = 1 << 27  # bytes of a block, which is in memory as a whole
FILE_MAX = 1 << 40


def size_of(path: str) -> tuple[int, int]:
    """Return width and height from the header. Raises OSError and NoPixels."""
    return window_of(path)[:2]


def window_of(path: str) -> tuple[int, int, int]:
    """Return width, height and the number of channels of all parts of an OpenEXR file.

    Raises OSError, and NoPixels for an unsupported file.
    """
    with open(path, "rb") as file:
        found = head_of(file)
    return found["width"], found["height"], found["channels"]


def head_of(file: Any) -> dict[str, int]:
    """Return width, height and the number of channels of all parts. Raises NoPixels."""
    windows = [window_in(head) for head in heads_of(file)[1]]
    sizes = {window[:2] for window in windows}
    if len(sizes) != 1:
        raise NoPixels("the file's parts are not all of one size")
    count = sum(window[2] for window in windows)
    if count > CHANNELS_MAX:
        raise NoPixels("the file has too many channels")
    width, height = sizes.pop()
    return {"width": width, "height": height, "channels": count}


def heads_of(file: Any) -> tuple[bool, list[Head]]:
    """Return whether the file has several parts, and the header of each part.

    Raises NoPixels.
    """
    if file.read(4) != MAGIC:
        raise NoPixels("the file is not an OpenEXR file")
    (version,) = struct.unpack("<I", read_exactly(file, 4))
    if version & OTHER_KINDS:
        raise NoPixels("the file is a tiled or deep OpenEXR file")
    if not version & PARTS:
        return False, [attributes_of(file)]
    found: list[Head] = []
    while head := attributes_of(file):
        if head.get("type") != b"scanlineimage":
            raise NoPixels("one of the file's parts is tiled or deep")
        found.append(head)
        if len(found) > PARTS_MAX:
            raise NoPixels("the file has too many parts")
    return True, found


def showing_of(file: Any) -> set[bytes]:
    """Return the attributes that change how viewers show the picture. Raises NoPixels."""
    _, heads = heads_of(file)
    return {name.encode() + head.get(name, b"") for head in heads for name in SHOWING}


def channels_of(path: str) -> list[str]:
    """Return the sorted channel names of all parts. Raises OSError, NoPixels."""
    with open(path, "rb") as file:
        _, heads = heads_of(file)
    return sorted(name for head in heads for name in names_in(head.get("channels", b"")))


def window_in(found: Head) -> tuple[int, int, int]:
    """Return width, height and the number of channels from a header. Raises NoPixels."""
    box, channels = found.get("dataWindow", b""), found.get("channels", b"")
    if len(box) != 16 or not channels:
        raise NoPixels("the file has no window or no channels")
    left, top, right, bottom = struct.unpack("<iiii", box)
    count = len(names_in(channels))
    if right < left or bottom < top or not 0 < count <= CHANNELS_MAX:
        raise NoPixels("the file's window or channels are invalid")
    return right - left + 1, bottom - top + 1, count


def attributes_of(file: Any) -> Head:
    """Read the attributes of the header at the file's position. Raises NoPixels."""
    found: Head = {}
    for _ in range(ATTRIBUTES_MAX):
        name = _text(file)
        if not name:
            return found
        _text(file)
        (size,) = struct.unpack("<I", read_exactly(file, 4))
        if size > VALUE_MAX:
            raise NoPixels("one of the file's attributes is too long")
        found[name] = read_exactly(file, size)
    raise NoPixels("the file has too many attributes")


def names_in(channels: bytes) -> list[str]:
    """Return the names in a channel list.

    A channel is a name, a zero and 16 bytes; a zero ends the list. Raises NoPixels.
    """
    found: list[str] = []
    place = 0
    while place < len(channels) and channels[place]:
        end = channels.find(b"\0", place)
        if end < 0 or end + 17 > len(channels):
            raise NoPixels("the file's channels cannot be read")
        found.append(channels[place:end].decode("utf-8", "replace"))
        place = end + 17
    return found


def _text(file: Any) -> str:
    found = bytearray()
    while (byte := read_exactly(file, 1)) != b"\0":
        found += byte
        if len(found) > NAME_MAX:
            raise NoPixels("one of the file's names is too long")
    return found.decode("latin-1")


# ── hash of the coded picture ─────────────────────────────────────────────────────────────────────


def digest_of(file: Any) -> dict[str, Any]:
    """Return sha256, width, height, channels, and the bits of the widest channel.

    Raises NoPixels.
    """
    left = file.seek(0, 2)  # limit of all blocks together, because blocks could overlap
    file.seek(0)
    several, heads = heads_of(file)
    parts = [_ExrPart(head) for head in heads]
    if not parts or len({(part.width, part.height) for part in parts}) != 1:
        raise NoPixels("the file's parts are not all of one size")
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
    """Layout of a part's blocks, from its header. Raises NoPixels."""

    def __init__(self, head: Head) -> None:
        self.width, self.height, count = window_in(head)
        check_size(self.width, self.height)
        packing = head.get("compression", b"")
        self.packing = packing[0] if len(packing) == 1 else -1
        if self.packing not in LINES:
            raise NoPixels("the file's OpenEXR compression is not supported")
        self.name, self.channels = head.get("name", b""), head["channels"]
        self.widths = _widths(self.channels, count)
        self.lines = LINES[self.packing]
        self.blocks = -(-self.height // self.lines)
        told = self.blocks.to_bytes(4, "little")
        if head.get("chunkCount", told) != told:
            raise NoPixels("the file's number of blocks does not match its size")


def _offsets(file: Any, part: _ExrPart) -> tuple[int, ...]:
    return struct.unpack(f"<{part.blocks}Q", read_exactly(file, part.blocks * 8))


def _hash_part(
    file: Any,
    part: _ExrPart,
    offsets: tuple[int, ...],
    digest: Any,
    *,
    number: int | None,
    left: int,
) -> int:
    """Hash a part; return the number of bytes of its blocks in the file, at most ``left``.

    ``number``: the part's number, which precedes each block; None in a file of one part.
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
            raise NoPixels("the file's blocks overlap")
        block = _unpacked(content, size, part.packing)
        digest.update(len(block).to_bytes(4, "little") + block)
    return taken


def _own(file: Any, offset: int, number: int | None) -> int:
    """Return where the block begins.

    In a file of several parts, check the part's number before the block.
    """
    if number is None:
        return offset
    if offset > FILE_MAX:
        raise NoPixels("one of the file's blocks lies outside the file")
    file.seek(offset)
    if int.from_bytes(read_exactly(file, 4), "little") != number:
        raise NoPixels("one of the file's blocks belongs to another part")
    return offset + 4


def _widths(channels: bytes, count: int) -> list[int]:
    """Return the bytes per sample of each channel."""
    found: list[int] = []
    place = 0
    for _ in range(count):
        place = channels.index(b"\0", place) + 1
        kind, _, across, down = struct.unpack("<iiii", channels[place : place + 16])
        if kind not in SAMPLE_BYTES or (across, down) != (1, 1):
            raise NoPixels("the file has unsupported channels")
        found.append(SAMPLE_BYTES[kind])
        place += 16
    return found


def _stored(file: Any, offset: int, size: int) -> bytes:
    if offset > FILE_MAX:
        raise NoPixels("one of the file's blocks lies outside the file")
    file.seek(offset)
    _, stored = struct.unpack("<iI", read_exactly(file, 8))
    if stored > min(size, STORED_MAX):
        raise NoPixels("one of the file's blocks is too long")
    return read_exactly(file, stored)


def _unpacked(content: bytes, size: int, packing: int) -> bytes:
    if packing not in (ZIPS, ZIP):
        return content
    return _sorted(content) if len(content) == size else _inflated(content, size)


def _inflated(content: bytes, size: int) -> bytes:
    if size > INFLATED_MAX:
        raise NoPixels("one of the file's blocks is too long")
    try:
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(content, size + 1)
    except zlib.error as fault:
        raise NoPixels("the file's data cannot be unpacked") from fault
    if len(found) != size:
        raise NoPixels("one of the file's blocks has a wrong length")
    return found


def _sorted(content: bytes) -> bytes:
    """Undo the byte order and differences that OpenEXR applies to a block before deflation.

    The stored block has the even bytes first, and each byte minus the previous byte.
    """
    apart = content[0::2] + content[1::2]
    return apart[:1] + bytes((b - a + 128) & 255 for a, b in itertools.pairwise(apart))

"""Hashes of the pixels of PNG files, computed without a library.

Another version of Blender, or another number of threads, may encode the same pixels differently, so
a hash of the file would differ. The hash is over ``rendertrust-pixels-v1 {width} {height}
{channels} {bits}`` in ASCII, a newline, and the samples as in the file, row by row from the top.
Only PNG 1.2 without palette and interlacing is supported, because Blender writes neither. Files
with chunks that Blender does not write are refused, because viewers may show something else than
these samples: an animation, or samples made transparent.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from .bounds import NoPixels, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NAME = "rendertrust-pixels-v1"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
PIECE = 1 << 20
CHUNKS = frozenset(
    b"IHDR IDAT IEND cHRM cICP eXIf gAMA iCCP iTXt oFFs pHYs sBIT sRGB tEXt tIME zTXt".split()
)


# Chunks by which viewers change colours, turn, move or stretch the picture.
SHOWING = frozenset(b"cHRM cICP eXIf gAMA iCCP oFFs pHYs sBIT sRGB".split())


class ForeignChunk(NoPixels):
    """The file has a chunk that Blender does not write."""


def digest_of(file: Any) -> dict[str, Any]:
    """Return sha256, width, height, channels and bits per channel. Raises NoPixels."""
    width, height, channels, bits = _head(file)
    digest = hashlib.sha256(f"{NAME} {width} {height} {channels} {bits}\n".encode())
    step = channels * bits // 8
    _rows(file, width * step, height, step, digest)
    return {
        "sha256": digest.hexdigest(),
        "width": width,
        "height": height,
        "channels": channels,
        "bits": bits,
    }


def size_of(path: str) -> tuple[int, int]:
    """Return width and height from the header. Raises OSError and NoPixels."""
    with open(path, "rb") as file:
        width, height, _, _ = _head(file)
        _check_chunks(file)
        return width, height


def head_of(file: Any) -> dict[str, int]:
    """Return width, height and channels from the header. Raises NoPixels."""
    width, height, channels, _ = _head(file)
    return {"width": width, "height": height, "channels": channels}


def _check_chunks(file: Any) -> None:
    """Raise ForeignChunk if the rest of the file has a foreign chunk; skip the contents."""
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        _check_kind(head[4:])
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)


def showing_of(file: Any) -> set[bytes]:
    """Return all chunks that change how viewers show the picture. Raises NoPixels."""
    _head(file)
    found = set[bytes]()
    while (start := _begin(file))[0] != b"IEND":
        kind, length = start
        if kind not in SHOWING:
            file.seek(length + 4, 1)
        elif length > PIECE or len(found) > len(SHOWING):
            raise NoPixels("the file has too many or too long chunks")
        else:
            found.add(kind + b"".join(_body(file, kind, length)))
    return found


def _check_kind(kind: bytes) -> None:
    if kind not in CHUNKS:
        name = kind.decode("ascii") if kind.isalpha() else kind.hex()
        raise ForeignChunk(f"the file has a chunk ({name}) that Blender does not write")


def _head(file: Any) -> tuple[int, int, int, int]:
    """Return width, height, channels and bits per channel."""
    if file.read(8) != SIGNATURE:
        raise NoPixels("the file is not a PNG file")
    kind, length = _begin(file)
    if kind != b"IHDR" or length != 13:
        raise NoPixels("the file does not begin with a header")
    body = b"".join(_body(file, kind, length))
    width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
    if color not in CHANNELS or bits not in (8, 16) or interlaced:
        raise NoPixels("the file is an unsupported PNG file")
    check_size(width, height)
    return width, height, CHANNELS[color], bits


def _begin(file: Any) -> tuple[bytes, int]:
    """Read the length and kind of a chunk."""
    head = file.read(8)
    if len(head) != 8:
        raise NoPixels("the file is truncated")
    length = int.from_bytes(head[:4], "big")
    if length > 1 << 30:
        raise NoPixels("one of the file's parts is too long")
    return head[4:], length


def _body(file: Any, kind: bytes, length: int) -> Iterator[bytes]:
    """Yield the content of a chunk in pieces.

    Raises NoPixels at the end if the chunk is damaged.
    """
    check = zlib.crc32(kind)
    while length:
        piece = file.read(min(length, PIECE))
        if not piece:
            raise NoPixels("the file is damaged")
        check, length = zlib.crc32(piece, check), length - len(piece)
        yield piece
    if check != int.from_bytes(file.read(4), "big"):
        raise NoPixels("the file is damaged")


def _rows(file: Any, length: int, height: int, step: int, digest: Any) -> None:
    """Decode and hash the picture row by row. At most one row and one piece are in memory."""
    held, before, done = bytearray(), bytes(length), 0
    for piece in _unpacked(file):
        held += piece
        while len(held) > length and done < height:
            before = _unfiltered(held[0], held[1 : length + 1], before, step)
            del held[: length + 1]
            digest.update(before)
            done += 1
        if done == height and held:
            raise NoPixels("the file has more rows than its header says")
    if done < height:
        raise NoPixels("rows are missing")


def _unpacked(file: Any) -> Iterator[bytes]:
    """Yield the decompressed image data in pieces of at most PIECE bytes."""
    unpacker, begun, ended = zlib.decompressobj(), False, False
    while True:
        kind, length = _begin(file)
        _check_kind(kind)
        if kind == b"IDAT" and ended:  # browsers show the samples before it only
            raise NoPixels("another chunk divides the file's samples")
        begun, ended = begun or kind == b"IDAT", begun and kind != b"IDAT"
        for body in _body(file, kind, length):
            # After the end of the stream, the decompressor would buffer further data.
            if kind == b"IDAT" and not unpacker.eof:
                yield from _pieces(unpacker, body)
        if kind == b"IEND":
            return


def _pieces(unpacker: Any, body: bytes) -> Iterator[bytes]:
    try:
        while piece := unpacker.decompress(body, PIECE):
            yield piece
            body = unpacker.unconsumed_tail
    except zlib.error as fault:
        raise NoPixels("the file's data cannot be unpacked") from fault


def _unfiltered(kind: int, row: bytearray, above: bytes, step: int) -> bytes:
    """Undo the filter of a row (PNG 1.2, 6)."""
    if kind == 1:
        return _sums(row, step)
    if kind == 2:
        return _added(int.from_bytes(row, "little"), above)
    if kind == 3:
        for place, value in enumerate(above):
            left = row[place - step] if place >= step else 0
            row[place] = row[place] + (left + value >> 1) & 255
    elif kind == 4:
        _paeth(row, above, step)
    elif kind:
        raise NoPixels("the file has an unknown filter")
    return bytes(row)


def _added(one: int, row: bytes) -> bytes:
    """Return the sums of bytes modulo 256, computed for all bytes at once as large integers."""
    length = len(row)
    return _plus(one, int.from_bytes(row, "little"), length).to_bytes(length, "little")


def _plus(one: int, other: int, length: int) -> int:
    low, high = (int.from_bytes(bytes([byte]) * length, "little") for byte in (0x7F, 0x80))
    return ((one & low) + (other & low)) ^ ((one ^ other) & high)


def _sums(row: bytearray, step: int) -> bytes:
    """Return prefix sums of bytes that are ``step`` apart, by repeatedly doubling the distance."""
    length, shift = len(row), 8 * step
    mask, found = (1 << 8 * length) - 1, int.from_bytes(row, "little")
    while shift < 8 * length:
        found = _plus(found, found << shift & mask, length)
        shift *= 2
    return found.to_bytes(length, "little")


def _paeth(row: bytearray, above: bytes, step: int) -> None:
    """Undo the Paeth filter one channel at a time, in place."""
    for channel in range(step):
        left = corner = 0
        found = bytearray()
        for value, over in zip(row[channel::step], above[channel::step], strict=True):
            rise, run = over - corner, left - corner
            far, near, both = abs(rise), abs(run), abs(rise + run)
            best = over if near <= both else corner
            if far <= near and far <= both:
                best = left
            left, corner = value + best & 255, over
            found.append(left)
        row[channel::step] = found

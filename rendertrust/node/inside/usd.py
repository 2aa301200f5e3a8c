"""Which files a USD file refers to, as far as names tell: its layers, references and payloads.

Blender's own reader is not within reach of a script. Text says ``@path@``; a crate (the binary
kind) keeps every path in its table of tokens.
Source: the crate format as pxr/usd/usd/crateFile.cpp of OpenUSD writes it.
"""

import os
import re
import struct
from collections.abc import Iterator

SUFFIX = (".usd", ".usda", ".usdc", ".usdz")
TEXT = re.compile(rb"@([^@\r\n]+)@")
CRATE = b"PXR-USDC"
FILES_MAX = 1_000
BYTES_MAX = 256 * 2**20  # of one file, and of its table
SECTION = struct.Struct("<16sqq")  # name, start, size


def layers(path: str) -> list[str]:
    """The files that a USD file takes in, directly or by way of others, as far as they are there:
    a word that ends like one may be no reference.
    """
    found, waiting = {os.path.normpath(path)}, [os.path.normpath(path)]
    while waiting and len(found) < FILES_MAX:
        file = waiting.pop()
        for named in _named(file):
            place = os.path.normpath(os.path.join(os.path.dirname(file), named))
            if place not in found and os.path.isfile(place):
                found.add(place)
                waiting.append(place)
    return sorted(found - {os.path.normpath(path)})


def _named(path: str) -> Iterator[str]:
    """The USD files that one names."""
    if not os.path.isfile(path) or os.path.getsize(path) > BYTES_MAX:
        return
    with open(path, "rb") as file:
        content = file.read()
    names = _tokens(content) if content.startswith(CRATE) else TEXT.findall(content)
    for name in names:
        text = name.decode("utf-8", "replace").partition(":SDF_FORMAT_ARGS:")[0]
        if text.lower().endswith(SUFFIX) and "://" not in text:
            yield text


def _tokens(crate: bytes) -> list[bytes]:
    """The words of a crate; none of one that is damaged."""
    try:
        (contents,) = struct.unpack_from("<q", crate, 16)
        (count,) = struct.unpack_from("<q", crate, contents)
        for number in range(count):
            name, start, _ = SECTION.unpack_from(crate, contents + 8 + number * SECTION.size)
            if name.rstrip(b"\0") == b"TOKENS":
                _, size, packed = struct.unpack_from("<qqq", crate, start)
                return _unpacked(crate[start + 24 : start + 24 + packed], size).split(b"\0")
    except (struct.error, IndexError, ValueError):
        pass
    return []


def _unpacked(packed: bytes, size: int) -> bytes:
    """Chunks of LZ4 blocks; a single one has no lengths before it. Raises ValueError."""
    if size > BYTES_MAX:
        raise ValueError("the table of tokens is too large")
    chunks, rest = packed[0], packed[1:]
    if chunks == 0:
        return lz4_block(rest, size)
    found = b""
    for _ in range(chunks):
        (length,) = struct.unpack_from("<i", rest)
        found += lz4_block(rest[4 : 4 + length], size - len(found))
        rest = rest[4 + length :]
    return found


def lz4_block(block: bytes, most: int) -> bytes:
    """What an LZ4 block holds, ``most`` bytes at the most. Raises IndexError or ValueError for one
    that is damaged. Source: lz4_Block_format.md.
    """
    found, at = bytearray(), 0
    while at < len(block):
        token, at = block[at], at + 1
        count, at = _length(block, at, token >> 4)
        found += block[at : at + count]
        at += count
        if at >= len(block):
            break
        back, at = block[at] | block[at + 1] << 8, at + 2
        count, at = _length(block, at, token & 15)
        _repeat(found, back, count + 4, most)
    if len(found) > most:
        raise ValueError("it is longer than it says")
    return bytes(found)


def _length(block: bytes, at: int, nibble: int) -> tuple[int, int]:
    if nibble < 15:
        return nibble, at
    count = nibble
    while True:
        more, at = block[at], at + 1
        count += more
        if more < 255:
            return count, at


def _repeat(found: bytearray, back: int, count: int, most: int) -> None:
    if not 0 < back <= len(found) or len(found) + count > most:
        raise ValueError("it repeats what is not there")
    while count > 0:
        piece = found[-back:][:count] if back >= count else found[-back:]
        found += piece
        count -= len(piece)

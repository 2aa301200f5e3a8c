"""Recognition of Blender files by their first bytes, before anything is sent or paid."""

import zlib
from typing import Final

HEAD_BYTES: Final = 4096  # number of bytes at the start of a file that identify a Blender file
HEAD: Final = b"BLENDER"
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"


def is_blend(head: bytes) -> bool:
    """Return True if a file that begins with ``head`` may be a Blender file.

    Blender compressed with gzip until 2.9 and uses zstd since 3.0. Python 3.13 cannot read zstd, so
    every zstd file is accepted here. The node rejects a zstd file that Blender cannot open.
    """
    if head.startswith(GZIP):
        return _unzipped(head).startswith(HEAD)
    return head.startswith((HEAD, ZSTD))


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, len(HEAD))
    except zlib.error:
        return b""

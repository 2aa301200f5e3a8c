"""Whether a file was written by Blender, by how it begins: told before anything is sent or paid."""

import zlib
from typing import Final

HEAD_BYTES: Final = 4096  # so many of its first bytes are enough
HEAD: Final = b"BLENDER"
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"


def is_blend(head: bytes) -> bool:
    """Whether a file that begins so was written by Blender.

    Blender compressed by gzip until 2.9 and compresses by zstd since 3.0. There is no zstd in
    Python yet: such a file is believed, and the node finds out.
    """
    if head.startswith(GZIP):
        return _unzipped(head).startswith(HEAD)
    return head.startswith((HEAD, ZSTD))


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, len(HEAD))
    except zlib.error:
        return b""

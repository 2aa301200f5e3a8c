"""Recognition of Blender files by their first bytes, before anything is sent or paid."""

import re
import zlib
from typing import Final

from rendertrust.blender_version import UNKNOWN, BlenderVersion

HEAD_BYTES: Final = 4096  # number of bytes at the start of a file that identify a Blender file
HEAD: Final = b"BLENDER"
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
# BLENDER-v405 until Blender 4.5, BLENDER17-01v0502 since 5.0.
VERSION: Final = re.compile(rb"BLENDER(?:[0-9]{2}-[0-9]{2}|[-_])[vV]([0-9]{3,4})")
VERSION_BYTES: Final = 32


def is_blend(head: bytes) -> bool:
    """Return True if a file that begins with ``head`` may be a Blender file.

    Blender compressed with gzip until 2.9 and uses zstd since 3.0. Python 3.13 cannot read zstd, so
    every zstd file is accepted here. The node rejects a zstd file that Blender cannot open.
    """
    if head.startswith(GZIP):
        return _unzipped(head).startswith(HEAD)
    return head.startswith((HEAD, ZSTD))


def saved_by(head: bytes) -> BlenderVersion:
    """Return the version of Blender that saved the file that begins with ``head``.

    UNKNOWN if the file is compressed with zstd, or does not name a version.
    """
    plain = _unzipped(head) if head.startswith(GZIP) else head
    found = VERSION.match(plain)
    return UNKNOWN if found is None else divmod(int(found[1]), 100)


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, VERSION_BYTES)
    except zlib.error:
        return b""

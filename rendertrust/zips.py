"""Reading of untrusted zips.

The limit counts the unpacked bytes, not the sizes that the zip claims.
"""

import errno
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike

from rendertrust.node.worker.formats import bounds

PIECE = 1 << 20
# Accepted compression methods. Further decoders would only add attack surface.
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)


class BadZip(Exception):
    """The zip cannot be read; the exception's text says why."""


class ZipTooLarge(BadZip):
    """The zip unpacks to more than the limit."""


class Zip:
    """An open zip. At most ``most`` bytes of all its members together are read."""

    def __init__(self, packed: zipfile.ZipFile, most: int) -> None:
        self._packed, self._left = packed, most
        self.members = packed.infolist()

    def pieces(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield a member's content in pieces. Raises BadZip or its subclass ZipTooLarge."""
        with _told():
            if member.compress_type not in PACKINGS:
                raise BadZip("a file in the zip is neither stored nor deflated")
            with self._packed.open(member) as content:
                while piece := content.read(PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise ZipTooLarge("the zip unpacks to more than the limit")
                    yield piece


@contextmanager
def opened(path: str | PathLike[str], most: int, entries: int) -> Generator[Zip]:
    """Open the zip at ``path``, which may have ``entries`` members and unpack to ``most`` bytes.

    Raises BadZip.
    """
    with ExitStack() as stack:
        with _told():
            packed = stack.enter_context(bounds.open_zip(path, entries))
        yield Zip(packed, most)


@contextmanager
def _told() -> Generator[None]:
    """Turn the library's exceptions for a broken zip into BadZip."""
    try:
        yield
    except _BROKEN as fault:
        raise BadZip(str(fault) or type(fault).__name__) from fault
    except OSError as fault:
        if fault.errno != errno.EINVAL:  # any other OSError is a fault of the disk
            raise
        raise BadZip("the zip names an offset before its start") from fault

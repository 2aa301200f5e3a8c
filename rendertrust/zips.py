"""Zips that strangers made, read as such: what comes out of one is bounded, whatever it claims."""

import errno
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike

from rendertrust.node.worker import zip_directory

PIECE = 1 << 20
# How a zip was packed that is read: others' decoders are more to attack, and nobody needs them.
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)


class BadZip(Exception):
    """It cannot be read; the text says why."""


class ZipTooLarge(BadZip):
    """What it holds is more than it may be."""


class Zip:
    """An open zip: ``members``, and their contents of at most ``most`` bytes in all."""

    def __init__(self, packed: zipfile.ZipFile, most: int) -> None:
        self._packed, self._left = packed, most
        self.members = packed.infolist()

    def pieces(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        """What a member holds, a piece at a time. Raises BadZip, ZipTooLarge among them."""
        with _told():
            if member.compress_type not in PACKINGS:
                raise BadZip("a file in it is packed neither as stored nor as deflated")
            with self._packed.open(member) as content:
                while piece := content.read(PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise ZipTooLarge("it unpacks to more than it may")
                    yield piece


@contextmanager
def opened(path: str | PathLike[str], most: int, entries: int) -> Generator[Zip]:
    """The zip at ``path``, of ``entries`` members at most, of which at most ``most`` bytes are
    unpacked. Raises BadZip.
    """
    with ExitStack() as stack:
        with _told():
            packed = stack.enter_context(zip_directory.opened(path, entries))
        yield Zip(packed, most)


@contextmanager
def _told() -> Generator[None]:
    """Whatever a broken zip makes the library raise, as BadZip."""
    try:
        yield
    except _BROKEN as fault:
        raise BadZip(str(fault) or type(fault).__name__) from fault
    except OSError as fault:
        if fault.errno != errno.EINVAL:  # else it is the disk's, and not the zip's
            raise
        raise BadZip("it names a place before its beginning") from fault

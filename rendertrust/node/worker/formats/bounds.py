"""Limits for untrusted pictures and zips, checked before anything decodes them."""

import io
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

PIXELS_MAX = 1 << 28
SIDE_MAX = 1 << 16
ENTRY = b"PK\x01\x02"
ENTRY_BYTES = 512  # most bytes of an entry of the directory, with its name, on average
# Errors that ``zipfile`` raises for a broken zip.
ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError)


class NoPixels(Exception):
    """The pixels cannot be read; the exception's text says why."""


def check_size(width: int, height: int) -> None:
    """Raise NoPixels for a size that no picture may have."""
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX and width * height <= PIXELS_MAX):
        raise NoPixels("the picture has too many pixels, or none")


def read_exactly(file: Any, size: int) -> bytes:
    """Read ``size`` bytes. Raises NoPixels if the file is shorter."""
    found: bytes = file.read(size)
    if len(found) != size:
        raise NoPixels("the file is truncated")
    return found


class TooManyEntries(zipfile.BadZipFile):
    """The zip has more entries than may be read."""


class _Counted(io.BufferedReader):
    """A zip file that refuses to return a directory of more than ``most`` entries.

    ``zipfile`` reads a directory by its size, and ignores the number of entries in the end record.
    """

    most: int | None = None

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a place in the file. ``zipfile`` computes the place from the untrusted file."""
        if whence == io.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile("one of the files begins before the zip")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is None:
            return super().read(size)
        if size is not None and size > self.most * ENTRY_BYTES:
            raise TooManyEntries(f"over {self.most} files in one zip")
        content = super().read(size)
        if content.count(ENTRY) > self.most:
            raise TooManyEntries(f"over {self.most} files in one zip")
        return content


@contextmanager
def open_zip(path: Any, most: int) -> Generator[zipfile.ZipFile]:
    """Open the zip at ``path``; count its entries before ``zipfile`` creates objects for them.

    Raises BadZipFile, its subclass TooManyEntries, and OSError.
    """
    with _Counted(io.FileIO(path)) as file:
        file.most = most
        with zipfile.ZipFile(file) as packed:
            file.most = None  # later reads return contents of members
            yield packed

"""Files on their way to the object store and back: in pieces, counted, never half."""

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import attrs

from rendertrust.client.errors import FileChanged

CHUNK_BYTES: Final = 1 << 20

# Told how many bytes are done, and of how many; 0 of nothing known.
Progress: TypeAlias = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """The progress of one who does not ask."""


@attrs.frozen
class Stamp:
    """What changes when somebody writes to a file."""

    size: int
    modified_ns: int
    inode: int


@attrs.define
class Source:
    """A file that is read twice: for its hash, and to be sent; unchanged between, or not at all."""

    file: BinaryIO
    name: str
    stamp: Stamp

    @property
    def size(self) -> int:
        """Bytes, as it was opened."""
        return self.stamp.size

    @property
    def changed(self) -> bool:
        """Somebody wrote to it since it was opened."""
        return _stamp(self.file) != self.stamp

    async def sha256(self, progress: Progress = unheard) -> str:
        """Its SHA-256, in hex."""
        digest = hashlib.sha256()
        async for chunk in self.chunks(progress):
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    def stretch(self, start: int, size: int) -> "Stretch":
        """A part of it."""
        return Stretch(self, start, size)

    async def chunks(self, progress: Progress = unheard) -> AsyncIterator[bytes]:
        """Its content from the start; FileChanged when it is not as long as it was."""
        done = 0
        await asyncio.to_thread(self.file.seek, 0)
        while chunk := await asyncio.to_thread(self.file.read, CHUNK_BYTES):
            done += len(chunk)
            self._count(done)
            yield chunk
            progress(done, self.size)
        if done != self.size:
            raise self.fault()

    def _count(self, done: int) -> None:
        if done > self.size:
            raise self.fault()

    def fault(self) -> FileChanged:
        """Says what happened to the file."""
        return FileChanged(f"{self.name} was written to while it was being sent")


@attrs.frozen
class Stretch:
    """``size`` bytes of a source from ``start`` on: a part that is sent on its own."""

    source: Source
    start: int
    size: int

    async def sha256(self) -> str:
        """Its SHA-256, in hex; FileChanged as ``chunks``."""
        digest = hashlib.sha256()
        async for chunk in self.chunks():
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def chunks(self, progress: Progress = unheard) -> AsyncIterator[bytes]:
        """Its bytes; FileChanged where the file ends too soon. Progress is that of the source."""
        file, left = self.source.file, self.size
        await asyncio.to_thread(file.seek, self.start)
        while left:
            chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))
            if not chunk:
                raise self.source.fault()
            left -= len(chunk)
            yield chunk
            progress(self.start + self.size - left, self.source.size)


@contextmanager
def opened(path: Path) -> Generator[Source]:
    """The file at ``path``; OSError when it cannot be read."""
    with path.open("rb") as file:
        yield Source(file, path.name, _stamp(file))


def _stamp(file: BinaryIO) -> Stamp:
    found = os.fstat(file.fileno())
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)


@attrs.frozen
class Part:
    """A file on its way, under a name that nobody looks for."""

    file: BinaryIO
    path: Path

    def head(self, count: int) -> bytes:
        """Its first bytes."""
        self.file.seek(0)
        return self.file.read(count)

    def take_place(self, place: Path) -> Path:
        """It is whole: give it the name it is wanted under, at once."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return self.path.replace(place)


@contextmanager
def part_in(folder: Path) -> Generator[Part]:
    """A new file in ``folder``, which is gone after the block unless it took its place."""
    path = folder / f".rendertrust-{secrets.token_hex(8)}.part"
    try:
        with path.open("x+b") as file:
            yield Part(file, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

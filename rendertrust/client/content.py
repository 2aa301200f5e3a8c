"""Files on their way to the object store and back: in pieces, counted, never half."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import attrs

from rendertrust.client.errors import FileChanged, NoAnswer
from rendertrust.file_lock import take

CHUNK_BYTES: Final = 1 << 20

# Told how many bytes are done, and of how many; 0 of nothing known.
Progress: TypeAlias = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """The progress of one who does not ask."""


@attrs.frozen
class FileStamp:
    """What changes when somebody writes to a file."""

    size: int
    modified_ns: int
    inode: int


@attrs.define
class SourceFile:
    """A file that is read twice: for its hash, and to be sent; unchanged between, or not at all."""

    file: BinaryIO
    name: str
    stamp: FileStamp

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

    def stretch(self, start: int, size: int) -> "ByteRange":
        """A part of it."""
        return ByteRange(self, start, size)

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
class ByteRange:
    """``size`` bytes of a source from ``start`` on: a part that is sent on its own."""

    source: SourceFile
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
def opened(path: Path) -> Generator[SourceFile]:
    """The file at ``path``; OSError when it cannot be read."""
    with path.open("rb") as file:
        yield SourceFile(file, path.name, _stamp(file))


def _stamp(file: BinaryIO) -> FileStamp:
    found = os.fstat(file.fileno())
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


@attrs.define
class PartialFile:
    """A file on its way, under a name that nobody looks for."""

    file: BinaryIO
    path: Path
    is_kept: bool  # by a block that fails, so that another call can go on

    @property
    def size(self) -> int:
        """How much of it is here."""
        return os.fstat(self.file.fileno()).st_size

    def head(self, count: int) -> bytes:
        """Its first bytes."""
        self.file.seek(0)
        return self.file.read(count)

    def add(self, chunk: bytes) -> None:
        """Write it to its end, also for one who comes after this process was killed."""
        self.file.write(chunk)
        self.file.flush()

    def cut(self, size: int) -> None:
        """Go on after ``size`` bytes; what came after them is gone."""
        self.file.truncate(size)
        self.file.seek(size)

    def sha256(self) -> str:
        """Of what is here, in hex."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while chunk := self.file.read(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()

    def take_place(self, place: Path) -> Path:
        """It is whole: give it the name it is wanted under, at once."""
        os.fsync(self.file.fileno())
        return self.path.replace(place)


@contextmanager
def part_in(folder: Path, sha256: str | None = None) -> Generator[PartialFile]:
    """A file in ``folder`` that takes its place in the block.

    What is known by its ``sha256`` stays for the next call if the block fails on the way, and is
    here from the last one. Anything else is gone after the block.
    """
    with _resumed(folder, sha256) as part:
        try:
            yield part
        except (NoAnswer, asyncio.CancelledError, KeyboardInterrupt):
            part.is_kept = part.is_kept and part.size > 0
            raise
        except BaseException:
            part.is_kept = False
            raise
        else:
            part.is_kept = False
        finally:
            # Once it has its place, a file at this path is another call's.
            if not part.is_kept and _is_at(part.path, part.file):
                part.path.unlink()


@contextmanager
def _resumed(folder: Path, sha256: str | None) -> Generator[PartialFile]:
    name = secrets.token_hex(8) if sha256 is None else sha256[:32]
    path = folder / f".rendertrust-{name}.part"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        if take(file, wait=False) and _is_at(path, file):
            yield PartialFile(file, path, sha256 is not None)
            return
    with _resumed(folder, None) as other:  # somebody fetches the same into the same folder
        yield other


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Nobody has moved it away since it was opened."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False

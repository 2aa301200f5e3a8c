"""Files that are uploaded or downloaded, in chunks. A download is complete or does not appear."""

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

# Called with the number of bytes done and the total. The total is 0 if unknown.
Progress: TypeAlias = Callable[[int, int], None]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unheard(done: int, total: int) -> None:
    """Ignore progress."""


@attrs.frozen
class FileStamp:
    """Attributes of a file that change when the file is written to."""

    size: int
    modified_ns: int
    inode: int


@attrs.define
class SourceFile:
    """A file to upload.

    The file is read twice, for its hash and for the upload, and must not change in the meantime.
    """

    file: BinaryIO
    name: str
    stamp: FileStamp

    @property
    def size(self) -> int:
        """Return the size in bytes when the file was opened."""
        return self.stamp.size

    @property
    def changed(self) -> bool:
        """Return True if the file was modified since it was opened."""
        return _stamp(self.file) != self.stamp

    async def sha256(self, progress: Progress = unheard) -> str:
        """Return the SHA-256 of the file in hex."""
        digest = hashlib.sha256()
        async for chunk in self.chunks(progress):
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    def stretch(self, start: int, size: int) -> "ByteRange":
        return ByteRange(self, start, size)

    async def chunks(self, progress: Progress = unheard) -> AsyncIterator[bytes]:
        """Yield the file's content. Raises FileChanged if the file's length has changed."""
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
        """Return the exception for a modified file."""
        return FileChanged(f"{self.name} was modified during the upload")


@attrs.frozen
class ByteRange:
    """A part of a file: ``size`` bytes from ``start``."""

    source: SourceFile
    start: int
    size: int

    async def sha256(self) -> str:
        """Return the SHA-256 of the range in hex. Raises FileChanged as ``chunks`` does."""
        digest = hashlib.sha256()
        async for chunk in self.chunks():
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def chunks(self, progress: Progress = unheard) -> AsyncIterator[bytes]:
        """Yield the content of the range. Raises FileChanged if the file ends early."""
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
    """Open the file at ``path``. Raises OSError if the file cannot be read."""
    with path.open("rb") as file:
        yield SourceFile(file, path.name, _stamp(file))


def _stamp(file: BinaryIO) -> FileStamp:
    found = os.fstat(file.fileno())
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


@attrs.define
class PartialFile:
    """A file that is being downloaded, under a hidden name."""

    file: BinaryIO
    path: Path
    is_kept: bool  # keep the file after a failure, so that another call can resume

    @property
    def size(self) -> int:
        """Return the number of bytes downloaded so far."""
        return os.fstat(self.file.fileno()).st_size

    def head(self, count: int) -> bytes:
        """Return the first bytes of the file."""
        self.file.seek(0)
        return self.file.read(count)

    def add(self, chunk: bytes) -> None:
        """Append a chunk and flush the file, in case this process is killed."""
        self.file.write(chunk)
        self.file.flush()

    def cut(self, size: int) -> None:
        """Shorten the file to ``size`` bytes and continue there."""
        self.file.truncate(size)
        self.file.seek(size)

    def sha256(self) -> str:
        """Return the SHA-256 of the bytes so far, in hex."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while chunk := self.file.read(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()

    def take_place(self, place: Path) -> Path:
        """Move the complete file to ``place``, atomically."""
        os.fsync(self.file.fileno())
        return self.path.replace(place)


@contextmanager
def part_in(folder: Path, sha256: str | None = None) -> Generator[PartialFile]:
    """Open a partial file in ``folder``.

    Inside the block, the caller moves the complete file to its place. With a ``sha256``, the
    partial file of an earlier call is continued, and the file is kept if the connection is lost or
    the block is cancelled. Otherwise, a file that the block did not move is removed after the
    block.
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
            # If the file was moved, a file at this path belongs to another call.
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
    with _resumed(folder, None) as other:  # another call downloads the same content
        yield other


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return True if ``path`` still names the opened file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False

"""Cache of inputs by SHA-256. A download's hash is checked; eviction is LRU."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final
from weakref import WeakValueDictionary

import aiohttp
import attrs
from yarl import URL

from rendertrust.node.backoff import delays
from rendertrust.node.plugin import Failed
from rendertrust.protocol import Input

TIMEOUT: Final = aiohttp.ClientTimeout(total=3600, connect=15, sock_read=60)
TRIES: Final = 4
PART: Final = ".part-"
_CHUNK: Final = 256 * 1024


class _Again(Exception):
    """The download failed but may succeed later."""


class _Never(Exception):
    """The download cannot succeed."""


class _Other(Exception):
    """The downloaded content does not have the expected SHA-256."""


@attrs.define
class Cache:
    """Cached files below ``folder``, with at most ``bytes_max`` bytes in total."""

    folder: Path
    bytes_max: int
    session: aiohttp.ClientSession
    _locks: WeakValueDictionary[str, asyncio.Lock] = attrs.field(
        factory=WeakValueDictionary[str, asyncio.Lock]
    )
    _coming: dict[str, int] = attrs.field(factory=dict[str, int])

    @staticmethod
    def forget_parts(folder: Path) -> None:
        """Remove incomplete downloads of earlier runs."""
        for part in folder.glob(f"??/{PART}*"):
            part.unlink(missing_ok=True)

    async def fetch(self, wanted: Input) -> Path | Failed:
        """Return a file with the content of ``wanted``, from the cache or the input's URL.

        The cache may evict the file again at any time.
        """
        path = self._path(wanted.sha256)
        async with self._locks.setdefault(wanted.sha256, asyncio.Lock()):
            if not await asyncio.to_thread(_touch, path, wanted.size):
                failed = await self._download(wanted, path)
                if failed is not None:
                    return failed
        return path

    def has(self, sha256: str, size: int) -> bool:
        """Return True if a file with this SHA-256 and size is cached."""
        return _is_whole(self._path(sha256), size)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    async def _download(self, wanted: Input, path: Path) -> Failed | None:
        if URL(wanted.url, encoded=True).scheme not in ("http", "https"):
            return Failed(failure="gateway", error=f"{wanted.path}: not an http or https URL")
        if wanted.size > self.bytes_max:
            return Failed(failure="node", error=f"{wanted.path} is larger than this node's cache")
        self._coming[wanted.sha256] = wanted.size
        try:
            coming = sum(self._coming.values())
            await asyncio.to_thread(make_room, self.folder, bytes_max=self.bytes_max, size=coming)
            return await self._try_to_download(wanted, path)
        finally:
            del self._coming[wanted.sha256]

    async def _try_to_download(self, wanted: Input, path: Path) -> Failed | None:
        reason = ""
        for attempt, delay in zip(range(TRIES), delays(0.5, 8), strict=False):
            try:
                await self._download_once(wanted, path)
            except _Again as fault:
                reason = str(fault)
            except _Never as fault:
                return Failed(failure="gateway", error=f"{wanted.path}: {fault}")
            except _Other as fault:
                # The creator gave the hash, so a retry would fail in the same way on every node.
                return Failed(failure="scene", error=f"{wanted.path}: {fault}")
            else:
                return None
            if attempt + 1 < TRIES:
                await asyncio.sleep(delay)
        return Failed(failure="network", error=f"{wanted.path} could not be fetched: {reason}")

    async def _download_once(self, wanted: Input, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(prefix=PART, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                await self._stream(wanted, file.write)
                os.fchmod(file.fileno(), 0o444)
            os.replace(part, path)  # noqa: PTH105 - one quick call needs no thread
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise _Again(type(fault).__name__) from fault
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)  # noqa: PTH108 - as above

    async def _stream(self, wanted: Input, write: Callable[[bytes], int]) -> None:
        sum_, size = hashlib.sha256(), 0
        async with self.session.get(
            URL(wanted.url, encoded=True), timeout=TIMEOUT, allow_redirects=False
        ) as response:
            if response.status != 200:
                kind = _Again if response.status >= 500 or response.status == 429 else _Never
                raise kind(f"HTTP {response.status}")
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > wanted.size:
                    raise _Never("the file is longer than the gateway said")
                sum_.update(chunk)
                write(chunk)
        if size < wanted.size:
            raise _Again("the download was cut off")
        if sum_.hexdigest() != wanted.sha256:
            raise _Other("the download's SHA-256 differs from that of the job's input")


def make_room(folder: Path, *, bytes_max: int, size: int) -> None:
    """Remove the least recently used files until ``size`` more bytes fit.

    ``size`` includes running downloads. Removal does not disturb units, because units have their
    own links to the files.
    """
    files: list[tuple[float, int, Path]] = []
    for path in folder.glob("??/*"):
        if path.name.startswith(PART):
            continue
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            files.append((facts.st_mtime, facts.st_size, path))
    total = sum(length for _, length, _ in files)
    for _, length, path in sorted(files):
        if total + size <= bytes_max:
            return
        path.unlink(missing_ok=True)
        total -= length


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _touch(path: Path, size: int) -> bool:
    """Mark a whole file as used now; return False if there is none."""
    try:
        if not _is_whole(path, size):
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def safe_path(path: str) -> PurePosixPath | None:
    """Return ``path`` if it is relative and contains no ``..``; otherwise None."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\\" in path:
        return None
    return pure


def place(source: Path, target: Path) -> None:
    """Link ``source`` to ``target``, or copy it if the file system has no links.

    A file that is already at ``target`` is replaced. Raises FileNotFoundError without a source.
    """
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o444)

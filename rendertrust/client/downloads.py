"""Downloads of results to a hidden file, which is moved to its place once verified.

An interrupted download resumes by a Range request, in the same call or a later call.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import attrs
from yarl import URL

from rendertrust.api.jobs import ResultUrl
from rendertrust.api.units import Unit
from rendertrust.client.arguments import Id
from rendertrust.client.errors import BadAnswer, NoAnswer, NotReady, TransferFailed
from rendertrust.client.local_files import (
    CHUNK_BYTES,
    PartialFile,
    Progress,
    part_in,
    sha256_of,
    unheard,
)
from rendertrust.client.transport import CONTENT_TIMEOUT, Transport, unanswered
from rendertrust.client.uploads import passing
from rendertrust.file_types import HEAD_BYTES, MEDIA, suffix_of

_RANGE: Final = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)
PREVIEW_BYTES_MAX: Final = 256 * 1024
JPEG: Final = b"\xff\xd8\xff"
Where = Callable[[], Awaitable[ResultUrl]]


def unit_result(job_id: Id, unit: Unit) -> ResultUrl:
    """Return the URL of a unit's result. Raises NotReady if the unit has no result yet."""
    if unit.download_url is None:
        raise NotReady(str(job_id), unit.number, unit.state)
    return ResultUrl(str(job_id), unit.download_url, 3600, unit.size, unit.sha256)


async def read_preview(stream: AsyncIterator[bytes]) -> bytes:
    """Read a small JPEG. Raises BadAnswer if the content is not a small JPEG."""
    preview = b""
    async for part in stream:
        preview += part
        if len(preview) > PREVIEW_BYTES_MAX:
            raise BadAnswer(f"The picture is longer than {PREVIEW_BYTES_MAX} bytes")
    if not preview.startswith(JPEG):
        raise BadAnswer("The answer is not a JPEG: is this a RenderTrust gateway?")
    return preview


async def save(pieces: AsyncIterator[bytes], path: Path) -> Path:
    """Save content that arrives in pieces; the file gets its name once it is complete."""
    with part_in(path.parent) as part:
        async for piece in pieces:
            part.add(piece)
        return await asyncio.to_thread(part.take_place, path)


def suffix(url: str) -> str:
    """Return the suffix of a URL's path if nodes deliver files with that suffix, otherwise ''."""
    found = Path(urlsplit(url).path).suffix.lower()
    return found if found in MEDIA else ""


async def fetch(
    transport: Transport,
    where: Where,
    path: Path,
    *,
    stem: str,
    progress: Progress = unheard,
    spare: str | None = None,
) -> Path:
    """Download from the URL that ``where`` returns, and return the path of the file.

    If the folder ``path`` has another file named ``stem``, the file is named ``spare`` instead, if
    given.

    After a lost connection or an expired URL, the download resumes with a fresh URL, a bounded
    number of times in a row. Raises TransferFailed if the object store refuses, or delivers other
    content than the gateway announced.
    """
    result = await where()
    tag = None if result.sha256 is not None else await _tag_at(transport, result)
    named = result.sha256 if tag is None else hashlib.sha256(tag.encode()).hexdigest()
    is_folder = await asyncio.to_thread(path.is_dir)
    with part_in(path if is_folder else path.parent, named) as part:
        fetching = Download(transport, where, result, part, progress, tag)
        await fetching.whole()
        # The object key of a result may lack a suffix, because it is chosen before the rendering.
        kind = suffix(result.download_url) or suffix_of(part.head(HEAD_BYTES))
        place = path / f"{stem}{kind}" if is_folder else path
        if spare is not None and is_folder and await asyncio.to_thread(_is_other, place, part):
            place = path / f"{spare}{kind}"
        return await asyncio.to_thread(part.take_place, place)


def _is_other(place: Path, part: PartialFile) -> bool:
    """Return True if there is something at ``place`` with other content than the download."""
    if not place.is_file():
        return place.exists()
    return place.stat().st_size != part.size or sha256_of(place) != part.sha256()


async def _tag_at(transport: Transport, result: ResultUrl) -> str | None:
    """Return the strong ETag of content without a SHA-256, such as a zip created on the fly.

    Return None if the content has no strong ETag, or the server does not answer.
    """
    try:
        url = URL(result.download_url, encoded=True)
        async with transport.session().head(url, timeout=CONTENT_TIMEOUT) as answer:
            return strong(answer.headers.get("ETag")) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def strong(tag: str | None) -> str | None:
    """Return the ETag if it is strong, otherwise None."""
    return None if tag is None or tag.startswith("W/") else tag


@attrs.define
class Download:
    """A download of one file. ``tag``: the ETag of the content received so far."""

    transport: Transport
    where: Where
    result: ResultUrl
    part: PartialFile
    progress: Progress
    tag: str | None = None

    async def whole(self) -> None:
        """Download and verify all content. If a resumed file is wrong, start over once."""
        was_here = self.part.size > 0
        await self._arrive()
        if await self._is_promised():
            return
        if was_here:
            self.part.cut(0)
            await self._arrive()
            if await self._is_promised():
                return
        raise TransferFailed("The object store returned other content than the gateway announced")

    async def _arrive(self) -> None:
        """Download the rest of the content. Try again while tries make progress."""
        delays, best = self.transport.retries.delays(), self.part.size
        while True:
            try:
                return await self._attempt()
            except (NoAnswer, TransferFailed) as error:
                if self.part.size > best:
                    delays, best = (
                        self.transport.retries.delays(),
                        self.part.size,
                    )  # the try made progress
                delay = next(delays, None)
                if delay is None or not passing(error):
                    raise
            await self.transport.sleep(delay)
            self.result = await self._again()

    async def _again(self) -> ResultUrl:
        """Return a fresh URL; start over if the URL is for different content."""
        fresh = await self.where()
        if fresh.sha256 != self.result.sha256:
            self.part.cut(0)
        return fresh

    async def _is_promised(self) -> bool:
        promised = self.result.sha256
        return promised is None or await asyncio.to_thread(self.part.sha256) == promised

    async def _attempt(self) -> None:
        if self.part.size and self.part.size == self.result.size:
            return  # the partial file was complete already
        try:
            async with self.transport.session().get(
                URL(self.result.download_url, encoded=True),
                headers=self._headers(),
                timeout=CONTENT_TIMEOUT,
            ) as answer:
                await self._take(answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unanswered("the object store", error) from error

    def _headers(self) -> Mapping[str, str]:
        # If the content were compressed, a range would count compressed bytes.
        headers = {"Accept-Encoding": "identity"}
        if self.part.size and (self.tag is not None or self.result.sha256 is not None):
            headers["Range"] = f"bytes={self.part.size}-"
            if self.tag is not None:
                headers["If-Range"] = self.tag
        return headers

    async def _take(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status == 416:
            self.part.cut(0)
            raise TransferFailed("The object store has less content than it sent before")
        if answer.status not in (200, 206):
            raise TransferFailed(
                f"The object store does not return the result (HTTP {answer.status})", answer.status
            )
        start = begins_at(answer.headers.get("Content-Range")) if answer.status == 206 else 0
        if start > self.part.size:
            raise TransferFailed("The object store left out a part of the result")
        self.tag = strong(answer.headers.get("ETag"))
        self.part.cut(start)
        await self._write(answer, start + (answer.content_length or 0))

    async def _write(self, answer: aiohttp.ClientResponse, total: int) -> None:
        done = self.part.size
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            done += len(chunk)
            if self.result.size is not None and done > self.result.size:
                raise TransferFailed("The object store sent more than the gateway announced")
            await asyncio.to_thread(self.part.add, chunk)
            self.progress(done, total)


def begins_at(header: str | None) -> int:
    """Return the offset at which a partial reply begins.

    Raises TransferFailed if the header has no position.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None:
        raise TransferFailed("The object store does not say which part of the result it sent")
    return int(found[1])

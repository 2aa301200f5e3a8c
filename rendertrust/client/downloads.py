"""Fetching what a job made: streamed beside its place, moved there when it is whole."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import aiohttp

from rendertrust.client.answers import ResultUrl
from rendertrust.client.content import CHUNK_BYTES, Progress, part_in, unheard
from rendertrust.client.errors import NoAnswer, TransferFailed
from rendertrust.client.kinds import HEAD_BYTES, suffix_of
from rendertrust.client.transport import CONTENT_TIMEOUT, Transport, unanswered
from rendertrust.client.uploads import passing

_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,10}")


def suffix(url: str) -> str:
    """The file suffix that a URL's path ends with, or none."""
    found = Path(urlsplit(url).path).suffix
    return found.lower() if _SUFFIX.fullmatch(found) else ""


async def fetch(
    transport: Transport,
    where: Callable[[], Awaitable[ResultUrl]],
    path: Path,
    *,
    stem: str,
    progress: Progress = unheard,
) -> Path:
    """Write what lies at the URL that ``where`` gives, and return the path it was written to.

    A cut connection or an expired URL begins again with a fresh one, a bounded number of times.
    """
    for delay in transport.retries.delays():
        try:
            return await _attempt(transport, await where(), path, stem, progress)
        except (NoAnswer, TransferFailed) as error:
            if not passing(error):
                raise
        await transport.sleep(delay)
    return await _attempt(transport, await where(), path, stem, progress)


async def _attempt(
    transport: Transport, result: ResultUrl, path: Path, stem: str, progress: Progress
) -> Path:
    url = result.download_url
    is_folder = await asyncio.to_thread(path.is_dir)
    with part_in(path if is_folder else path.parent) as part:
        await _stream(transport, url, part.file, progress)
        # A result's key need not tell what it is: it was made before there was a picture.
        place = (
            path / f"{stem}{suffix(url) or suffix_of(part.head(HEAD_BYTES))}" if is_folder else path
        )
        return await asyncio.to_thread(part.take_place, place)


async def _stream(transport: Transport, url: str, file: BinaryIO, progress: Progress) -> None:
    try:
        async with transport.session().get(url, timeout=CONTENT_TIMEOUT) as answer:
            if answer.status != 200:
                raise TransferFailed(
                    f"The object store does not give the result ({answer.status})", answer.status
                )
            done, total = 0, answer.content_length or 0
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                await _write(file, chunk)
                done += len(chunk)
                progress(done, total)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unanswered("the object store", error) from error


async def _write(file: BinaryIO, chunk: bytes) -> None:
    await asyncio.to_thread(file.write, chunk)

"""Uploads of results, or of parts of results, by PUT to presigned URLs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
import attrs
from yarl import URL

from rendertrust.node.backoff import delays
from rendertrust.node.gateway_key_middleware import KeyNotConfirmed
from rendertrust.protocol import Output, PartPlace
from rendertrust.write_timeout import WriteTimeout

TIMEOUT: Final = aiohttp.ClientTimeout(total=3600, connect=15, sock_read=120)
TAKEN_SECONDS: Final = 120.0  # time for the object store to accept a chunk
CHUNK_BYTES: Final = 256 * 1024
TRIES: Final = 4
_AGAIN: Final = (408, 425, 429)


@attrs.frozen
class PutStored:
    """The object store has the object, from this PUT or from an earlier try (412).

    ``part_sums``: the SHA-256 of each part in a multipart upload.
    """

    part_sums: tuple[str, ...] = ()


@attrs.frozen
class UrlExpired:
    """The object store refuses the URL (403). The caller requests a new URL."""


@attrs.frozen
class StoreUnreachable:
    """The object store did not respond, or cannot take the object now.

    The caller tries again later. ``is_unasked``: nothing was sent, because the gateway's key could
    not be checked.
    """

    reason: str
    is_unasked: bool = False


@attrs.frozen
class PutRefused:
    """The object cannot be uploaded.

    ``status``: the store's HTTP status; None without a response.
    """

    reason: str
    status: int | None = None


Outcome = PutStored | UrlExpired | StoreUnreachable | PutRefused
GONE: Final = PutRefused("the result is missing from the spool")


async def put(session: aiohttp.ClientSession, output: Output, file: Path) -> Outcome:
    """PUT ``file`` with exactly the given headers.

    Retry a few times, then return StoreUnreachable.
    """
    try:
        size = (await asyncio.to_thread(file.stat)).st_size
    except FileNotFoundError:
        return GONE
    return await put_piece(session, output, file, (0, size))


async def put_piece(
    session: aiohttp.ClientSession, place: Output | PartPlace, file: Path, piece: tuple[int, int]
) -> Outcome:
    """PUT a ``piece`` (offset and length) of ``file``; retry a few times."""
    outcome: Outcome = StoreUnreachable("never tried")
    for attempt, delay in zip(range(TRIES), delays(0.5, 8), strict=False):
        outcome = await _put_once(session, place, file, piece)
        if not isinstance(outcome, StoreUnreachable) or outcome.is_unasked:
            return outcome
        if attempt + 1 < TRIES:
            await asyncio.sleep(delay)
    return outcome


async def _put_once(
    session: aiohttp.ClientSession, place: Output | PartPlace, file: Path, piece: tuple[int, int]
) -> Outcome:
    start, size = piece
    try:
        with file.open("rb") as body:
            body.seek(start)
            taking = WriteTimeout(TAKEN_SECONDS)
            async with (
                taking.in_time(),
                # Encoding the URL again, or adding headers that were not signed, would invalidate
                # the URL's signature.
                session.put(
                    URL(place.url, encoded=True),
                    data=taking.of(_chunks(body, size)) if size else b"",
                    headers={**place.headers, "Content-Length": str(size)},
                    skip_auto_headers=("Content-Type",),
                    timeout=TIMEOUT,
                    allow_redirects=False,
                ) as response,
            ):
                return _meaning(response.status, await response.content.read(300))
    except KeyNotConfirmed as fault:
        return StoreUnreachable(fault.answer.reason, is_unasked=True)
    except (aiohttp.ClientError, TimeoutError) as fault:
        return StoreUnreachable(type(fault).__name__)
    except FileNotFoundError:
        return GONE


async def _chunks(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    while size and (chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, size))):
        size -= len(chunk)
        yield chunk


def _meaning(status: int, body: bytes) -> Outcome:
    if status < 300 or status == 412:
        return PutStored()
    if status == 403:
        return UrlExpired()
    if status >= 500 or status in _AGAIN:
        return StoreUnreachable(f"HTTP {status}")
    told = f"the object store answered {status}: {body.decode('utf-8', 'replace')}"
    return PutRefused(told, status)

"""Putting a result, or a piece of it, where the gateway said: PUTs to presigned URLs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
import attrs
from yarl import URL

from rendertrust.node.backoff import delays
from rendertrust.node.gateway_pinning import KeyNotConfirmed
from rendertrust.protocol import Output, PartPlace
from rendertrust.write_timeout import WriteTimeout

TIMEOUT: Final = aiohttp.ClientTimeout(total=3600, connect=15, sock_read=120)
TAKEN_SECONDS: Final = 120.0  # a chunk, by the store
CHUNK_BYTES: Final = 256 * 1024
TRIES: Final = 4
_AGAIN: Final = (408, 425, 429)


@attrs.frozen
class PutStored:
    """The object is there, by this PUT or by an earlier one of ours (412: our own first try); or
    parts of it are, with these SHA-256s.
    """

    part_sums: tuple[str, ...] = ()


@attrs.frozen
class UrlExpired:
    """The store does not take the URL any longer (403): ask for a fresh one."""


@attrs.frozen
class StoreUnreachable:
    """The store did not answer, or answered that it cannot now: try later. ``is_unasked``: it was
    not asked, as the gateway's key could not be looked at.
    """

    reason: str
    is_unasked: bool = False


@attrs.frozen
class PutRefused:
    """The store will never take it; ``status`` is its answer, if it gave one."""

    reason: str
    status: int | None = None


Outcome = PutStored | UrlExpired | StoreUnreachable | PutRefused
GONE: Final = PutRefused("the result is gone from the spool")


async def put(session: aiohttp.ClientSession, output: Output, file: Path) -> Outcome:
    """PUT ``file`` with exactly the given headers; tries a few times before Unreachable."""
    try:
        size = (await asyncio.to_thread(file.stat)).st_size
    except FileNotFoundError:
        return GONE
    return await put_piece(session, output, file, (0, size))


async def put_piece(
    session: aiohttp.ClientSession, place: Output | PartPlace, file: Path, piece: tuple[int, int]
) -> Outcome:
    """The same for a piece of it: from which byte on, and how many."""
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
            # Encoded already: a second encoding would break the signature. Headers that were not
            # signed must not be added either.
            taking = WriteTimeout(TAKEN_SECONDS)
            async with (
                taking.in_time(),
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

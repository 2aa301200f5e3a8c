"""Putting a result where the gateway said: one PUT to a presigned URL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
import attrs
from yarl import URL

from rendertrust.node.backoff import delays
from rendertrust.protocol import Output
from rendertrust.taking import Taking

TIMEOUT: Final = aiohttp.ClientTimeout(total=3600, connect=15, sock_read=120)
TAKEN_SECONDS: Final = 120.0  # a chunk, by the store
CHUNK_BYTES: Final = 256 * 1024
TRIES: Final = 4
_AGAIN: Final = (408, 425, 429)


@attrs.frozen
class Stored:
    """The object is there, by this PUT or by an earlier one of ours (412: our own first try)."""


@attrs.frozen
class Expired:
    """The store does not take the URL any longer (403): ask for a fresh one."""


@attrs.frozen
class Unreachable:
    """The store did not answer, or answered that it cannot now: try later."""

    reason: str


@attrs.frozen
class Refused:
    """The store will never take it."""

    reason: str


Outcome = Stored | Expired | Unreachable | Refused


async def put(session: aiohttp.ClientSession, output: Output, file: Path) -> Outcome:
    """PUT ``file`` with exactly the given headers; tries a few times before Unreachable."""
    outcome: Outcome = Unreachable("never tried")
    for attempt, delay in zip(range(TRIES), delays(0.5, 8), strict=False):
        outcome = await _put_once(session, output, file)
        if not isinstance(outcome, Unreachable):
            return outcome
        if attempt + 1 < TRIES:
            await asyncio.sleep(delay)
    return outcome


async def _put_once(session: aiohttp.ClientSession, output: Output, file: Path) -> Outcome:
    try:
        with file.open("rb") as body:
            size = file.stat().st_size  # noqa: ASYNC240 - one call
            # Encoded already: a second encoding would break the signature. Headers that were not
            # signed must not be added either.
            taking = Taking(TAKEN_SECONDS)
            async with (
                taking.in_time(),
                session.put(
                    URL(output.url, encoded=True),
                    data=taking.of(_chunks(body)) if size else b"",
                    headers={**output.headers, "Content-Length": str(size)},
                    skip_auto_headers=("Content-Type",),
                    timeout=TIMEOUT,
                    allow_redirects=False,
                ) as response,
            ):
                return _meaning(response.status, await response.content.read(300))
    except (aiohttp.ClientError, TimeoutError) as fault:
        return Unreachable(type(fault).__name__)
    except FileNotFoundError:
        return Refused("the result is gone from the spool")


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


def _meaning(status: int, body: bytes) -> Outcome:
    if status < 300 or status == 412:
        return Stored()
    if status == 403:
        return Expired()
    if status >= 500 or status in _AGAIN:
        return Unreachable(f"HTTP {status}")
    return Refused(f"the object store answered {status}: {body.decode('utf-8', 'replace')}")

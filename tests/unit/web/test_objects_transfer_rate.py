"""Least rate at which a request's body must arrive."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.test_utils import make_mocked_request

from tests.unit.simulated_time import simulated
from web.objects.object_forwarding import IDLE_SECONDS, RequestBody
from web.objects.transfer_rate import PACE_BYTES


async def taken(pieces: int, size: int, pause: float) -> bytes:
    """Return what arrives of ``pieces`` pieces, sent with pauses between them."""
    loop = asyncio.get_running_loop()
    content = StreamReader(Mock(_reading_paused=False), 2**16, loop=loop)
    body = RequestBody(make_mocked_request("PUT", "/", payload=content))

    async def sent() -> None:
        for _ in range(pieces):
            content.feed_data(bytes(size))
            await asyncio.sleep(pause)
        content.feed_eof()

    sending = asyncio.create_task(sent())
    try:
        return b"".join([chunk async for chunk in body.chunks()])
    finally:
        sending.cancel()


@simulated
async def test_one_that_keeps_the_pace_arrives_however_long_it_takes() -> None:
    assert len(await taken(20, PACE_BYTES, IDLE_SECONDS / 3)) == 20 * PACE_BYTES


@simulated
async def test_one_that_brings_too_little_ends() -> None:
    with pytest.raises(TimeoutError):
        await taken(20, 1, IDLE_SECONDS / 3)


@simulated
async def test_one_that_is_silent_ends() -> None:
    with pytest.raises(TimeoutError):
        await taken(2, PACE_BYTES, IDLE_SECONDS * 1.5)

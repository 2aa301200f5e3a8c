"""Bound on how often an open page gets updates, however much happens."""

import asyncio

from actors.console_hub.actor import TICK_SECONDS
from actors.console_hub.messages import Hub, TopicChanged
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer
from tests.integration.console.test_live_updates import NODE, following, frame
from tests.support.databases import execute
from tests.support.http_gateway import Face

FRAMES = 6
SEVERAL = 10


async def test_what_comes_at_once_is_sent_at_most_four_times_a_second(
    face: Face, database: PostgresEndpoint
) -> None:
    """Nodes change all the time, and the stream sends only changes."""
    assert TICK_SECONDS >= 0.25
    visitor = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    await newcomer(face)
    changes = 0

    async def change() -> None:
        nonlocal changes
        while True:
            await execute(database.owner_dsn, NODE)
            for _ in range(SEVERAL):
                face.gateway.registry.ref(Hub).tell(TopicChanged("nodes"))
            changes += SEVERAL

    loop = asyncio.get_running_loop()
    async with following(visitor) as stream:
        await frame(stream)
        changing = asyncio.create_task(change())
        await frame(stream)
        begun, before = loop.time(), changes
        texts = [await frame(stream) for _ in range(FRAMES)]
        took, happened = loop.time() - begun, changes - before
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
    assert took >= (FRAMES - 1) * TICK_SECONDS * 0.9, f"{FRAMES} frames in {took:.2f} s"
    assert happened > FRAMES, "one frame shows several changes"
    for text in texts:
        assert 'hx-target="#figures"' in text
        assert 'hx-target="#pictures"' not in text

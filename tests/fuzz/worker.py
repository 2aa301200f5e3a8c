"""A node that does its work at once, so that there is always one with room."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

import aiohttp

from tests.acceptance.people import faithful_node

READY_SECONDS = 30.0


@contextmanager
def working_node(url: str) -> Generator[None]:
    """A healthy node that takes ``echo`` jobs, on a thread of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def work() -> None:
        async with aiohttp.ClientSession() as http, faithful_node(http, url, "echo") as node:
            ready.set()
            while not done.is_set():
                await node.heartbeat()
                try:
                    async with asyncio.timeout(20):
                        await done.wait()
                except TimeoutError:
                    continue

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()), daemon=True)
    thread.start()
    try:
        if not ready.wait(READY_SECONDS):
            raise SystemExit("no node could be registered")
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(READY_SECONDS)
        loop.close()

"""Nodes that do each job at once, so a node with a free slot is nearly always connected."""

import asyncio
import base64
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import aiohttp

from rendertrust.protocol import JobDispatch, Preview
from rendertrust.testing import FakeNode, completes, fails
from tests.support.api_clients import Creator, faithful_node

READY_SECONDS = 30.0
EARNING = "earning"  # jobs of this type earn their operator something
FAILING = "failing"  # jobs of this type fail because of their scene


@contextmanager
def working_node(url: str) -> Generator[str]:
    """Run nodes for ``echo`` and ``earning`` jobs in a thread until the block ends.

    Yields the token of the user who owns the node for ``earning`` jobs.
    """
    loop = asyncio.new_event_loop()
    operator = list[str]()
    ready, done = threading.Event(), asyncio.Event()

    async def work() -> None:
        async with (
            aiohttp.ClientSession() as http,
            faithful_node(http, url, "echo") as node,
            earning_node(http, url) as token,
        ):
            operator.append(token)
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
        yield operator[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(READY_SECONDS)
        loop.close()


async def preview_and_complete(node: FakeNode, dispatch: JobDispatch) -> None:
    """Send a small preview, and then the result."""
    named: dict[str, Any] = {"job_id": dispatch.job_id, "unit": dispatch.unit}
    data = base64.b64encode(b"\xff\xd8\xff\xe0 a small picture").decode()
    await node.send(Preview(**named, attempt=dispatch.attempt, frame=1, data=data))
    await completes()(node, dispatch)


@asynccontextmanager
async def earning_node(http: aiohttp.ClientSession, url: str) -> AsyncGenerator[str]:
    """Run a node whose owner earns by its work; yield the owner's token."""
    person = Creator(http, url, f"fuzz-{uuid4().hex[:8]}@example.org")
    await person.register()
    async with (
        FakeNode(
            url, capabilities=(EARNING,), user_token=person.token, behave=preview_and_complete
        ),
        FakeNode(url, capabilities=(FAILING,), behave=fails(failure="scene")),
    ):
        yield person.token

"""A small TCP server for tests that leaves nothing open when the test ends."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncGenerator[int]:
    """Yield a local port at which ``serve`` handles each connection until the block ends.

    Handlers still running at the end are cancelled. ``Server.wait_closed`` of CPython 3.11 does not
    wait for handlers, so their sockets would be left to the garbage collector.
    """
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(_one(serve, reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)
        await server.wait_closed()


async def _one(serve: Serve, reader: StreamReader, writer: StreamWriter) -> None:
    try:
        await serve(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

"""A gateway and its service manager: readiness, watchdog, reloads, and an orderly stop."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import aiohttp
import pytest
import pytest_asyncio

from tests.support.api_clients import PlainNode
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.service_manager import Manager
from tests.support.until import until

LOGIN = b'{"email": "nobody@example.org", "password": "wrong password"}'
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(LOGIN)
)


class Messages:
    """Everything that the service manager was told, in order."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._all: list[str] = []

    def variables(self) -> list[str]:
        self._all += self._manager.heard()
        return [line for message in self._all for line in message.splitlines()]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


@pytest_asyncio.fixture(loop_scope="session")
async def managed(
    start_gateway: StartGateway, manager: Manager
) -> AsyncIterator[tuple[Gateway, Messages]]:
    """Run a gateway under a service manager with a watchdog of one second."""
    async with start_gateway(
        NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000", RENDERTRUST_LOGS_LEVEL="warning"
    ) as gateway:
        yield gateway, Messages(manager)


@asynccontextmanager
async def connection(gateway: Gateway, sent: bytes) -> AsyncGenerator[Streams]:
    """Yield a connection on which these bytes were sent, and close it afterwards."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_the_service_manager_is_told_and_a_stop_lets_requests_finish(
    managed: tuple[Gateway, Messages], http: aiohttp.ClientSession
) -> None:
    gateway, heard = managed
    assert gateway.process is not None
    await until(lambda: "READY=1" in heard.variables())
    assert f"STATUS=Serving {gateway.url}" in heard.variables()
    await until(lambda: heard.variables().count("WATCHDOG=1") >= 2)
    gateway.process.send_signal(signal.SIGHUP)
    await until(lambda: heard.variables().count("READY=1") == 2)
    assert "RELOADING=1" in heard.variables()

    node = PlainNode(http, gateway.url)
    await node.register()
    await node.connect()
    assert node.socket is not None
    closing = asyncio.create_task(node.socket.receive(timeout=60))
    async with connection(gateway, HEALTH) as idle, connection(gateway, HEAD + LOGIN[:-1]) as busy:
        await idle[0].readuntil(b'{"status":"healthy"}')
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: "STOPPING=1" in heard.variables())
        message = await closing
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)
        async with asyncio.timeout(60):
            assert await idle[0].read() == b""  # the gateway closed it
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", gateway.port)
        busy[1].write(LOGIN[-1:])
        async with asyncio.timeout(60):
            # the gateway closes the connection after the answer
            answer = await busy[0].read()
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"Invalid credentials" in answer
    assert await gateway.ended(within=60) == 0


async def test_a_second_signal_does_not_wait_for_the_requests_in_flight(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    assert gateway.process is not None
    async with connection(gateway, HEAD + LOGIN[:-1]):
        # this answer shows that the gateway is reading the other request
        async with http.get(f"{gateway.url}/health") as answer:
            assert answer.status == 200
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: '"event":"stopping"' in gateway.log.read_text())
        assert gateway.process.returncode is None
        gateway.process.send_signal(signal.SIGINT)
        assert await gateway.ended(within=60) == 128 + signal.SIGINT


async def test_a_log_that_nobody_reads_holds_nothing_up(
    start_gateway: StartGateway, http: aiohttp.ClientSession
) -> None:
    """The gateway's stderr is a full pipe, but it still answers and stops in order."""
    async with start_gateway() as gateway:
        await gateway.stop()
        read, gateway.stderr = os.pipe()
        await gateway.start()
        os.close(gateway.stderr)
        for _ in range(700):  # some 140 kB of log into 64 kB of pipe
            async with http.get(f"{gateway.url}/version") as answer:
                assert answer.status == 200
        assert await gateway.stop() == 0
        os.close(read)

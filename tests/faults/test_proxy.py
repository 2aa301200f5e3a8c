"""Tests of the fault proxy, in front of a server that echoes each line."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.place import Ends, Place
from tests.faults.proxy import Proxy
from tests.support.until import until

ALIVE_SECONDS = 60.0
SILENT_SECONDS = 0.2


class Echo:
    """An echo server; ``heard`` are the lines that arrived."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
        except OSError:
            pass
        finally:
            writer.transport.abort()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy(Place("127.0.0.1", port), seed=7) as proxy:
        yield proxy


@asynccontextmanager
async def talking(proxy: Proxy) -> AsyncGenerator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(ends: Ends, line: bytes, within: float = ALIVE_SECONDS) -> bytes:
    ends[1].write(line)
    async with asyncio.timeout(within):
        return await ends[0].readline()


async def is_silent(ends: Ends, line: bytes) -> bool:
    try:
        await answer(ends, line, SILENT_SECONDS)
    except TimeoutError:
        return True
    return False


async def is_reset(ends: Ends, line: bytes) -> bool:
    try:
        await answer(ends, line)
    except ConnectionResetError:
        return True
    return False


async def test_what_is_said_passes_as_it_is_and_so_does_the_end(proxy: Proxy) -> None:
    async with talking(proxy) as ends:
        long = b"x" * 60_000 + b"\n"
        assert await answer(ends, long) == long
        ends[1].write(b"last\n")
        ends[1].write_eof()
        assert await ends[0].read() == b"last\n"


async def test_cut_before_it_gets_through(proxy: Proxy, echo: Echo) -> None:
    trap = proxy.cut(b"two")
    async with talking(proxy) as ends, talking(proxy) as others:
        assert await answer(ends, b"one\n") == b"one\n"
        assert await is_reset(ends, b"two\n")
        assert await answer(others, b"two\n") == b"two\n", "the trap springs only once"
    assert (trap.sprung, echo.heard) == (1, [b"one\n", b"two\n"])


async def test_a_text_is_found_where_two_pieces_meet(proxy: Proxy) -> None:
    proxy.cut(b"needle")
    async with talking(proxy) as ends:
        assert await answer(ends, b"nothing\n") == b"nothing\n"
        ends[1].write(b"hay nee")
        await until(lambda: proxy.passed(b"hay nee"))
        assert await is_reset(ends, b"dle\n")


@pytest.mark.parametrize("back", [False, True])
async def test_cut_after_so_many_bytes(proxy: Proxy, echo: Echo, back: bool) -> None:
    """Bytes count from the moment the trap is set, for existing and for new connections."""
    async with talking(proxy) as ends:
        assert await answer(ends, b"one\n") == b"one\n"
        trap = proxy.cut(after=6, back=back, times=2)
        assert await answer(ends, b"two\n") == b"two\n"
        assert await is_reset(ends, b"three\n")
    async with talking(proxy) as ends:
        assert await answer(ends, b"four\n") == b"four\n"
        assert await is_reset(ends, b"five\n")
    assert trap.sprung == 2
    assert len(echo.heard) == (5 if back else 3)


async def test_swallowed_it_is_done_and_nobody_hears_of_it(proxy: Proxy, echo: Echo) -> None:
    trap = proxy.swallow(b"do", times=2)
    for _ in "ab":
        async with talking(proxy) as ends:
            assert await is_reset(ends, b"do\n")
    async with talking(proxy) as ends:
        assert await answer(ends, b"do\n") == b"do\n"
    assert (trap.sprung, echo.heard) == (2, 3 * [b"do\n"])


async def test_of_the_answers_that_one_is_swallowed_which_it_is_about(proxy: Proxy) -> None:
    trap = proxy.swallow(b"do", answer=b"done")
    async with talking(proxy) as ends:
        assert await answer(ends, b"do\n") == b"do\n"
        assert await is_reset(ends, b"done\n")
    assert trap.sprung == 1


async def test_stranded_alone_it_is_silent_and_arrives_when_it_is_delivered(
    proxy: Proxy, echo: Echo
) -> None:
    trap = proxy.strand(b"two")
    async with talking(proxy) as ends, talking(proxy) as others:
        assert await is_silent(ends, b"two\n")
        assert await answer(others, b"one\n") == b"one\n"
        assert (trap.sprung, echo.heard) == (1, [b"one\n"])
        proxy.deliver()
        assert await answer(ends, b"three\n") == b"two\n"


async def test_what_is_watched_gets_through_and_is_counted(proxy: Proxy) -> None:
    seen, trap = proxy.watch(b"two"), proxy.cut(b"two two")
    async with talking(proxy) as ends:
        for line in (b"one\n", b"two\n", b"and two\n"):
            assert await answer(ends, line) == line
        assert await is_reset(ends, b"two two\n")
    assert (seen.sprung, trap.sprung) == (3, 1)


async def test_in_a_silence_connections_are_made_and_nothing_gets_through(
    proxy: Proxy, echo: Echo
) -> None:
    async with talking(proxy) as before:
        proxy.hush()
        async with talking(proxy) as within:
            assert await is_silent(before, b"a\n")
            assert await is_silent(within, b"b\n")
            assert echo.heard == []
            proxy.speak()
            assert await before[0].readline() == b"a\n"
            assert await within[0].readline() == b"b\n"


async def test_down_it_refuses_and_up_it_is_where_it_was(proxy: Proxy) -> None:
    port = proxy.port
    async with talking(proxy) as ends:
        await proxy.down()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port))
        assert await ends[0].read() == b""
    await proxy.up()
    async with talking(proxy) as ends:
        assert await answer(ends, b"back\n") == b"back\n"


async def test_resets_and_what_is_broken_off(proxy: Proxy, echo: Echo) -> None:
    async with talking(proxy) as ends:
        assert await answer(ends, b"one\n") == b"one\n"
        proxy.break_off()
        assert await is_reset(ends, b"")
    proxy.resets = True
    async with talking(proxy) as ends:
        assert await is_reset(ends, b"two\n")
    proxy.mend()
    async with talking(proxy) as ends:
        assert await answer(ends, b"three\n") == b"three\n"
    assert echo.heard == [b"one\n", b"three\n"]


async def test_pieces_are_late_and_drip(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    async with talking(proxy) as ends:
        proxy.delay, proxy.jitter = 0.05, 0.05
        began = loop.time()
        assert await answer(ends, b"there and back\n") == b"there and back\n"
        assert loop.time() - began >= 0.1
        proxy.mend()
        proxy.pace = 1000
        began = loop.time()
        await answer(ends, b"x" * 199 + b"\n")
        assert loop.time() - began >= 0.3


async def test_who_is_behind_is_not_there(proxy: Proxy) -> None:
    async with Proxy(Place("127.0.0.1", 1)) as nobody, talking(nobody) as ends:
        assert await is_reset(ends, b"hello\n")

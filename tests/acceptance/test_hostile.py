"""Hostile clients: slow senders, floods, clients that never read, crowds, and forged addresses."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.support.api_clients import Creator, PlainNode
from tests.support.api_description import our_contract
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.raw_connections import CONTINUATION, PING, PONG, TEXT, Raw, frame, raw, upgraded
from tests.support.until import until

CONNECTIONS, SOCKETS = 8, 3
PROXY, CLIENT, OTHER = "127.0.0.9", "203.0.113.5", "203.0.113.6"
# Addresses that have sent nothing yet, even if a test runs again.
SOURCES = (f"127.0.1.{number}" for number in itertools.count(1))
CLIENTS = (f"192.0.2.{number}" for number in itertools.count(1))
NARROW = {
    "RENDERTRUST_SERVER_HEADER_SECONDS": "1",
    "RENDERTRUST_SERVER_BODY_SECONDS": "2",
    "RENDERTRUST_SERVER_WRITE_SECONDS": "2",
    "RENDERTRUST_SERVER_CONNECTIONS_PER_ADDRESS": str(CONNECTIONS),
    "RENDERTRUST_SERVER_SOCKETS_PER_ADDRESS": str(SOCKETS),
    "RENDERTRUST_SERVER_TRUSTED_PROXIES": f"{PROXY}, 10.0.0.0/8",
    "RENDERTRUST_LIMITS_REFRESH": "2",
}
MakeNode = Callable[..., Awaitable[PlainNode]]
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n"
DRIPPING = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n"
)


DESCRIBED = 'rendertrust_requests_total{method="GET",route="/openapi.json",status="200"}'


gateway = gateway_with(NARROW)


@contextlib.asynccontextmanager
async def session(source: str) -> AsyncGenerator[aiohttp.ClientSession]:
    """Yield a client with an address of its own."""
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    watch = [our_contract().watch()]
    async with aiohttp.ClientSession(connector=connector, trace_configs=watch) as http:
        yield http


async def figure(gateway: Gateway, name: str) -> float:
    async with session("127.0.0.250") as http, http.get(f"{gateway.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return float(found.get(name, 0))


async def crowd(
    stack: contextlib.AsyncExitStack, gateway: Gateway, source: str, number: int
) -> list[Raw]:
    return [await stack.enter_async_context(raw(gateway.url, source)) for _ in range(number)]


# -- HTTP


async def test_an_address_has_so_many_connections_and_others_are_served(gateway: Gateway) -> None:
    async with contextlib.AsyncExitStack() as stack:
        held = await crowd(stack, gateway, "127.0.0.2", CONNECTIONS)
        for connection in held:
            await connection.send(HEALTH + b"\r\n")
            assert (await connection.answer())[0] == 200
        (late,) = await crowd(stack, gateway, "127.0.0.2", 1)
        status, refused = await late.answer()
        assert (status, refused["status"]) == (429, 429)
        assert "from your address" in refused["detail"]
        assert await late.rest() == b""
        (other,) = await crowd(stack, gateway, "127.0.0.3", 1)
        await other.send(HEALTH + b"\r\n")
        assert (await other.answer())[0] == 200
        held[0].sock.close()

        async def is_let_in() -> bool:
            async with raw(gateway.url, "127.0.0.2") as again:
                await again.send(HEALTH + b"\r\n")
                return (await again.answer())[0] == 200

        await until(is_let_in)


async def test_headers_and_bodies_that_drip_are_cut(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()

    async def drip(connection: Raw, head: bytes, drop: bytes) -> float:
        """Send drops until the connection ends, and return how long the connection lasted."""
        begun, last = loop.time(), asyncio.create_task(connection.rest())
        await connection.send(head)
        while not last.done():
            await connection.send(drop)
            await asyncio.wait((last,), timeout=0.1)
        return loop.time() - begun

    async with contextlib.AsyncExitStack() as stack:
        heads = await crowd(stack, gateway, "127.0.0.2", 4)
        bodies = await crowd(stack, gateway, "127.0.0.3", 4)
        lasted = await asyncio.gather(
            *(drip(connection, HEALTH, b"X") for connection in heads),
            *(drip(connection, DRIPPING + b"\r\n", b" ") for connection in bodies),
        )
        assert all(connection.heard == b"" for connection in heads)
        assert all(connection.heard.startswith(b"HTTP/1.1 408") for connection in bodies)
    assert max(lasted) < 60  # some seconds, and time for a busy machine


async def test_who_asks_for_much_and_reads_nothing_is_cut(gateway: Gateway) -> None:
    await until(lambda: is_described(gateway))
    await until(lambda: is_quiet(gateway))
    before = await described(gateway)
    async with raw(gateway.url, "127.0.0.2", small=True) as deaf:
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 200
        sending = asyncio.create_task(deaf.send(asked))

        async def is_answered() -> bool:
            return await described(gateway) > before

        await until(is_answered)
        await until(lambda: is_quiet(gateway))
        await sending


async def is_described(gateway: Gateway) -> bool:
    """Return True if the gateway serves the description of its API; at first it does not."""
    async with session("127.0.0.250") as http, http.get(f"{gateway.url}/openapi.json") as answer:
        return answer.status == 200


async def described(gateway: Gateway) -> float:
    """Return how often the gateway has sent the description of its API."""
    return await figure(gateway, DESCRIBED)


async def is_quiet(gateway: Gateway) -> bool:
    """Return True if the connection of this request is the gateway's only one."""
    return await figure(gateway, "rendertrust_connections") == 1


# -- through proxies


async def refresh(gateway: Gateway, source: str, said: str | None) -> tuple[int, str]:
    """Send a refresh (limited per address); return the status and how many requests are left."""
    headers = {} if said is None else {"X-Forwarded-For": said}
    url, body = f"{gateway.url}/api/v1/auth/refresh", {"refresh_token": "none"}
    async with session(source) as http, http.post(url, json=body, headers=headers) as answer:
        return answer.status, answer.headers["RateLimit-Remaining"]


async def test_who_says_that_he_is_another_is_counted_as_himself(gateway: Gateway) -> None:
    source = next(SOURCES)
    found = [await refresh(gateway, source, f"203.0.113.{n}") for n in range(20, 23)]
    assert found == [(401, "1"), (401, "0"), (429, "0")]


async def test_clients_of_a_proxy_of_ours_are_counted_apart_and_logged(gateway: Gateway) -> None:
    source, *clients = next(SOURCES), next(CLIENTS), next(CLIENTS)
    for client in clients:
        # The first address may be one that the client itself claims.
        found = [await refresh(gateway, PROXY, f"198.51.100.{n}, {client}") for n in range(3)]
        assert found == [(401, "1"), (401, "0"), (429, "0")]
    await refresh(gateway, source, "203.0.113.20")
    # A thread writes the log, so the log may lag.
    await until(lambda: {*clients, source} <= logged(gateway))
    assert not logged(gateway) & {"198.51.100.0", "203.0.113.20", PROXY}


def logged(gateway: Gateway) -> set[str]:
    """Return the addresses of all refreshes in the complete lines of the log."""
    whole = gateway.log.read_text().rpartition("\n")[0].splitlines()
    lines = [json.loads(line) for line in whole if "access" in line]
    return {line["ip"] for line in lines if line.get("path") == "/api/v1/auth/refresh"}


async def test_the_scheme_for_presigned_urls_is_what_our_proxy_says(
    gateway: Gateway, creator: Creator
) -> None:
    body = {"sha256": "ab" * 32, "size": 5, "filename": "a.blend"}
    schemes = []
    for source in ("127.0.0.4", PROXY):
        async with session(source) as http:
            there = Creator(http, gateway.url, creator.email, creator.token)
            headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": CLIENT}
            status, upload = await there.call("POST", "/uploads", body, **headers)
            assert status in {200, 201}, upload
            schemes.append(upload["put"]["url"].partition("://")[0])
    assert schemes == ["http", "https"]


async def test_requests_in_flight_of_a_proxys_client_are_bounded(gateway: Gateway) -> None:
    client = f"X-Forwarded-For: {CLIENT}\r\n\r\n".encode()
    async with contextlib.AsyncExitStack() as stack:
        # A proxy may have any number of connections.
        many = await crowd(stack, gateway, PROXY, CONNECTIONS + 3)
        for connection in many:
            await connection.send(DRIPPING + client)
        statuses = sorted([(await connection.answer())[0] for connection in many])
        assert statuses == [408] * CONNECTIONS + [429] * 3
        (other,) = await crowd(stack, gateway, PROXY, 1)
        await other.send(HEALTH + client.replace(CLIENT.encode(), OTHER.encode()))
        assert (await other.answer())[0] == 200


# -- sockets of nodes


async def test_an_address_has_so_many_nodes_and_each_may_come_back(
    gateway: Gateway, make_node: MakeNode
) -> None:
    nodes = [await make_node("echo") for _ in range(SOCKETS + 1)]
    async with session("127.0.0.5") as http, session("127.0.0.6") as elsewhere:
        for node in nodes:
            node.http = http
        for node in nodes[:-1]:
            await node.connect()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await nodes[-1].connect()
        assert refused.value.status == 429
        assert refused.value.headers is not None
        assert int(refused.value.headers["Retry-After"]) >= 1
        older = nodes[0].socket
        assert older is not None
        await nodes[0].connect()
        assert (await older.receive(timeout=60)).data == 4003
        nodes[-1].http = elsewhere
        await nodes[-1].connect()
        for node in nodes:
            await node.leave()
    await until(lambda: no_sockets(gateway))


async def no_sockets(gateway: Gateway) -> bool:
    """Return True if neither a socket nor its actor is left."""
    actors = await figure(gateway, 'rendertrust_actors{actor="NodeSession"}')
    return actors == 0 and await figure(gateway, "rendertrust_sockets") == 0


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (frame(TEXT, b'{"type": "pong"}'), 1008),
        (frame(TEXT, b'{"type": "made up"}'), 1008),
        (frame(PING, b"x" * 100), 1008),
        (frame(PONG), 1008),
        (frame(TEXT, b""), 1007),
        (frame(TEXT, b"\xff"), 1007),
        (frame(0x2, b"binary"), 1007),
        (frame(0x3, b"reserved"), 1002),
    ],
    ids=[
        "pongs",
        "unknown types",
        "pings",
        "bare pongs",
        "empty",
        "no UTF-8",
        "binary",
        "reserved",
    ],
)
async def test_a_flood_is_cut_and_told_why(
    gateway: Gateway, make_node: MakeNode, what: bytes, code: int
) -> None:
    node = await make_node("echo")
    async with raw(gateway.url, "127.0.0.7") as flood:
        await upgraded(flood, gateway.url, node.id, node.token)
        sending = asyncio.create_task(flood.send(what * 4000))
        assert await flood.close_code() == code
        sending.cancel()
        await asyncio.wait((sending,))
    await until(lambda: no_sockets(gateway))
    if code == 1008:
        await check_reconnect_is_refused(node)
    else:
        await node.connect()


async def check_reconnect_is_refused(node: PlainNode) -> None:
    """Check that a node that flooded cannot reconnect at once."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await node.connect()
    assert refused.value.status == 429
    assert refused.value.headers is not None
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 15


async def test_fragments_of_a_frame_that_never_ends_are_cut(
    gateway: Gateway, make_node: MakeNode
) -> None:
    node = await make_node("echo")
    async with raw(gateway.url, "127.0.0.7") as flood:
        await upgraded(flood, gateway.url, node.id, node.token)
        await flood.send(frame(TEXT, final=False))
        fragments = frame(CONTINUATION, final=False) * 50_000

        async def is_cut() -> bool:
            return not await flood.send(fragments)

        await until(is_cut)
    await until(lambda: no_sockets(gateway))
    await check_reconnect_is_refused(node)


async def test_a_node_that_never_reads_holds_neither_memory_nor_an_actor(
    gateway: Gateway, make_node: MakeNode, creator: Creator
) -> None:
    node = await make_node("deaf")
    async with raw(gateway.url, "127.0.0.7", small=True) as deaf:
        await upgraded(deaf, gateway.url, node.id, node.token)
        params: dict[str, Any] = {"text": "x" * 9_000}
        placed = [await creator.dispatch("deaf", params=params) for _ in range(32)]
        assert {status for status, _ in placed} == {200}
        await until(lambda: no_sockets(gateway))
        found = [await creator.job(job["job_id"]) for _, job in placed]
        assert {job["status"] for job in found} <= {"DISPATCHED", "QUEUED"}  # no job is lost

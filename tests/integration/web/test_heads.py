"""Requests with ambiguous headers: refused alike on every path, before a handler runs."""

import json
from typing import Any

import aiohttp
import pytest

from tests.support.api_clients import PlainNode
from tests.support.http_gateway import Face
from tests.support.raw_connections import raw
from tests.support.whole_gateway import Whole

UUID = "550e8400-e29b-41d4-a716-446655440000"
HOSTS = ["h:99999", "[....]:80", "[1:2]", "a b/c@d", "user@evil.example", "h:0", "h:", ""]
PATHS = [
    "POST /api/v1/uploads",
    f"GET /api/v1/jobs/{UUID}/result",
    f"GET /api/v1/jobs/{UUID}/units",
    f"GET /api/v1/relay/ws/{UUID}",
    "GET /console/sign-in",
    "GET /health",
]
UPLOAD = {"sha256": "ab" * 32, "size": 5, "filename": "a.blend"}


async def said(face: Face, head: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    """Send exactly these bytes, and return status and JSON of the answer."""
    async with raw(str(face.client.make_url("/"))) as connection:
        await connection.send(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
        top, _, rest = (await connection.rest()).partition(b"\r\n\r\n")
        assert b"content-type: application/json" in top.lower(), top
        return int(top.split()[1]), json.loads(rest)


@pytest.mark.parametrize("line", PATHS)
async def test_a_host_that_no_url_can_be_built_on_is_refused(face: Face, line: str) -> None:
    headers = {**await face.user(), "Content-Type": "application/json"}
    body = json.dumps(UPLOAD).encode() if line.startswith("POST") else b""
    sent = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
    for host in HOSTS:
        head = f"{line} HTTP/1.1\r\nHost: {host}\r\n{sent}\r\nContent-Length: {len(body)}"
        status, problem = await said(face, head, body)
        assert (host, status) == (host, 400)
        assert problem["detail"] == "The Host header is not a valid host and port"
        assert problem["request_id"]


async def test_a_node_that_comes_by_such_a_host_gets_no_session(
    gateway: Whole, http: aiohttp.ClientSession
) -> None:
    node = PlainNode(http, gateway.url)
    await node.register()
    path = f"{gateway.url}/api/v1/relay/ws/{node.id}"
    headers = {"Authorization": f"Bearer {node.token}"}
    for host in ("h:99999", "[....]:80", "[1:2]"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(path, headers={**headers, "Host": host})
        assert refused.value.status == 400
    async with http.ws_connect(path, headers=headers) as socket:
        assert not socket.closed


@pytest.mark.parametrize(
    "host", ["render_farm:8000", "[::1]:80", "[fe80::1%25eth0]", "Render.Example."]
)
async def test_hosts_that_networks_have_are_served(face: Face, host: str) -> None:
    async with face.client.get("/health", headers={"Host": host.replace("%25", "%")}) as answer:
        assert answer.status == 200


async def test_http_1_0_may_leave_the_host_out(face: Face) -> None:
    assert await said(face, "GET /health HTTP/1.0") == (200, {"status": "healthy"})


async def test_http_1_0_may_keep_its_connection(face: Face) -> None:
    head = b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    async with raw(str(face.client.make_url("/"))) as connection:
        for _ in range(2):
            await connection.send(head)
            while b"\r\n\r\n" not in connection.heard:
                assert await connection.more()
            assert b"\r\nConnection: keep-alive\r\n" in connection.heard
            assert await connection.answer() == (200, {"status": "healthy"})


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/console", f"/api/v1/jobs/{UUID}/result"])
async def test_an_unknown_expectation_is_refused_in_json(face: Face, path: str) -> None:
    status, problem = await said(face, f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: tea")
    assert (status, problem["detail"]) == (417, "Expect must be 100-continue")


@pytest.mark.parametrize("second", ["tea", ""])
async def test_a_second_expectation_counts_as_much_as_the_first(face: Face, second: str) -> None:
    head = f"GET /health HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: {second}"
    async with raw(str(face.client.make_url("/"))) as connection:
        await connection.send(f"{head}\r\nConnection: close\r\n\r\n".encode())
        assert b"HTTP/1.1 417" in await connection.rest()


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "gzip,chunked"])
async def test_a_coding_that_nobody_decodes_is_refused(face: Face, coding: str) -> None:
    head = f"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}"
    status, problem = await said(face, head, b"2\r\n{}\r\n0\r\n\r\n")
    assert status == 400
    assert problem["detail"] in (
        "Transfer-Encoding must be chunked and nothing else",
        "The request is not valid HTTP",
    )


async def test_chunks_alone_are_read(face: Face) -> None:
    head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked"
    head += "\r\nContent-Type: application/json"
    assert (await said(face, head, b"2\r\n{}\r\n0\r\n\r\n"))[0] == 422

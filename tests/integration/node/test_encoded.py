"""Stores that set Content-Encoding: the node keeps the bytes exactly as announced."""

import gzip
import hashlib
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpServer

from rendertrust.http_session import http_session
from rendertrust.node.cache import Cache
from rendertrust.node.plugin import Failed
from rendertrust.protocol import Input

PICTURE = b"\x89PNG\r\n\x1a\n a picture"
BOMB = gzip.compress(bytes(64 << 20))


@pytest.fixture
async def store(aiohttp_server: AiohttpServer) -> TestServer:
    """Run a store that labels every file as gzip-encoded."""

    async def get(request: web.Request) -> web.Response:
        body = {"picture": PICTURE, "bomb": BOMB}[request.match_info["name"]]
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.router.add_get("/{name}", get)
    return await aiohttp_server(app)


def wanted(store: TestServer, name: str, content: bytes, size: int | None = None) -> Input:
    sha256 = hashlib.sha256(content).hexdigest()
    size = len(content) if size is None else size
    return Input(
        path="check/picture", url=str(store.make_url(f"/{name}")), sha256=sha256, size=size
    )


@pytest.mark.parametrize(("name", "content"), [("picture", PICTURE), ("bomb", BOMB)])
async def test_an_input_is_read_as_it_is(
    store: TestServer, tmp_path: Path, name: str, content: bytes
) -> None:
    async with http_session() as http:
        found = await Cache(tmp_path, 1 << 30, http).fetch(wanted(store, name, content))
    assert isinstance(found, Path), found
    assert found.read_bytes() == content


async def test_more_than_was_announced_is_not_kept(store: TestServer, tmp_path: Path) -> None:
    async with http_session() as http:
        found = await Cache(tmp_path, 1 << 30, http).fetch(wanted(store, "bomb", BOMB, 1000))
    assert isinstance(found, Failed)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

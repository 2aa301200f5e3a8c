"""Uploads to a store that stops reading: the node tries again instead of waiting for an hour."""

from pathlib import Path

import aiohttp
import pytest

from rendertrust.node.presigned_uploads import PutStored, put
from rendertrust.protocol import Output
from tests.faults.place import http_by, of_http
from tests.faults.proxy import Proxy
from tests.integration.node.gateway import Gateway

MIB = 1 << 20
LARGE = 24 * MIB  # more than fits into buffers between node and store


@pytest.mark.parametrize("size", [0, 1, LARGE])
async def test_a_result_is_put_whole(peer: Gateway, tmp_path: Path, size: int) -> None:
    file = tmp_path / "result"
    file.write_bytes(b"x" * size)
    async with aiohttp.ClientSession() as session:
        assert await put(session, output(f"{peer.url}/store/a"), file) == PutStored()
    assert len(peer.objects["a"]) == size
    ((_, headers),) = peer.puts
    assert headers["Content-Length"] == str(size)


async def test_a_store_that_takes_no_more_is_tried_again(
    peer: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rendertrust.node.presigned_uploads.TAKEN_SECONDS", 2.0)
    file = tmp_path / "result"
    file.write_bytes(b"x" * LARGE)
    async with Proxy(of_http(peer.url)) as proxy, aiohttp.ClientSession() as session:
        trap = proxy.strand(after=MIB)
        url = f"{http_by(proxy, peer.url)}/store/a"
        assert await put(session, output(url), file) == PutStored()
    assert trap.sprung == 1
    assert len(peer.objects["a"]) == LARGE


def output(url: str) -> Output:
    return Output(key="results/a", url=url, headers={})

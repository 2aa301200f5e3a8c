"""A gateway behind nginx and Caddy with TLS: a job from its upload to its result."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from tests.support.api_clients import Creator, FaithfulNode
from tests.support.free_ports import free_port
from tests.support.lent_engines import StartGateway
from tests.support.reverse_proxies import NAMES, proxy
from tests.support.until import until

CLIENT = "127.0.0.8"  # an address other than the proxy's
SCENE = b"scene of sixteen" * 50_000  # 800 kB; test_proxies has larger uploads


@pytest.mark.heavy
@pytest.mark.parametrize("name", NAMES)
async def test_a_job_goes_all_its_way_through_a_proxy(
    start_gateway: StartGateway, name: str, tmp_path: Path
) -> None:
    port = free_port()
    url = f"https://localhost:{port}"
    ours = {
        "RENDERTRUST_SERVER_PUBLIC_URL": url,
        "RENDERTRUST_SERVER_TRUSTED_PROXIES": "127.0.0.1",
    }
    async with (
        start_gateway(**ours) as gateway,
        proxy(name, tmp_path, gateway.port, port) as running,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=running.tls, local_addr=(CLIENT, 0)),
            headers={"X-Forwarded-For": "203.0.113.7"},
        ) as http,
    ):
        assert gateway.url == url
        creator, node = Creator(http, url, "jane@example.org"), FaithfulNode(http, url)
        await creator.register()
        await node.register()
        await node.heartbeat()
        serving = asyncio.create_task(node.serve())
        try:
            await until(lambda: node.sockets == 1)
            reference = await creator.upload(SCENE)
            status, job = await creator.dispatch("echo", payload_ref=reference)
            assert status == 200, job
            await creator.job_within(job["job_id"], "COMPLETED")
            assert await gateway.stop() == 0
            await until(lambda: node.closes)
        finally:
            serving.cancel()
            await asyncio.wait((serving,))
        lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
        seen = {line["ip"] for line in lines if line["logger"] == "access"}
        assert seen == {CLIENT}  # neither the proxy's address nor one that the client claims
        logs = [tmp_path / name for name in ("access.log", "error.log", "stderr")]
        said = "".join(log.read_text() for log in logs if log.exists())
        assert node.token not in said  # not even in a proxy's errors about a stopped gateway

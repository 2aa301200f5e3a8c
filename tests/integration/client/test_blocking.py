"""Tests of the sync client, which runs the async client on its own loop, from any thread
or loop.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from aiohttp import web

from rendertrust.client import BadAnswer, Client, JobSpec, NotFound, StillRunning
from tests.integration.client.conftest import FAST, GOOD
from tests.integration.client.double import PICTURE, GatewayDouble, completing
from tests.integration.client.test_scenes_program import KEPT, says


def client_of(gateway: GatewayDouble) -> Client:
    return Client(gateway.url, tokens=GOOD, retries=FAST)


async def test_a_whole_job_without_asyncio(gateway: GatewayDouble, blend: Path) -> None:
    def work() -> list[str]:
        with client_of(gateway) as client:
            upload = client.upload(blend)
            placed = client.dispatch(JobSpec("render", upload.payload_ref))
            gateway.life = completing(0.5)
            statuses = [job.status for job in client.watch(placed.job_id)]
            path = client.download(placed.job_id, blend.parent / "frame.png")
            assert path.read_bytes() == PICTURE
            assert client.jobs().count == 1
            assert client.balance().held == "10.0000"
            assert client.wait(placed.job_id).ended
            return statuses

    assert await asyncio.to_thread(work) == ["DISPATCHED", "RUNNING", "COMPLETED"]


async def test_a_preview_and_all_uploads_without_asyncio(gateway: GatewayDouble) -> None:
    job_id, jpeg = gateway.add_job(), b"\xff\xd8\xff\xe0 small"
    preview = f"GET /api/v1/jobs/{job_id}/preview"
    gateway.script(preview, lambda _: web.Response(body=jpeg))
    gateway.script(preview, lambda _: web.Response(body=b"<html>"))
    names = ["a.blend", "b.blend", "c.blend"]
    for page in (names[:2], names[:2], names[2:]):
        body = {"uploads": [kept(name) for name in page], "count": 3, "used": 30, "quota": 100}
        gateway.script("GET /api/v1/uploads", says(body))

    def work() -> None:
        with client_of(gateway) as client:
            assert client.preview(job_id, 7) == jpeg
            with pytest.raises(BadAnswer, match="JPEG"):
                client.preview(job_id)
            assert client.uploads(limit=2).used == 30
            assert [upload.filename for upload in client.each_upload()] == names

    await asyncio.to_thread(work)


def kept(name: str) -> Mapping[str, object]:
    return {**KEPT, "id": str(uuid5(NAMESPACE_URL, name)), "filename": name}


async def test_exceptions_arrive_in_the_caller(gateway: GatewayDouble) -> None:
    job_id = gateway.add_job()

    def work() -> None:
        with client_of(gateway) as client:
            with pytest.raises(NotFound):
                client.job("7c9e6679-7425-40de-944b-e07fc1f90ae7")
            with pytest.raises(StillRunning):
                client.wait(job_id, within=0.1)

    await asyncio.to_thread(work)


async def test_a_closed_client_says_so_and_closes_twice(gateway: GatewayDouble) -> None:
    def work() -> None:
        client = client_of(gateway)
        client.close()
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            client.balance()

    await asyncio.to_thread(work)

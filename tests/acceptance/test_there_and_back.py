"""Bytes travel from a creator through the gateway to a node, and the result travels back."""

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from tests.support.api_clients import Creator, Json, PlainNode
from tests.support.gateway_process import Gateway
from tests.support.until import until

MakeNode = Callable[..., Awaitable[PlainNode]]
SCENE = os.urandom(3_000_000)
PICTURE = os.urandom(900_000)


async def upload(creator: Creator, content: bytes) -> Json:
    """Announce, send and complete an upload."""
    body = {"sha256": sha(content), "size": len(content), "filename": "scene.blend"}
    status, announced = await creator.call("POST", "/uploads", body)
    assert status == 201, announced
    put = announced["put"]
    async with creator.http.put(put["url"], data=chunks(content), headers=put["headers"]) as sent:
        assert sent.status == 200, await sent.text()
    status, done = await creator.call("POST", f"/uploads/{announced['id']}/complete")
    assert (status, done["status"]) == (200, "COMPLETED"), done
    return dict(done)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


async def test_a_file_goes_to_the_node_and_its_result_comes_back(
    gateway: Gateway, creator: Creator, make_node: MakeNode, http: aiohttp.ClientSession
) -> None:
    node = await make_node("echo")
    await node.connect()
    uploaded = await upload(creator, SCENE)
    status, placed = await creator.dispatch("echo", payload_ref=uploaded["payload_ref"])
    assert status == 200, placed
    frame = await node.receive("job_dispatch")

    (given,) = frame["inputs"]
    assert (given["path"], given["sha256"]) == ("scene.blend", sha(SCENE))
    assert given["url"].startswith(gateway.url)
    async with http.get(given["url"]) as answer:
        assert await answer.read() == SCENE

    output = frame["output"]
    async with http.put(output["url"], data=PICTURE[:100], headers={}) as refused:
        assert refused.status == 403  # the store needs the signed header
    async with http.put(output["url"], data=PICTURE, headers=output["headers"]) as sent:
        assert sent.status == 200, await sent.text()
    async with http.put(output["url"], data=SCENE[:100], headers=output["headers"]) as again:
        assert again.status == 412  # a result cannot be replaced
    await node.say(
        "job_result",
        job_id=placed["job_id"],
        status="completed",
        result_ref=f"s3://rendertrust/{output['key']}",
        unit=frame["unit"],
        attempt=frame["attempt"],
        sha256=sha(PICTURE),
        size=len(PICTURE),
    )
    await node.receive("ack")

    async def completed() -> bool:
        return bool((await creator.job(placed["job_id"]))["status"] == "COMPLETED")

    await until(completed)
    _, result = await creator.call("GET", f"/jobs/{placed['job_id']}/result")
    async with http.get(result["download_url"]) as answer:
        assert await answer.read() == PICTURE
    code, said = await gateway.fsck()
    assert code == 0, said

"""Scenes are rendered in the version of Blender that saved them, through a whole gateway."""

import hashlib
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from rendertrust.node.renderer_list_updates import fetched
from rendertrust.protocol import Build, Hello, JobDispatch, JobResult
from rendertrust.renderer_list import SIGNED_NAME
from rendertrust.testing import Behaviour, FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import REPORT, sent, somebody, telling, wait_for_look
from tests.support.api_clients import Creator
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from web.downloads.renderers import listed_renderers

Json = dict[str, Any]
PICTURE = b"a picture"
BOTH = ("preflight", "render")
ZSTD = b"\x28\xb5\x2f\xfd"
TOO_NEW: Json = {"opened": False, "error": "newer version", "is_newer": True}


@pytest.fixture
async def gateway(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    settings = settings_for_tests(credits={"starter": "9000"}, limits={"dispatch": 10_000})
    async with whole(database, settings, require_object=True) as running:
        yield running


@pytest.fixture
async def jane(gateway: Whole, http: aiohttp.ClientSession) -> Creator:
    return await somebody(gateway, http, "jane")


async def node_with(stack: AsyncExitStack, url: str, behave: Behaviour, *versions: str) -> FakeNode:
    """Connect a node that has these builds of Blender."""
    node = FakeNode(url, capabilities=BOTH, behave=behave, greet=False)
    await stack.enter_async_context(node)
    builds = tuple(Build(version=version) for version in versions)
    await node.send(Hello(version="1", slots=16, capabilities=BOTH, builds=builds))
    return node


def work_of(node: FakeNode) -> list[str]:
    return [frame.job_type for frame in node.received if isinstance(frame, JobDispatch)]


def versions_in(node: FakeNode) -> list[str | None]:
    """Return the versions in which a node shall render its units, in their order."""
    sent = [frame for frame in node.received if isinstance(frame, JobDispatch)]
    return sorted((frame.blender for frame in sent), key=lambda version: version or "9")


async def submitted(person: Creator, scene: str, **more: Any) -> tuple[int, Json]:
    job = {"job_type": "render", "payload_ref": scene, **more}
    return await person.call("POST", "/jobs/dispatch", job)


async def test_a_scene_goes_to_its_own_version_or_to_those_that_its_creator_allows(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane, b"BLENDER-v405 a scene")
    newer = await sent(gateway, jane, b"BLENDER17-01v0503 a scene")
    old = await sent(gateway, jane, b"BLENDER-v300 a scene")
    packed = await sent(gateway, jane, ZSTD + b" a compressed scene")
    behave = telling(gateway, b"a picture")
    async with AsyncExitStack() as stack:
        several = await node_with(stack, gateway.url, behave, "4.2.1 LTS", "5.2.0")
        status, refused = await until(lambda: refusal_with_versions(jane, scene))
        assert (status, refused["code"]) == (400, "no_blender_version")
        assert "Blender 4.5; the nodes have 4.2 and 5.2" in refused["detail"]
        assert "or_newer (--or-newer)" in refused["detail"]
        status, refused = await submitted(jane, newer, or_newer=True)
        assert (status, refused["code"]) == (400, "no_blender_version")
        assert "--needs blender=5.2" in refused["detail"]
        assert (await submitted(jane, packed, saved_by="4.5"))[0] == 400
        status, job = await submitted(jane, scene, queue=True)
        assert (status, job["status"]) == (202, "QUEUED")
        page = (await jane.call("GET", f"/jobs/{job['job_id']}/units"))[1]
        assert "has another version of Blender than it needs" in str(page), page
        given = [
            await submitted(jane, scene, or_newer=True),
            await submitted(jane, scene, needs={"blender": "4.2"}),
            await submitted(jane, newer, needs={"blender": "5.2"}),
            await submitted(jane, packed, saved_by="5.2"),
            await submitted(jane, packed),
        ]
        assert [status for status, _ in given] == [200] * len(given), given
        await until(lambda: len(work_of(several)) == len(given))
        assert versions_in(several) == ["4.2", "5.2", "5.2", "5.2", None]
        own = await node_with(stack, gateway.url, behave, "4.5.3 LTS")
        await until(lambda: work_of(own) == ["render"])
        await node_with(stack, gateway.url, behave)
        assert (await submitted(jane, old, needs={"blender": "3.0"}))[0] == 400
        await until(lambda: is_taken(jane, old))  # by the node that may have any version


async def is_taken(person: Creator, scene: str) -> bool:
    return (await submitted(person, scene))[0] == 200


async def refusal_with_versions(person: Creator, scene: str) -> list[Any]:
    """Return status and refusal of a scene once it names the versions of connected nodes.

    A job that names its version goes to no node that declares none, so no request makes a job.
    """
    status, answer = await submitted(person, scene, needs={"blender": "4.5"})
    return [status, answer] if "the nodes have" in str(answer) else []


async def test_a_preflight_is_made_by_the_scenes_version_and_says_what_others_exist(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane, b"BLENDER17-01v0503 a scene")
    old = {**TOO_NEW, "saved_by": [5, 3], "blender": [5, 2, 0]}
    own = {**REPORT, "saved_by": [5, 3, 0], "blender": [5, 3, 0]}
    async with AsyncExitStack() as stack:
        await node_with(stack, gateway.url, telling(gateway, old), "5.2.0")
        (error,) = (await wait_for_look(jane, scene))["findings"]
        assert (error["code"], error["level"]) == ("newer_version", "error")
        status, refused = await submitted(jane, scene)
        assert (status, refused["errors"][0]["code"]) == (422, "newer_version")
        await node_with(stack, gateway.url, telling(gateway, own), "5.3.0")

        async def without_findings() -> bool:
            return not (await wait_for_look(jane, scene))["findings"]

        await until(without_findings)
        assert (await submitted(jane, scene))[0] == 200
    async with AsyncExitStack() as stack:
        await node_with(stack, gateway.url, telling(gateway, own), "5.4.0")

        async def findings(**job: Any) -> list[tuple[str, str]]:
            found = (await wait_for_look(jane, scene, **job))["findings"]
            return [(one["code"], one["level"]) for one in found]

        await until(lambda: has_finding(findings))
        assert await findings(or_newer=True) == [("older_version", "warning")]
        assert await findings(needs={"blender": "5.4"}) == [("older_version", "warning")]
        status, refused = await submitted(jane, scene)
        assert (status, refused["errors"][0]["code"]) == (422, "older_version")
        status, refused = await submitted(jane, scene, as_is=True)
        assert (status, refused["code"]) == (400, "no_blender_version")
        assert (await submitted(jane, scene, or_newer=True))[0] == 200


async def test_or_newer_means_the_nearest_version_that_a_node_has(
    gateway: Whole, jane: Creator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "actors.node_session.unit_dispatch")
    scene = await sent(gateway, jane, b"BLENDER-v405 a scene")
    behave = telling(gateway, b"a picture")
    async with AsyncExitStack() as stack:
        node = await node_with(stack, gateway.url, behave, "5.2.0", "4.2.1", "5.0.1")
        await until(lambda: is_submitted(jane, scene))
        await until(lambda: versions_in(node) == ["5.0"])
        assert f"to node {node.node_id} for Blender 5.0.1" in caplog.text
        builds = tuple(Build(version=version) for version in ("5.2.0", "4.5.3", "5.0.1"))
        await node.send(Hello(version="1", slots=16, capabilities=BOTH, builds=builds))
        await until(lambda: is_taken(jane, scene))  # without or_newer: once its hello is known
        assert (await submitted(jane, scene, or_newer=True))[0] == 200
        await until(lambda: versions_in(node) == ["4.5", "4.5", "5.0"])


async def test_a_unit_may_end_in_the_build_of_the_list_in_which_it_began(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane, b"BLENDER-v405 a scene")

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        assert dispatch.output is not None
        await node.send(hello_of("4.5.4"))  # a newer list came while it rendered
        await gateway.gateway.ports.objects.put(dispatch.output.key, PICTURE)
        told = JobResult(
            job_id=dispatch.job_id,
            unit=dispatch.unit,
            attempt=dispatch.attempt,
            status="completed",
            result_ref=dispatch.output.key,
            sha256=hashlib.sha256(PICTURE).hexdigest(),
            size=len(PICTURE),
        )
        node.device_class = "cpu/avx2/b4.5.3"
        await node.send(node.signed(dispatch, told))

    async with FakeNode(gateway.url, capabilities=("render",), behave=behave, greet=False) as node:
        await node.send(hello_of("4.5.3"))
        job = str(await until(lambda: taken(jane, scene)))
        await jane.job_within(job, "COMPLETED", within=60)
        _, receipt = await jane.call("GET", f"/jobs/{job}/receipt")
        assert receipt["receipt"]["work"]["renderer"]["build"] == "b4.5.3"


def hello_of(version: str) -> Hello:
    """Return the hello of a node with Blender 5.2, and this version in its store."""
    builds = tuple(Build(version=each, build=f"b{each}") for each in ("5.2.0", version))
    return Hello(
        version="1",
        slots=1,
        device_class="cpu/avx2/b5.2.0",
        build="b5.2.0",
        builds=builds,
        capabilities=("render",),
    )


async def taken(person: Creator, scene: str) -> str | None:
    status, answer = await submitted(person, scene)
    return str(answer["job_id"]) if status == 200 else None


async def is_submitted(person: Creator, scene: str) -> bool:
    return (await submitted(person, scene, or_newer=True))[0] == 200


async def test_the_list_of_renderers_is_signed_by_the_key_that_nodes_pin(
    gateway: Whole, http: aiohttp.ClientSession
) -> None:
    async def is_shown() -> bool:
        async with http.get(f"{gateway.url}/download/{SIGNED_NAME}") as response:
            return response.status == 200

    await until(is_shown)  # once the log has a checkpoint
    async with http.get(f"{gateway.url}/api/v1/ledger/checkpoint") as response:
        pinned = (await response.json())["verifier"]
    assert await fetched(http, gateway.url, pinned) == listed_renderers()


async def has_finding(findings: Any) -> bool:
    return bool(await findings() == [("older_version", "error")])

"""Jobs and nodes with graphics cards, through a whole gateway, with fake devices."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import attrs
import pytest

from rendertrust.node import devices
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.devices import Device
from rendertrust.node.hello import hello
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.sandbox import Sandbox
from rendertrust.protocol import Hello, JobDispatch, JobResult
from rendertrust.testing import Behaviour, FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import sent, somebody, telling
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.fake_cards import machine
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

RENDER = ("render",)


@pytest.fixture
async def gateway(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    settings = settings_for_tests(credits={"starter": "9000"}, limits={"dispatch": 10_000})
    async with whole(database, settings, require_object=True) as running:
        yield running


@pytest.fixture
async def jane(gateway: Whole, http: aiohttp.ClientSession) -> Creator:
    return await somebody(gateway, http, "jane")


@pytest.fixture
async def otto(gateway: Whole, http: aiohttp.ClientSession) -> Creator:
    return await somebody(gateway, http, "otto")


def hello_of(root: Path, *, any_user: bool) -> Hello:
    """Return the hello of a node on the card ``optix:0``, which has 16 GiB."""
    card = devices.find("optix:0", machine(root, "nvidia"))
    assert isinstance(card, Device)
    found = Blender(
        renderer=Renderer(kind="bpy", before=("python",), after=(), readable=()),
        box=Sandbox(bwrap="bwrap", readable=(), as_root=False),
        device=card,
        version="5.2.0",
        build="b1",
        opengl=False,
    )
    render = RenderPlugin(scratch=root, device=card, any_user=any_user, found=found)
    settings = AgentSettings(device=card, any_user=any_user)
    return hello(PluginOffer(plugins={"render": render}, not_offered={}), settings, ())


async def ordered(person: Creator, scene: str, **needs: object) -> tuple[int, str]:
    """Order a render; return the status, and the node or the reason of the refusal."""
    order = {"job_type": "render", "payload_ref": scene, "needs": needs}
    status, found = await person.call("POST", "/jobs/dispatch", order)
    return status, found["node_id"] if status == 200 else found["detail"]


@pytest.mark.parametrize("any_user", [False, True], ids=["default", "any-user"])
async def test_a_card_renders_for_its_owner_and_whom_they_trust_or_for_all_by_their_word(
    gateway: Whole, jane: Creator, otto: Creator, tmp_path: Path, *, any_user: bool
) -> None:
    own, strangers = await sent(gateway, otto), await sent(gateway, jane)
    behave = telling(gateway, b"a picture")
    token = otto.token
    async with FakeNode(
        gateway.url, capabilities=RENDER, behave=behave, greet=False, user_token=token, slots=8
    ) as node:
        await node.send(hello_of(tmp_path, any_user=any_user))

        async def is_given() -> bool:
            return await ordered(otto, own, device="gpu") == (200, node.node_id)

        await until(is_given)
        status, _ = await ordered(jane, strangers, device="gpu")
        assert status == (200 if any_user else 400)


async def test_a_job_for_a_card_that_is_not_here_is_refused_in_words(
    gateway: Whole, jane: Creator, tmp_path: Path
) -> None:
    scene = await sent(gateway, jane)
    behave = telling(gateway, b"a picture")

    async def is_refused(words: str, **needs: object) -> bool:
        status, why = await ordered(jane, scene, **needs)
        return status == 400 and words in why

    node = FakeNode(gateway.url, capabilities=RENDER, behave=behave, device_class="cpu/x86_64")
    async with node:
        await until(lambda: is_refused("No connected node has a graphics card", device="gpu"))
    async with FakeNode(gateway.url, capabilities=RENDER, behave=behave, greet=False) as node:
        await node.send(hello_of(tmp_path, any_user=True))
        most = "the most that one gives a frame is 16.0 GiB"
        await until(lambda: is_refused(most, vram=24 << 30))
        assert (await ordered(jane, scene, vram=16 << 30))[0] == 200


async def test_a_drawn_scene_for_a_card_is_refused_at_once_as_no_card_draws(
    gateway: Whole, jane: Creator
) -> None:
    needs = {"device": "gpu", "opengl": True}
    order = {"job_type": "render", "payload_ref": await sent(gateway, jane), "needs": needs}
    status, found = await jane.call("POST", "/jobs/dispatch", {**order, "queue": True})
    assert (status, found["errors"][0]["field"]) == (422, "needs.device")
    assert "render Cycles alone" in found["errors"][0]["message"]


def dispatches(node: FakeNode) -> list[JobDispatch]:
    """Return the units that a node was given."""
    return [frame for frame in node.received if isinstance(frame, JobDispatch)]


CARD = "optix/sm_89/550/b1"


def lacking(what: str) -> Behaviour:
    """Return the behaviour of a node that lacks what each unit needs."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        about = attempt_of(dispatch)
        lacks = JobResult(**about, status="failed", failure="node", error="no", lacks=what)
        await node.send(lacks)

    return behave


@pytest.mark.parametrize(
    ("lacks", "device_class", "gib"),
    [("vram", CARD, 24), ("vram", "cpu/x86_64/avx2/b1", 0), ("scripts", "cpu/x86_64/avx2/b1", 0)],
    ids=["larger-card", "processor", "scripts"],
)
async def test_what_a_card_lacks_is_nobodys_fault_and_goes_to_no_other_such_card(
    gateway: Whole, otto: Creator, lacks: str, device_class: str, gib: int
) -> None:
    """The node that has it is busy, and both small cards are free."""
    scene = await sent(gateway, otto)
    gate, picture = asyncio.Event(), telling(gateway, b"a picture")

    async def able(node: FakeNode, dispatch: JobDispatch) -> None:
        await gate.wait()
        await picture(node, dispatch)

    async with AsyncExitStack() as stack:

        async def joined(device: str, vram: int, behave: Behaviour) -> FakeNode:
            token = otto.token
            node = FakeNode(
                gateway.url, capabilities=RENDER, behave=behave, greet=False, user_token=token
            )
            await stack.enter_async_context(node)
            hi = Hello(version="1", capabilities=RENDER, device_class=device, slots=1)
            await node.send(attrs.evolve(hi, ram=64 << 30, vram=vram << 30))
            return node

        async def order_at(job: str) -> str | None:
            _, found = await otto.call("GET", f"/jobs/{job}")
            assert found["status"] != "FAILED", found
            return str(found["node_id"])

        async def job_of(node: FakeNode) -> str | None:
            status, found = await ordered(otto, scene)
            return str(found) if status == 200 and found == node.node_id else None

        large = await joined(device_class, gib, able)
        await until(lambda: job_of(large))
        small = [await joined(CARD, 8, lacking(lacks)) for _ in range(2)]
        order = {"job_type": "render", "payload_ref": scene, "pool": "mine", "queue": True}
        status, placed = await otto.call("POST", "/jobs/dispatch", order)
        assert status in (200, 202), placed
        job = placed["job_id"]

        async def is_at_large() -> bool:
            tried = any(asked.job_id == job for node in small for asked in dispatches(node))
            return tried and await order_at(job) == large.node_id

        await until(is_at_large, within=60)
        tries = [asked for node in small for asked in dispatches(node) if asked.job_id == job]
        assert len(tries) == 1, "the other small card got nothing"
        gate.set()

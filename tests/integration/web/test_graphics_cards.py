"""Jobs and nodes with graphics cards, through a whole gateway, with fake devices."""

from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
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
from rendertrust.protocol import Hello
from rendertrust.testing import FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import sent, somebody, telling
from tests.support.api_clients import Creator
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

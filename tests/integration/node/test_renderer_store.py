"""The store of renderers on a node: pip, environments and the sandbox are real, Blender is not."""

import asyncio
import sys
from pathlib import Path

import attrs
import pytest

from rendertrust import note, renderer_list
from rendertrust.http_session import http_session
from rendertrust.node import blender, doctor, enrolment, plugins, renderer_environment
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.enrolment import Joined
from rendertrust.node.renderer_environment import PipTools, Python
from rendertrust.node.renderer_list_updates import fetched
from rendertrust.node.renderer_store import HALF, NotInstalled, RendererStore, installed
from rendertrust.node.state_folder import BlenderChoice, Enrolment, StateFolder
from rendertrust.node_key import load_or_create_key
from rendertrust.note import NoteRefused
from rendertrust.protocol import Hello, JobStatus
from rendertrust.receipt import WorkStatement, read_work
from rendertrust.renderer_list import SIGNED_NAME, RendererRelease, RendererWheel
from tests.integration.node.conftest import QUICK, Listen, Start
from tests.integration.node.gateway import Gateway, ack_of
from tests.support.fake_renderers import BUILD, KEY, ORIGIN, release, release_of, write_wheel
from tests.support.until import until
from tests.twins.signer import signing_key
from web.downloads.renderers import listed_renderers

UNIT = "0b0e9a8e-8a55-4f8a-9a46-0e2a3b7c9d10"
BUILDS = {"4.5.3": "45300000abcd", "4.5.4": "45400000abcd"}
HERE = "{}.{}".format(*sys.version_info[:2])


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is set as pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def store_in(folder: Path, told: list[str] | None = None) -> RendererStore:
    async def test(program: Renderer) -> blender.Blender | blender.NoBlender:
        return await blender.try_out(program, folder / "scratch", None)

    narrate = (told if told is not None else list[str]()).append
    return RendererStore(folder / "renderers", 10**9, test, narrate=narrate)


async def test_a_version_is_installed_once_and_runs_in_the_sandbox(
    index: Path, tmp_path: Path
) -> None:
    wanted, told = release_of(write_wheel(index, "4.5.3"), HERE), list[str]()
    for _ in range(2):  # the second agent finds what the first one installed
        store = store_in(tmp_path, told)
        await store.clean()
        await store.take((wanted,))
        async with store.lent(wanted) as found:
            assert isinstance(found, Blender), found
            assert (found.version, found.build, found.is_sandboxed) == ("4.5.3", BUILD, True)
            assert found.renderer.before[0].startswith(str(store.folder)), "it is the store's"
    assert [line for line in told if "install" in line] == [
        "installing Blender 4.5.3, 0 MiB",
        "Blender 4.5.3 is installed",
    ]


async def test_a_wheel_with_another_hash_is_refused(index: Path, tmp_path: Path) -> None:
    write_wheel(index, "4.5.3")
    wanted = release_of(RendererWheel("bpy", "4.5.3", "0" * 64), HERE)
    store = store_in(tmp_path)
    await store.clean()
    await store.take((wanted,))
    async with store.lent(wanted) as found:
        assert isinstance(found, NotInstalled)
    assert "HASHES" in found.reason
    assert (store.offered(), list(store.folder.iterdir())) == ((), [])
    assert store.changed.is_set(), "the gateway is told that this node lacks the version"


@attrs.frozen
class KilledTools(PipTools):
    """Tools that stop for ever when pip has installed everything."""

    reached: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def install(self, release: RendererRelease, python: Python, folder: Path) -> str | None:
        await super().install(release, python, folder)
        self.reached.set()
        await asyncio.Event().wait()
        return None


@pytest.mark.heavy
async def test_what_a_killed_agent_left_half_installed_is_removed(
    index: Path, tmp_path: Path
) -> None:
    wanted, tools = release_of(write_wheel(index, "4.5.3"), HERE), KilledTools()
    store = store_in(tmp_path)
    store.tools = tools
    await store.clean()
    await store.take((wanted,))

    async def use(store: RendererStore) -> object:
        async with store.lent(wanted) as found:
            return found

    using = asyncio.create_task(use(store))
    await tools.reached.wait()
    (half,) = store.folder.glob(f"{HALF}*")
    left = half.rename(store.folder / f"{HALF}left")  # as after a kill, which removes nothing
    using.cancel()
    await asyncio.wait({using})
    assert (left / "bin" / "python").exists()
    again = store_in(tmp_path)
    await again.clean()
    assert list(again.folder.iterdir()) == []
    await again.take((wanted,))
    assert isinstance(await use(again), Blender)
    assert len(installed(again.folder)) == 1


async def test_a_python_that_is_missing_is_named(tmp_path: Path) -> None:
    told = list[str]()
    store = store_in(tmp_path, told)
    await store.take((release("4.5.3", python="3.99"), release("5.1.0", python=HERE)))
    assert [each.version for each in store.offered()] == ["5.1.0"]
    assert told == ["Blender 4.5 is not offered: it needs Python 3.99, which this machine lacks"]
    python = await renderer_environment.PipTools().python(HERE)
    assert python is not None


@pytest.mark.parametrize("case", ["other key", "changed", "none", "no key"])
async def test_a_list_that_the_gateway_did_not_sign_is_refused(peer: Gateway, case: str) -> None:
    signed = renderer_list.sign((release("4.5.3"),), ORIGIN, KEY)
    key = str(note.verifier_of(ORIGIN, KEY))
    other = signed.replace("4.5.3", "4.5.4") if case == "changed" else signed
    peer.files = {} if case == "none" else {SIGNED_NAME: other.encode()}
    if case == "other key":
        key = str(note.verifier_of(ORIGIN, signing_key(9)))
    async with http_session() as session:
        found = await fetched(session, peer.url, None if case == "no key" else key)
        assert isinstance(found, NoteRefused)
        peer.files = {SIGNED_NAME: signed.encode()}
        good = await fetched(session, peer.url, str(note.verifier_of(ORIGIN, KEY)))
    assert good == (release("4.5.3"),)


@pytest.mark.render
@pytest.mark.usefixtures("known_blender")
async def test_a_node_offers_the_listed_versions_until_one_fails(
    peer: Gateway, start: Start, index: Path
) -> None:
    wheel = write_wheel(index, "4.5.3")
    listed = (
        release_of(wheel, HERE),
        release("4.2.1", python=HERE),
        release("4.4.0", python="3.99"),
    )
    peer.log_keys, peer.answer = [KEY], ack_of
    peer.files = {SIGNED_NAME: renderer_list.sign(listed, ORIGIN, KEY).encode()}
    async with start(attrs.evolve(QUICK, renderers_bytes_max=10**9)) as node:
        own = (await peer.next(Hello)).builds
        await until(lambda: versions_of(peer)[len(own) :] == ["4.2.1", "4.5.3"])
        scene = peer.input("s.blend", b"BLENDER-v402 no scene")
        await peer.send(attrs.evolve(peer.dispatch("render", inputs=(scene,)), blender="4.2"))
        result = await peer.result("j1")
        assert (result.failure, result.given_back) == ("network", True)
        assert "Blender 4.2.1 cannot be installed" in (result.error or "")
        await until(lambda: versions_of(peer)[len(own) :] == ["4.5.3"])
        assert any("started in Blender 4.2" in line for line in node.told)
        said = [one for one in peer.frames if isinstance(one, JobStatus)]
        told = {(one.preparing, one.detail) for one in said}
        assert told == {(True, "installing Blender 4.2")}, "the unit did not begin"


@pytest.fixture
def storekeeper(
    peer: Gateway, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AgentSettings:
    """Enrol a node without a Blender of its own, and return its settings."""
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)
    listed = tuple(release_of(write_wheel(index, each), HERE) for each in ("4.5.3", "5.0.1"))
    peer.log_keys = [KEY]
    peer.files = {SIGNED_NAME: renderer_list.sign(listed, ORIGIN, KEY).encode()}
    key = str(note.verifier_of(ORIGIN, KEY))
    known = Enrolment(url=peer.url, node_id="n1", name="test", token="first-token", gateway_key=key)
    StateFolder(tmp_path / "state").enrol(known)
    return attrs.evolve(QUICK, renderers_bytes_max=10**9)


@pytest.mark.render
async def test_a_node_without_a_blender_lives_from_the_store(
    peer: Gateway, start: Start, index: Path, tmp_path: Path, storekeeper: AgentSettings
) -> None:
    async with start(storekeeper) as node:
        hello = await peer.next(Hello)
        assert (hello.blender, hello.build) == ("5.0.1", BUILD)
        assert "render" in hello.capabilities
        await until(lambda: versions_of(peer) == ["5.0.1", "4.5.3"])
        assert "installing Blender 5.0.1, 0 MiB" in node.told
        # An update's self-test and the doctor run beside the agent, and take its renderer.
        settings = AgentSettings.for_test(node.folder)
        assert settings.renderers_bytes_max == 10**9
        index.rename(tmp_path / "no-index")
        offer = await plugins.offer(node.folder, settings)
        assert offer.render is not None
        assert [each.version for each in offer.render.builds()] == ["5.0.1"]
        assert doctor.renders(offer).said.startswith("5.0.1")


@pytest.mark.render
async def test_a_node_without_a_blender_renders_once_its_gateway_is_there(
    peer: Gateway,
    listen: Listen,
    start: Start,
    storekeeper: AgentSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rendertrust.node.renderer_list_updates.AGAIN_SECONDS", 0.05)
    port, successor = peer.server.port, Gateway()
    successor.log_keys, successor.files = peer.log_keys, peer.files
    await peer.server.close()
    async with start(storekeeper) as node:
        await until(lambda: any("cannot reach" in line for line in node.told))
        assert "render" not in node.folder.told().get("capabilities", ())
        await listen(successor, port)
        await until(lambda: versions_of(successor) == ["5.0.1", "4.5.3"])
        hello = hellos_of(successor)[-1]
        assert (hello.blender, hello.build) == ("5.0.1", BUILD)
        assert {"render", "check", "preflight", "video"} < set(hello.capabilities)
        await until(lambda: "render" in node.folder.told()["capabilities"])
        scene = successor.input("s.blend", b"BLENDER-v501 no scene")
        await successor.send(successor.dispatch("render", inputs=(scene,)))
        result = await successor.result("j1")
        assert (result.status, result.failure) == ("failed", "node"), "the fake Blender ran"


@pytest.mark.render
async def test_a_node_without_a_blender_tries_again_after_pip_has_failed(
    peer: Gateway,
    start: Start,
    index: Path,
    storekeeper: AgentSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rendertrust.node.renderer_list_updates.AGAIN_SECONDS", 0.05)
    away = index.rename(index.with_name("away"))
    index.mkdir()
    async with start(storekeeper) as node:
        failed = "Blender 5.0.1 is not offered: "
        await until(lambda: len([line for line in node.told if line.startswith(failed)]) > 1)
        assert "render" not in hellos_of(peer)[0].capabilities
        for wheel in away.iterdir():
            wheel.rename(index / wheel.name)
        await until(lambda: set(versions_of(peer)) == {"5.0.1", "4.5.3"})
        assert "render" in hellos_of(peer)[-1].capabilities


@pytest.mark.render
@pytest.mark.usefixtures("known_blender")
async def test_a_node_that_connects_again_offers_what_is_listed_by_then(
    peer: Gateway, start: Start, index: Path
) -> None:
    def offer(*versions: str) -> None:
        listed = tuple(release_of(write_wheel(index, each), HERE) for each in versions)
        peer.files = {SIGNED_NAME: renderer_list.sign(listed, ORIGIN, KEY).encode()}

    peer.log_keys = [KEY]
    offer("4.3.2", "4.5.3")
    async with start(attrs.evolve(QUICK, renderers_bytes_max=10**9)):
        await until(lambda: versions_of(peer)[1:] == ["4.3.2", "4.5.3"])
        known = len(hellos_of(peer))
        offer("4.2.1", "4.5.3")
        await peer.sockets[-1].close()
        await until(lambda: len(hellos_of(peer)) > known)
        greeting = hellos_of(peer)[known]
        assert [build.version for build in greeting.builds][1:] == ["4.2.1", "4.5.3"]


@pytest.fixture
def _real_store(
    peer: Gateway, tmp_path: Path, found_blender: Blender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enrol a node that signs its work, in whose store each version renders as the real Blender."""

    async def real(program: Renderer, *_: object) -> Blender:
        folder = Path(program.before[0]).parent.parent
        (about,) = folder.rglob("bpy-*.dist-info")
        version = about.name.removesuffix(".dist-info").removeprefix("bpy-")
        return attrs.evolve(found_blender, version=version, build=BUILDS[version])

    monkeypatch.setattr("rendertrust.node.blender.try_out", real)
    monkeypatch.setattr("rendertrust.node.renderer_list_updates.ASK_SECONDS", 0.05)
    folder = StateFolder(tmp_path / "state")
    known = Enrolment(url=peer.url, node_id=UNIT, name="test", token="first-token")
    folder.enrol(known)
    load_or_create_key(folder.key)


@pytest.mark.render
@pytest.mark.usefixtures("known_blender", "_real_store")
async def test_a_unit_is_signed_in_the_build_that_rendered_it_whatever_list_comes_meanwhile(
    peer: Gateway, start: Start, index: Path, small: Path, found_blender: Blender
) -> None:
    peer.log_keys, peer.answer = [KEY], ack_of
    offer_list(peer, index, "4.5.3")
    async with start(attrs.evolve(QUICK, renderers_bytes_max=10**9)):
        await until(lambda: versions_of(peer)[1:] == ["4.5.3"])
        peer.serves.clear()
        scene = {"inputs": (peer.input("s.blend", small.read_bytes()),), "params": {"samples": 1}}
        unit = peer.dispatch("render", job_id=UNIT, output=peer.output("o1"), **scene)
        await peer.send(attrs.evolve(unit, blender="4.5"))
        await until(lambda: peer.fetches)  # the unit has begun
        offer_list(peer, index, "4.5.4")
        await until(lambda: versions_of(peer)[1:] == ["4.5.4", "4.5.3"])
        peer.serves.set()
        result = await peer.result(UNIT)
    assert result.status == "completed", result
    work = read_work(dict(result.work or {}))
    assert isinstance(work, WorkStatement), work
    assert work.document["renderer"] == {
        "name": found_blender.renderer.kind,
        "version": "4.5.3",
        "build": BUILDS["4.5.3"],
    }


def offer_list(peer: Gateway, index: Path, version: str) -> None:
    """Let the gateway offer one version of Blender."""
    listed = release_of(write_wheel(index, version), HERE, build=BUILDS[version])
    peer.files = {SIGNED_NAME: renderer_list.sign((listed,), ORIGIN, KEY).encode()}


@pytest.mark.nightly
@pytest.mark.render
async def test_a_node_joins_with_a_renderer_that_it_has_just_installed(
    peer: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)
    peer.log_keys = [KEY]
    peer.files = {SIGNED_NAME: renderer_list.sign(listed_renderers(), ORIGIN, KEY).encode()}
    told, chosen = list[str](), BlenderChoice(6 * 2**30)
    joined = await enrolment.join(
        peer.url, state=tmp_path / "state", blenders=chosen, narrate=told.append
    )
    assert isinstance(joined, Joined), joined
    assert "render" in joined.capabilities, joined.not_offered
    assert joined.figures["render_samples"] > 0
    folder = StateFolder(tmp_path / "state")
    offer, _ = await enrolment.tested_offer(folder, AgentSettings.for_test(folder), None, None)
    assert "render" in offer.plugins, offer.not_offered
    assert len([line for line in told if line.startswith("installing")]) == 1


def versions_of(peer: Gateway) -> list[str]:
    """Return the versions in the newest hello."""
    return [build.version for each in hellos_of(peer)[-1:] for build in each.builds]


def hellos_of(peer: Gateway) -> list[Hello]:
    """Return what the node has said of itself, the newest last."""
    return [frame for frame in peer.frames if isinstance(frame, Hello)]
